//! What a broker speaks, and what we speak with it.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use corelog_wire::kafka::{ApiKey, ApiVersionsResponse};

use crate::{Error, Kind};

/// The ranges of versions of one broker.
#[derive(Clone, Debug, Default)]
pub struct Versions(BTreeMap<i16, (i16, i16)>);

impl Versions {
    pub(crate) fn of(response: &ApiVersionsResponse<'_>) -> Self {
        let entries = response.api_keys.iter();
        Self(
            entries
                .map(|api| (api.api_key, (api.min_version, api.max_version)))
                .collect(),
        )
    }

    /// Whether the broker serves the API in some version of `range`.
    pub fn has(&self, api: ApiKey, range: RangeInclusive<i16>) -> bool {
        self.best(api, range).is_some()
    }

    fn best(&self, api: ApiKey, range: RangeInclusive<i16>) -> Option<i16> {
        let (min, max) = *self.0.get(&api.number())?;
        let ours = api.versions();
        let low = min.max(*ours.start()).max(*range.start());
        let high = max.min(*ours.end()).min(*range.end());
        (low <= high).then_some(high)
    }

    /// The highest version of `range` that both sides know.
    ///
    /// # Errors
    /// `Kind::Unsupported` if there is none.
    pub fn pick(&self, api: ApiKey, range: RangeInclusive<i16>) -> Result<i16, Error> {
        self.best(api, range).ok_or_else(|| {
            let theirs = match self.0.get(&api.number()) {
                Some((min, max)) => format!("it speaks versions {min} to {max}"),
                None => "it does not have it".to_string(),
            };
            let context = format!("the broker cannot be asked with {api:?}: {theirs}");
            Error::new(Kind::Unsupported, context)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_common_version_is_picked() {
        let versions = Versions([(0, (0, 9)), (1, (17, 30))].into());
        assert_eq!(versions.pick(ApiKey::Produce, 0..=i16::MAX).ok(), Some(9));
        assert_eq!(versions.pick(ApiKey::Produce, 0..=7).ok(), Some(7));
        assert_eq!(versions.pick(ApiKey::Fetch, 0..=i16::MAX).ok(), Some(18));
        let refused = versions
            .pick(ApiKey::Fetch, 0..=12)
            .map_err(|error| error.kind);
        assert_eq!(refused, Err(Kind::Unsupported));
        assert!(!versions.has(ApiKey::Metadata, 0..=i16::MAX));
    }
}
