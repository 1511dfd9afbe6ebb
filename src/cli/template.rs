//! The format language of `produce -f` and `consume -f`: a part of rpk's.

use std::io::{self, BufRead};

use bytes::Bytes;
use corelog_client::ConsumedRecord;

/// What a `%` stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Field {
    Topic,
    Partition,
    Offset,
    Key,
    KeyLength,
    Value,
    ValueLength,
    Timestamp,
    Headers,
    HeaderCount,
    LeaderEpoch,
    ProducerId,
    ProducerEpoch,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Part {
    Text(Vec<u8>),
    Field(Field),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Template(Vec<Part>);

pub(crate) const HELP: &str = "\
Format: %t topic, %p partition, %o offset, %k key, %v value, %K and %V their lengths,
%d timestamp in ms, %h headers as k=v,k=v, %H their number, %e leader epoch, %x producer id,
%y producer epoch, %% a percent sign; \\n \\t \\r \\0 \\\\ and \\xFF stand for single bytes.";

/// A template, from the command line.
pub(crate) fn parse_template(text: &str) -> Result<Template, String> {
    let mut parts: Vec<Part> = Vec::new();
    let mut text_so_far = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '%' => match chars.next() {
                Some('%') => text_so_far.push(b'%'),
                letter => {
                    if !text_so_far.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut text_so_far)));
                    }
                    parts.push(Part::Field(field(letter)?));
                }
            },
            '\\' => text_so_far.push(escape(&mut chars)?),
            other => text_so_far.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    if !text_so_far.is_empty() {
        parts.push(Part::Text(text_so_far));
    }
    Ok(Template(parts))
}

fn field(letter: Option<char>) -> Result<Field, String> {
    Ok(match letter {
        Some('t') => Field::Topic,
        Some('p') => Field::Partition,
        Some('o') => Field::Offset,
        Some('k') => Field::Key,
        Some('K') => Field::KeyLength,
        Some('v') => Field::Value,
        Some('V') => Field::ValueLength,
        Some('d') => Field::Timestamp,
        Some('h') => Field::Headers,
        Some('H') => Field::HeaderCount,
        Some('e') => Field::LeaderEpoch,
        Some('x') => Field::ProducerId,
        Some('y') => Field::ProducerEpoch,
        Some(other) => return Err(format!("%{other} is no field; %% is a percent sign")),
        None => return Err("a format cannot end in %; %% is a percent sign".to_owned()),
    })
}

fn escape(chars: &mut std::str::Chars<'_>) -> Result<u8, String> {
    Ok(match chars.next() {
        Some('n') => b'\n',
        Some('t') => b'\t',
        Some('r') => b'\r',
        Some('0') => 0,
        Some('\\') => b'\\',
        Some('x') => {
            let digits: String = chars.take(2).collect();
            if digits.len() != 2 {
                return Err("\\x needs two hex digits".to_owned());
            }
            u8::from_str_radix(&digits, 16).map_err(|_| "\\x needs two hex digits".to_owned())?
        }
        Some(other) => return Err(format!("\\{other} is no escape; \\\\ is a backslash")),
        None => return Err("a format cannot end in \\; \\\\ is a backslash".to_owned()),
    })
}

impl Template {
    pub(crate) fn write(&self, record: &ConsumedRecord, out: &mut Vec<u8>) {
        for part in &self.0 {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Field(field) => write_field(*field, record, out),
            }
        }
    }

    /// The fields that a record to produce has, each with the text that ends it; the text that
    /// begins each record is first.
    ///
    /// # Errors
    /// Fields that a record cannot be read from, or two without text between them.
    pub(crate) fn reader(&self) -> Result<RecordReader, String> {
        let mut lead = Vec::new();
        let mut fields: Vec<(Field, Vec<u8>)> = Vec::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => match fields.last_mut() {
                    Some((_, end)) => end.clone_from(text),
                    None => lead.clone_from(text),
                },
                Part::Field(field) => {
                    let readable = matches!(
                        field,
                        Field::Topic
                            | Field::Partition
                            | Field::Key
                            | Field::Value
                            | Field::Timestamp
                            | Field::Headers
                    );
                    if !readable {
                        return Err("only %t %p %k %v %d %h can be read".to_owned());
                    }
                    if fields.last().is_some_and(|(_, end)| end.is_empty()) {
                        return Err("put text between two fields, such as %k:%v\\n".to_owned());
                    }
                    fields.push((*field, Vec::new()));
                }
            }
        }
        match fields.last() {
            None => Err("a format to read needs a field, such as %v\\n".to_owned()),
            Some((_, end)) if end.is_empty() => {
                Err("a format to read ends in text, such as %v\\n".to_owned())
            }
            Some(_) => Ok(RecordReader { lead, fields }),
        }
    }
}

