//! The parts of a gathered send, and how far it has come.

use bytes::Bytes;

pub(crate) struct Parts {
    parts: Vec<Bytes>,
    /// The first part that is not sent whole, and how many of its bytes are.
    part: usize,
    sent: usize,
}

impl Parts {
    pub(crate) fn new(parts: Vec<Bytes>) -> Self {
        Self {
            parts,
            part: 0,
            sent: 0,
        }
    }

    /// What is left, in order; no slice is empty.
    pub(crate) fn left(&self) -> impl Iterator<Item = &[u8]> {
        let rest = self.parts.get(self.part..).unwrap_or(&[]);
        rest.iter().enumerate().filter_map(|(n, part)| {
            let skip = if n == 0 { self.sent } else { 0 };
            Some(&part[skip..]).filter(|slice| !slice.is_empty())
        })
    }

    /// So many more bytes were sent.
    ///
    /// # Panics
    /// If they are more than are left.
    pub(crate) fn advance(&mut self, mut count: usize) {
        while count > 0 {
            let left = self.parts[self.part].len() - self.sent;
            if count < left {
                self.sent += count;
                return;
            }
            count -= left;
            self.part += 1;
            self.sent = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_behind_the_last_byte() {
        let bytes = [&b""[..], b"abc", b"", b"defg", b""];
        for step in 1..8 {
            let mut parts = Parts::new(bytes.map(Bytes::from_static).to_vec());
            let mut seen = Vec::new();
            loop {
                let left: Vec<u8> = parts.left().flatten().copied().collect();
                assert!(parts.left().all(|slice| !slice.is_empty()));
                if left.is_empty() {
                    break;
                }
                let count = step.min(left.len());
                seen.extend_from_slice(&left[..count]);
                parts.advance(count);
            }
            assert_eq!(seen, b"abcdefg");
        }
    }
}
