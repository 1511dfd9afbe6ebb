//! The cluster's id in the form that Kafka's clients show.

use std::fmt;
use std::str::FromStr;

/// A random UUID, given when the cluster is made. Its text is Kafka's: URL-safe base64, 22
/// characters, no padding.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ClusterId(pub [u8; 16]);

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl ClusterId {
    /// Makes a version 4 UUID of random bytes.
    pub fn from_random(mut bytes: [u8; 16]) -> Self {
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Self(bytes)
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Two zero bits more make 130 bits: 21 whole digits and one of 2 bits, moved up by 4.
        let bits = u128::from_be_bytes(self.0);
        let mut text = String::with_capacity(22);
        for digit in 0..21u32 {
            let value = (bits >> (122 - 6 * digit)) & 63;
            text.push(ALPHABET[value as usize] as char);
        }
        text.push(ALPHABET[((bits & 3) << 4) as usize] as char);
        f.write_str(&text)
    }
}

impl FromStr for ClusterId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text.len() != 22 {
            return Err(());
        }
        let mut bits = 0u128;
        for (i, byte) in text.bytes().enumerate() {
            let value = ALPHABET.iter().position(|a| *a == byte).ok_or(())? as u128;
            if i < 21 {
                bits = (bits << 6) | value;
            } else if value & 15 == 0 {
                bits = (bits << 2) | (value >> 4);
            } else {
                return Err(());
            }
        }
        Ok(Self(bits.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_url_safe_base64() {
        // python3 -c 'import base64; print(base64.urlsafe_b64encode(bytes(range(240, 256))))'
        let bytes: Vec<u8> = (240..=255).collect();
        let id = ClusterId(bytes.try_into().unwrap());
        assert_eq!(id.to_string(), "8PHy8_T19vf4-fr7_P3-_w");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(ClusterId([0; 16]).to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "AAAAAAAAAAAAAAAAAAAAAB",
            "AAAAAAAAAAAAAAAAAAAAA=",
            "AAAA",
        ] {
            assert_eq!(text.parse::<ClusterId>(), Err(()), "{text}");
        }
    }
}
