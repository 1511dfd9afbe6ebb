//! What can be asked, and in which versions.

/// A request and its response.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u16)]
pub enum Api {
    Hello = 1,
    Metadata = 2,
    CreateTopic = 3,
    DeleteTopic = 4,
    InitProducer = 5,
    Produce = 6,
    Fetch = 7,
    /// Answered by frames with [`super::FLAG_MORE`] until it ends.
    Subscribe = 8,
    /// More credit for a subscription. No answer.
    Credit = 9,
    /// Ends a subscription: its last frame has no [`super::FLAG_MORE`]. No answer of its own.
    Unsubscribe = 10,
    ListOffsets = 11,
    /// A topic's settings.
    DescribeTopic = 12,
}

impl Api {
    pub const ALL: [Api; 12] = [
        Api::Hello,
        Api::Metadata,
        Api::CreateTopic,
        Api::DeleteTopic,
        Api::InitProducer,
        Api::Produce,
        Api::Fetch,
        Api::Subscribe,
        Api::Credit,
        Api::Unsubscribe,
        Api::ListOffsets,
        Api::DescribeTopic,
    ];

    pub const fn number(self) -> u16 {
        self as u16
    }

    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|api| api.number() == number)
    }

    /// What this build speaks.
    pub const fn range(self) -> ApiRange {
        let max = match self {
            Api::Produce | Api::Fetch | Api::Subscribe | Api::ListOffsets => 2,
            _ => 1,
        };
        ApiRange {
            api: self.number(),
            min: 1,
            max,
        }
    }
}

/// The versions of an API that one side speaks, both inclusive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ApiRange {
    /// May be one that is not known here.
    pub api: u16,
    pub min: u16,
    pub max: u16,
}

/// The version to use: the lower of the maxima, if both sides speak it.
pub fn common(ours: ApiRange, theirs: ApiRange) -> Option<u16> {
    debug_assert_eq!(ours.api, theirs.api);
    let version = ours.max.min(theirs.max);
    (version >= ours.min && version >= theirs.min).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ours: (u16, u16), theirs: (u16, u16), expected: Option<u16>) {
        let range = |(min, max)| ApiRange { api: 6, min, max };
        assert_eq!(common(range(ours), range(theirs)), expected);
        assert_eq!(common(range(theirs), range(ours)), expected);
    }

    #[test]
    fn the_lower_maximum_counts_if_both_have_it() {
        check((1, 2), (1, 2), Some(2));
        check((1, 2), (1, 3), Some(2));
        check((1, 2), (1, 1), Some(1));
        check((1, 2), (2, 3), Some(2));
        check((1, 2), (3, 4), None);
    }

    #[test]
    fn numbers_are_frozen() {
        for (at, api) in (1..).zip(Api::ALL) {
            assert_eq!(api.number(), at);
            assert_eq!(Api::from_number(at), Some(api));
        }
        assert_eq!(Api::from_number(0), None);
        assert_eq!(Api::from_number(13), None);
    }
}
