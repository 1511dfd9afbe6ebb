//! Hand-written histories: each anomaly by itself, and what is none.

use corelog_base::Monotonic;

use crate::checker::{Kind, check};
use crate::history::{Action, History, Key, Outcome, Process, Value};

const KEY: Key = Key(1);

/// Operations one after the other.
#[derive(Default)]
struct Script {
    history: History,
    now: u64,
}

impl Script {
    fn tick(&mut self) -> Monotonic {
        self.now += 1;
        Monotonic(self.now)
    }

    fn op(mut self, process: u32, action: Action, outcome: Outcome) -> Self {
        let now = self.tick();
        let id = self.history.invoke(now, Process(process), action);
        let now = self.tick();
        self.history.complete(now, id, outcome);
        self
    }

    fn send(self, process: u32, values: &[u64], outcome: Outcome) -> Self {
        let values = values.iter().map(|v| Value(*v)).collect();
        self.op(process, Action::Send { key: KEY, values }, outcome)
    }

    fn sent(self, process: u32, values: &[u64], base: i64) -> Self {
        self.send(process, values, Outcome::Sent { base })
    }

    fn poll(self, process: u32, records: &[(i64, u64)]) -> Self {
        let outcome = read(records);
        self.op(process, Action::Poll { key: KEY }, outcome)
    }

    fn seek(self, process: u32, offset: i64) -> Self {
        self.op(process, Action::Seek { key: KEY, offset }, Outcome::Done)
    }

    fn last(self, records: &[(i64, u64)]) -> Self {
        let outcome = read(records);
        self.op(0, Action::FinalRead { key: KEY }, outcome)
    }

    fn trim(self, before: i64, outcome: Outcome) -> Self {
        self.op(0, Action::Trim { key: KEY, before }, outcome)
    }

    #[track_caller]
    fn finds(self, expected: &[Kind]) {
        let mut kinds: Vec<Kind> = check(&self.history).iter().map(|a| a.kind).collect();
        kinds.dedup();
        assert_eq!(kinds, expected, "{}", self.history);
    }
}

fn read(records: &[(i64, u64)]) -> Outcome {
    let records = records.iter().map(|(o, v)| (*o, Value(*v))).collect();
    Outcome::Read { records }
}

fn script() -> Script {
    Script::default()
}

#[test]
fn a_sound_history_is_sound() {
    script()
        .sent(1, &[10, 11], 0)
        .send(2, &[12], Outcome::Unknown)
        .send(2, &[13], Outcome::Unknown)
        .send(2, &[14], Outcome::Failed)
        .sent(1, &[15], 3)
        .poll(3, &[(0, 10), (1, 11)])
        .poll(3, &[(2, 12)])
        .seek(3, 0)
        .poll(3, &[(0, 10)])
        .last(&[(0, 10), (1, 11), (2, 12), (3, 15)])
        .finds(&[]);
}

#[test]
fn lost_write() {
    let script = || script().sent(1, &[10, 11], 0).sent(1, &[12], 2);
    script()
        .last(&[(0, 10), (2, 12)])
        .finds(&[Kind::LostWrite, Kind::PollSkip]);
    // Read once counts, acknowledged or not.
    script()
        .send(2, &[13], Outcome::Unknown)
        .sent(1, &[14], 4)
        .poll(3, &[(3, 13)])
        .last(&[(0, 10), (1, 11), (2, 12), (4, 14)])
        .finds(&[Kind::LostWrite, Kind::PollSkip]);
}

#[test]
fn unseen() {
    script()
        .sent(1, &[10, 11], 0)
        .sent(1, &[12], 2)
        .last(&[(0, 10), (1, 11)])
        .finds(&[Kind::Unseen]);
    script().sent(1, &[10], 0).last(&[]).finds(&[Kind::Unseen]);
}

#[test]
fn duplicate() {
    script()
        .send(1, &[10], Outcome::Unknown)
        .last(&[(0, 10), (1, 10)])
        .finds(&[Kind::Duplicate]);
}

