//! Small JSON files that a start believes: a flipped bit that still parses must not be believed.
//!
//! The field `crc32c`, 8 hex digits, is the sum of the object without it, written with its keys in
//! order and without spaces. Files of builds that had no such field are read without a check.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

const FIELD: &str = "crc32c";

/// The object's text, with its sum.
pub(crate) fn seal<T: Serialize>(stored: &T) -> io::Result<Vec<u8>> {
    let mut value = serde_json::to_value(stored)?;
    let sum = sum(&value);
    if let Value::Object(fields) = &mut value {
        fields.insert(FIELD.to_owned(), Value::String(sum));
    }
    Ok(serde_json::to_vec(&value)?)
}

/// # Errors
/// Text that is no such object, or whose sum is another one.
pub(crate) fn unseal<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    let mut value: Value = serde_json::from_slice(bytes)?;
    let found = value
        .as_object_mut()
        .and_then(|fields| fields.remove(FIELD));
    if found.is_some_and(|found| found != Value::String(sum(&value))) {
        let why = "its checksum does not match";
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(serde_json::from_value(value)?)
}

/// Keys are in order: the map of a `Value` is sorted.
fn sum(value: &Value) -> String {
    format!("{:08x}", corelog_base::crc32c(value.to_string().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Stored {
        version: u32,
        names: Vec<String>,
    }

    #[test]
    fn no_flipped_bit_is_believed() {
        let stored = Stored {
            version: 1,
            names: vec!["533c5d990de72598".to_owned(), "x".to_owned()],
        };
        let bytes = seal(&stored).unwrap();
        assert_eq!(unseal::<Stored>(&bytes).unwrap(), stored);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(read) = unseal::<Stored>(&flipped) {
                assert_eq!(read, stored, "bit {bit}");
            }
        }
    }

    #[test]
    fn a_file_without_a_sum_is_read() {
        let read: Stored = unseal(b"{\"version\":1,\"names\":[]}").unwrap();
        assert_eq!(read.version, 1);
    }
}
