//! Where in a payload the batches of a part lie.

use super::header::error;
use crate::{Error, ErrorKind};

/// A range of a payload, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    pub position: u32,
    pub bytes: u32,
}

/// Ranges lie in the payload, ascend, and do not overlap.
///
/// # Errors
/// `Length` if one does not.
pub fn check_places(places: impl Iterator<Item = Place>, payload_bytes: u32) -> Result<(), Error> {
    let mut before = 0;
    for place in places {
        let end = place.position.checked_add(place.bytes);
        let end = end.filter(|end| *end <= payload_bytes && place.position >= before);
        before = end.ok_or(error(ErrorKind::Length))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(places: &[(u32, u32)], payload_bytes: u32, expected: bool) {
        let places = places.iter().map(|(position, bytes)| Place {
            position: *position,
            bytes: *bytes,
        });
        assert_eq!(check_places(places, payload_bytes).is_ok(), expected);
    }

    #[test]
    fn places_ascend_and_lie_inside() {
        check(&[], 0, true);
        check(&[(0, 4), (4, 0), (4, 6)], 10, true);
        check(&[(0, 4), (3, 2)], 10, false);
        check(&[(4, 2), (0, 2)], 10, false);
        check(&[(4, 7)], 10, false);
        check(&[(u32::MAX, 2)], u32::MAX, false);
    }
}
