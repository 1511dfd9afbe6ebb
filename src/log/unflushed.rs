//! What was written to the journal and waits for a flush: records of topics that are acknowledged
//! before one.

/// Frames that were written since the last flush.
pub(crate) struct Unflushed<F> {
    frames: u32,
    /// Where they are, each once, with their numbers.
    files: Vec<(u32, F)>,
}

impl<F> Unflushed<F> {
    pub(crate) fn new() -> Self {
        Self {
            frames: 0,
            files: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, number: u32, file: F) {
        self.frames += 1;
        if self.files.last().is_none_or(|(last, _)| *last != number) {
            self.files.push((number, file));
        }
    }

    pub(crate) fn frames(&self) -> u32 {
        self.frames
    }

    /// All files but that one; None if there is nothing to flush.
    pub(crate) fn take(&mut self, but: u32) -> Option<Vec<F>> {
        let all = std::mem::replace(self, Self::new());
        let others = all.files.into_iter().filter(|(number, _)| *number != but);
        (all.frames > 0).then(|| others.map(|(_, file)| file).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_flushed_once_and_the_own_one_with_its_frame() {
        let mut unflushed = Unflushed::new();
        assert_eq!(unflushed.take(1), None);
        for number in [1, 1, 2, 2, 2] {
            unflushed.push(number, number);
        }
        assert_eq!(unflushed.frames(), 5);
        assert_eq!(unflushed.take(2), Some(vec![1]));
        assert_eq!((unflushed.frames(), unflushed.take(2)), (0, None));
        unflushed.push(2, 2);
        assert_eq!(
            unflushed.take(2),
            Some(Vec::new()),
            "its earlier frames are to be flushed"
        );
    }
}