fn write_field(field: Field, record: &ConsumedRecord, out: &mut Vec<u8>) {
    let bytes = |bytes: &Option<Bytes>| bytes.clone().unwrap_or_default();
    let length = |bytes: &Option<Bytes>| match bytes {
        Some(bytes) => bytes.len().to_string(),
        None => "-1".to_owned(),
    };
    let text = match field {
        Field::Key => return out.extend_from_slice(&bytes(&record.key)),
        Field::Value => return out.extend_from_slice(&bytes(&record.value)),
        Field::Headers => {
            for (at, (key, value)) in record.headers.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(key);
                out.push(b'=');
                out.extend_from_slice(&bytes(value));
            }
            return;
        }
        Field::Topic => record.partition.topic.clone(),
        Field::Partition => record.partition.partition.0.to_string(),
        Field::Offset => record.offset.0.to_string(),
        Field::KeyLength => length(&record.key),
        Field::ValueLength => length(&record.value),
        Field::Timestamp => record.timestamp.0.to_string(),
        Field::HeaderCount => record.headers.len().to_string(),
        Field::LeaderEpoch => record.leader_epoch.0.to_string(),
        Field::ProducerId => record.producer_id.0.to_string(),
        Field::ProducerEpoch => record.producer_epoch.0.to_string(),
    };
    out.extend_from_slice(text.as_bytes());
}

/// Reads records that are written as a template says.
pub(crate) struct RecordReader {
    lead: Vec<u8>,
    fields: Vec<(Field, Vec<u8>)>,
}

impl RecordReader {
    /// The next record's fields; None at the end of the input. The last record may lack its end.
    ///
    /// # Errors
    /// Input that ends in the middle of a record, or does not begin as the template does.
    pub(crate) fn next(&self, input: &mut impl BufRead) -> io::Result<Option<Vec<(Field, Bytes)>>> {
        if input.fill_buf()?.is_empty() {
            return Ok(None);
        }
        for expected in &self.lead {
            let mut byte = [0];
            input.read_exact(&mut byte)?;
            if byte[0] != *expected {
                let what = "the input does not begin as the format does";
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
        }
        let mut found = Vec::with_capacity(self.fields.len());
        for (at, (field, end)) in self.fields.iter().enumerate() {
            let (bytes, ended) = read_to(input, end)?;
            if !ended && at + 1 < self.fields.len() {
                let what = "the input ends in the middle of a record";
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
            }
            found.push((*field, bytes));
        }
        Ok(Some(found))
    }
}

/// What comes before `end`, and whether it came.
fn read_to(input: &mut impl BufRead, end: &[u8]) -> io::Result<(Bytes, bool)> {
    let Some(last) = end.last() else {
        return Ok((Bytes::new(), true));
    };
    let mut bytes = Vec::new();
    loop {
        if input.read_until(*last, &mut bytes)? == 0 {
            return Ok((bytes.into(), false));
        }
        if bytes.ends_with(end) {
            bytes.truncate(bytes.len() - end.len());
            return Ok((bytes.into(), true));
        }
        if bytes.last() != Some(last) {
            return Ok((bytes.into(), false));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(format: &str, input: &str) -> io::Result<Vec<Vec<String>>> {
        let reader = parse_template(format).unwrap().reader().unwrap();
        let mut input = input.as_bytes();
        let mut all = Vec::new();
        while let Some(fields) = reader.next(&mut input)? {
            let text = |(_, b): &(Field, Bytes)| String::from_utf8(b.to_vec()).unwrap();
            all.push(fields.iter().map(text).collect());
        }
        Ok(all)
    }

    #[test]
    fn records_are_read_as_the_format_says() {
        assert_eq!(
            read("%v\\n", "a\nb\n\nc").unwrap(),
            [["a"], ["b"], [""], ["c"]]
        );
        assert_eq!(
            read("%k: %v\\n", "k: v: w\nx: y\n").unwrap(),
            [["k", "v: w"], ["x", "y"]]
        );
        assert_eq!(read("<%v>", "<a><b>").unwrap(), [["a"], ["b"]]);
        assert!(read("<%v>", "a").is_err() && read("%k:%v\\n", "lonely\n").is_err());
    }

    #[test]
    fn wrong_formats_say_what_to_do() {
        for wrong in ["%", "%q", "\\", "\\q", "\\x1"] {
            assert!(parse_template(wrong).is_err(), "{wrong}");
        }
        for unreadable in ["%k%v\\n", "text", "%o\\n", "%v"] {
            let template = parse_template(unreadable).unwrap();
            assert!(template.reader().is_err(), "{unreadable}");
        }
    }
}