#[test]
fn inconsistent_offsets() {
    script()
        .send(1, &[10], Outcome::Unknown)
        .send(1, &[11], Outcome::Unknown)
        .poll(2, &[(0, 10)])
        .last(&[(0, 11), (1, 10)])
        .finds(&[Kind::Duplicate, Kind::InconsistentOffsets]);
    // Acknowledged here, found there.
    script()
        .sent(1, &[10], 5)
        .last(&[(6, 10)])
        .finds(&[Kind::InconsistentOffsets]);
    // Two acknowledged at one place.
    script()
        .sent(1, &[10], 0)
        .sent(2, &[11], 0)
        .last(&[(0, 10)])
        .finds(&[Kind::Unseen, Kind::InconsistentOffsets]);
}

#[test]
fn g1a() {
    script()
        .send(1, &[10], Outcome::Failed)
        .last(&[(0, 10)])
        .finds(&[Kind::G1a]);
}

#[test]
fn nonmonotonic_send() {
    script()
        .sent(1, &[10], 1)
        .sent(1, &[11], 0)
        .last(&[(0, 11), (1, 10)])
        .finds(&[Kind::NonmonotonicSend]);
    // Of two processes it is no matter.
    script()
        .sent(1, &[10], 1)
        .sent(2, &[11], 0)
        .last(&[(0, 11), (1, 10)])
        .finds(&[]);
}

#[test]
fn nonmonotonic_poll() {
    script()
        .sent(1, &[10, 11], 0)
        .poll(2, &[(0, 10), (1, 11)])
        .poll(2, &[(1, 11)])
        .last(&[(0, 10), (1, 11)])
        .finds(&[Kind::NonmonotonicPoll]);
}

#[test]
fn poll_skip() {
    script()
        .sent(1, &[10, 11, 12], 0)
        .poll(2, &[(0, 10)])
        .poll(2, &[(2, 12)])
        .last(&[(0, 10), (1, 11), (2, 12)])
        .finds(&[Kind::PollSkip]);
    // An offset that nobody ever saw is no record.
    script()
        .sent(1, &[10], 0)
        .sent(1, &[12], 2)
        .poll(2, &[(0, 10)])
        .poll(2, &[(2, 12)])
        .last(&[(0, 10), (2, 12)])
        .finds(&[]);
}

#[test]
fn never_sent() {
    script().last(&[(0, 10)]).finds(&[Kind::NeverSent]);
    script()
        .poll(2, &[(0, 10)])
        .sent(1, &[10], 0)
        .last(&[(0, 10)])
        .finds(&[Kind::NeverSent]);
}

#[test]
fn what_is_trimmed_may_be_missing() {
    let script = |outcome| {
        script()
            .sent(1, &[10, 11], 0)
            .sent(1, &[12], 2)
            .trim(2, outcome)
            .last(&[(2, 12)])
    };
    script(Outcome::Done).finds(&[]);
    script(Outcome::Unknown).finds(&[]);
    script(Outcome::Failed).finds(&[Kind::LostWrite]);
}

#[test]
fn a_forgotten_final_read_is_an_anomaly() {
    script().sent(1, &[10], 0).finds(&[Kind::NoFinalRead]);
}

#[test]
fn history_prints_as_json_lines() {
    let script = script()
        .sent(1, &[10, 11], 0)
        .poll(2, &[(0, 10)])
        .trim(1, Outcome::Unknown);
    let expected = r#"{"process":1,"invoked":1,"f":"send","key":1,"values":[10,11],"completed":2,"type":"ok","base":0}
{"process":2,"invoked":3,"f":"poll","key":1,"completed":4,"type":"ok","records":[[0,10]]}
{"process":0,"invoked":5,"f":"trim","key":1,"before":1,"completed":6,"type":"info"}
"#;
    assert_eq!(script.history.to_string(), expected);
}
