//! What a scenario saw: figures, and what should not have been.

use std::fmt;

#[derive(Clone, Default, Debug)]
pub struct Report {
    name: String,
    figures: Vec<(String, String)>,
    failures: Vec<String>,
}

impl Report {
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    pub fn figure(&mut self, name: impl Into<String>, value: impl fmt::Display) {
        self.figures.push((name.into(), value.to_string()));
    }

    /// Bytes, shown in MiB.
    pub fn bytes(&mut self, name: impl Into<String>, bytes: u64) {
        self.figure(name, format_args!("{} MiB", bytes >> 20));
    }

    /// What must hold; `what` is said if it does not.
    pub fn require(&mut self, holds: bool, what: impl fmt::Display) {
        if !holds {
            self.failures.push(what.to_string());
        }
    }

    /// What another report has seen belongs to this one.
    pub fn absorb(&mut self, other: &Report) {
        self.figures.extend(other.figures.iter().cloned());
        self.failures.extend(other.failures.iter().cloned());
    }

    pub fn is_clean(&self) -> bool {
        self.failures.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for failure in &self.failures {
            writeln!(f, "  {}: {failure}", self.name)?;
        }
        write!(f, "{}:", self.name)?;
        for (name, value) in &self.figures {
            write!(f, " {name} {value};")?;
        }
        let verdict = if self.is_clean() { "PASSED" } else { "FAILED" };
        write!(f, " {verdict}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_hold_fails() {
        let mut report = Report::new("x");
        report.require(true, "fine");
        report.figure("n", 3);
        assert!(report.is_clean());
        assert_eq!(report.to_string(), "x: n 3; PASSED");
        let mut sum = Report::new("y");
        sum.absorb(&report);
        assert_eq!(sum.to_string(), "y: n 3; PASSED");
        report.require(false, "too slow");
        assert!(!report.is_clean());
        assert_eq!(report.to_string(), "  x: too slow\nx: n 3; FAILED");
    }
}
