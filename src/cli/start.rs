//! Places in a partition, as rpk writes them: `start`, `end`, `N`, `+N`, `-N`, `@TIME`.

use std::time::{SystemTime, UNIX_EPOCH};

use corelog_base::{Offset, TimestampMs};
use corelog_client::{Client, Isolation, OffsetAt, TopicPartition};

use super::common::Failure;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    Start,
    End,
    Offset(i64),
    AfterStart(i64),
    BeforeEnd(i64),
    Time(TimestampMs),
}

/// A place, from the command line.
pub(crate) fn parse_place(text: &str) -> Result<Place, String> {
    let number = |digits: &str| {
        let parsed = digits.parse::<i64>().ok().filter(|n| *n >= 0);
        parsed.ok_or("give it as start, end, N, +N, -N or @TIME".to_owned())
    };
    Ok(match text {
        "start" | "oldest" | "beginning" => Place::Start,
        "end" | "newest" => Place::End,
        t if t.starts_with('+') => Place::AfterStart(number(&t[1..])?),
        t if t.starts_with('-') => Place::BeforeEnd(number(&t[1..])?),
        t if t.starts_with('@') => Place::Time(parse_time(&t[1..], now())?),
        t => Place::Offset(number(t)?),
    })
}

fn now() -> TimestampMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.map_or(0, |time| time.as_millis());
    TimestampMs(i64::try_from(millis).unwrap_or(i64::MAX))
}

/// Seconds or milliseconds since 1970, a date, a date and time in UTC, or a time ago such as -90m.
fn parse_time(text: &str, now: TimestampMs) -> Result<TimestampMs, String> {
    let wrong = || {
        format!(
            "'{text}' is no time: give seconds or milliseconds since 1970, 2026-01-31, \
             2026-01-31T12:00:00Z, or a time ago such as -90m"
        )
    };
    if let Some(ago) = text.strip_prefix('-') {
        let millis = parse_span(ago).ok_or_else(wrong)?;
        return Ok(TimestampMs(now.0.saturating_sub(millis)));
    }
    if let Ok(number) = text.parse::<i64>() {
        let millis = match text.len() {
            0..=10 => number.saturating_mul(1000),
            _ => number,
        };
        return Ok(TimestampMs(millis));
    }
    parse_date(text).map(TimestampMs).ok_or_else(wrong)
}

fn parse_span(text: &str) -> Option<i64> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let number: i64 = text[..unit].parse().ok()?;
    let each = match &text[unit..] {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(each)
}

fn parse_date(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T').unwrap_or((text, "00:00:00"));
    let mut parts = date.split('-').map(|p| p.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let mut clock = time.trim_end_matches('Z').split(':');
    let hour: f64 = clock.next()?.parse().ok()?;
    let minute: f64 = clock.next()?.parse().ok()?;
    let second: f64 = clock.next().unwrap_or("0").parse().ok()?;
    let sound = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0.0..24.0).contains(&hour)
        && (0.0..60.0).contains(&minute)
        && (0.0..61.0).contains(&second);
    let millis = ((hour * 60.0 + minute) * 60.0 + second) * 1000.0;
    sound.then(|| days(year, month, day) * 86_400_000 + millis as i64)
}

/// Days from 1970-01-01 in the Gregorian calendar: years that begin in March make leap days last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

impl Place {
    /// The offset of this place in each partition.
    pub(crate) async fn find(
        self,
        client: &Client,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, Option<Offset>)>, Failure> {
        let ask = async |at: OffsetAt| {
            let items = partitions.iter().map(|p| (p.clone(), at)).collect();
            let mut found = Vec::new();
            for (partition, result) in client.list_offsets(items, Isolation::Uncommitted).await {
                found.push((partition, result?.offset));
            }
            Ok::<_, Failure>(found)
        };
        let starts = ask(OffsetAt::Earliest).await?;
        let ends = ask(OffsetAt::Latest).await?;
        let times = match self {
            Self::Time(time) => ask(OffsetAt::Time(time)).await?,
            _ => Vec::new(),
        };
        let of = |all: &[(TopicPartition, Option<Offset>)], partition: &TopicPartition| {
            let found = all.iter().find(|(p, _)| p == partition);
            found.and_then(|(_, offset)| *offset)
        };
        let place = |partition: &TopicPartition| {
            let (start, end) = (of(&starts, partition)?, of(&ends, partition)?);
            Some(match self {
                Self::Start => start,
                Self::End => end,
                Self::Offset(offset) => Offset(offset),
                Self::AfterStart(count) => Offset(start.0.saturating_add(count).min(end.0)),
                Self::BeforeEnd(count) => Offset(end.0.saturating_sub(count).max(start.0)),
                Self::Time(_) => of(&times, partition).unwrap_or(end),
            })
        };
        Ok(partitions.iter().map(|p| (p.clone(), place(p))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        assert_eq!(parse_place("start"), Ok(Place::Start));
        assert_eq!(parse_place("17"), Ok(Place::Offset(17)));
        assert_eq!(parse_place("+5"), Ok(Place::AfterStart(5)));
        assert_eq!(parse_place("-5"), Ok(Place::BeforeEnd(5)));
        assert_eq!(
            parse_place("@1700000000"),
            Ok(Place::Time(TimestampMs(1_700_000_000_000)))
        );
        assert!(parse_place("soon").is_err() && parse_place("--1").is_err());
    }

    #[test]
    fn times() {
        let now = TimestampMs(10_000_000);
        let check = |text: &str, millis: i64| {
            assert_eq!(parse_time(text, now), Ok(TimestampMs(millis)), "{text}");
        };
        check("1700000000123", 1_700_000_000_123);
        check("-90m", 10_000_000 - 5_400_000);
        check("1970-01-01", 0);
        check("2000-03-01", 951_868_800_000);
        check("2024-02-29T23:59:59.5Z", 1_709_251_199_500);
        for wrong in ["", "2024-13-01", "noon", "-5y"] {
            assert!(parse_time(wrong, now).is_err(), "{wrong}");
        }
    }
}
