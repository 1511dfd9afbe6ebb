//! The shape of a configuration's definition, and the check of a value.

/// How a value is written. The names are Kafka's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConfigType {
    Boolean,
    String,
    Int,
    Short,
    Long,
    Double,
    /// Separated by commas.
    List,
    Password,
}

/// Which values are legal, beyond the type.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Check {
    Any,
    /// Inclusive.
    Range(i64, i64),
    /// A fraction from 0 to 1.
    Fraction,
    OneOf(&'static [&'static str]),
    /// Every element is one of these, and there is at least one.
    Each(&'static [&'static str]),
    /// `*`, or elements `partition:broker`.
    Throttled,
    /// Only this value: the broker cannot do otherwise. The text says why.
    Only(&'static str, &'static str),
}

/// Who may set a configuration, and when it takes effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Nobody: it tells what the broker does.
    Told,
    /// The node's configuration file, at start.
    File,
    /// The configuration file, and while running for one broker or for all of them.
    Dynamic,
    /// A topic's creator, and while running.
    Topic,
}

/// One row of the table.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Definition {
    pub name: &'static str,
    pub kind: ConfigType,
    /// None: not set, and other configurations decide.
    pub default: Option<&'static str>,
    pub check: Check,
    pub access: Access,
    /// Of a topic's configuration: the brokers' configurations that count where the topic has
    /// none, most important first, and what their value is multiplied with.
    pub synonyms: &'static [(&'static str, i64)],
    pub documentation: &'static str,
}

impl Definition {
    /// The value in its normal form: trimmed, booleans in lower case, lists without blanks.
    ///
    /// # Errors
    /// What is wrong with the value, as a sentence.
    pub fn parse(&self, value: &str) -> Result<String, String> {
        let text = value.trim();
        let normal = match self.kind {
            ConfigType::Boolean => {
                let lower = text.to_ascii_lowercase();
                if lower != "true" && lower != "false" {
                    return Err(self.refuse(value, "true or false is expected"));
                }
                lower
            }
            ConfigType::Int => self.integer(value, i64::from(i32::MIN), i64::from(i32::MAX))?,
            ConfigType::Short => self.integer(value, i64::from(i16::MIN), i64::from(i16::MAX))?,
            ConfigType::Long => self.integer(value, i64::MIN, i64::MAX)?,
            ConfigType::Double => {
                let number: f64 = text
                    .parse()
                    .map_err(|_| self.refuse(value, "a number is expected"))?;
                number.to_string()
            }
            ConfigType::List => elements(text).collect::<Vec<_>>().join(","),
            ConfigType::String | ConfigType::Password => text.to_string(),
        };
        self.check(&normal)
            .map_err(|why| self.refuse(value, &why))?;
        Ok(normal)
    }

    fn integer(&self, value: &str, min: i64, max: i64) -> Result<String, String> {
        let number: i64 = value
            .trim()
            .parse()
            .map_err(|_| self.refuse(value, "a whole number is expected"))?;
        if number < min || number > max {
            return Err(self.refuse(value, &format!("it must be from {min} to {max}")));
        }
        Ok(number.to_string())
    }

    fn refuse(&self, value: &str, why: &str) -> String {
        format!("invalid value {value:?} for {}: {why}", self.name)
    }

    fn check(&self, value: &str) -> Result<(), String> {
        let one_of = |names: &[&str]| format!("it must be one of {}", names.join(", "));
        match self.check {
            Check::Any => Ok(()),
            Check::Range(min, max) => match value.parse::<i64>() {
                Ok(number) if number >= min && number <= max => Ok(()),
                _ if max == i64::MAX || max == i64::from(i32::MAX) => {
                    Err(format!("it must be at least {min}"))
                }
                _ => Err(format!("it must be from {min} to {max}")),
            },
            Check::Fraction => match value.parse::<f64>() {
                Ok(number) if (0.0..=1.0).contains(&number) => Ok(()),
                _ => Err("it must be from 0 to 1".into()),
            },
            Check::OneOf(names) if names.contains(&value) => Ok(()),
            Check::OneOf(names) => Err(one_of(names)),
            Check::Each(names) => {
                let legal = elements(value).all(|element| names.contains(&element));
                if legal && elements(value).next().is_some() {
                    return Ok(());
                }
                Err(format!("each part of the list: {}", one_of(names)))
            }
            Check::Throttled => {
                let pair = |element: &str| {
                    let parts = element.split_once(':');
                    parts.is_some_and(|(p, b)| p.parse::<u32>().is_ok() && b.parse::<u32>().is_ok())
                };
                if value.is_empty() || value == "*" || elements(value).all(pair) {
                    return Ok(());
                }
                Err("'*', or a list of partition:broker, is expected".into())
            }
            Check::Only(only, _) if value == only => Ok(()),
            Check::Only(only, why) => Err(format!("only {only:?} is possible: {why}")),
        }
    }
}

/// The parts of a list, without blanks and empty ones.
pub(crate) fn elements(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

/// The name that was probably meant: the one with the fewest edits, if they are few.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (distance(name, candidate), candidate))
        .min()
        .filter(|(edits, candidate)| *edits <= candidate.len() / 3)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's. Bounded by what both names are cut to.
fn distance(a: &str, b: &str) -> usize {
    const LENGTH_MAX: usize = 64;
    let b: Vec<char> = b.chars().take(LENGTH_MAX).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(LENGTH_MAX).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
#[path = "types_test.rs"]
mod tests;
