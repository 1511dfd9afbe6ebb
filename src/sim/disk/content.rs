//! One file: what is read now, what is durable, and what lies between.

use corelog_base::Random;

use super::image::{Data, Image, PAGE_BYTES};

enum Change {
    Data(Data),
    Bytes(u64),
}

/// A change that is completed and not flushed.
struct Pending {
    number: u64,
    change: Change,
}

#[derive(Default)]
pub(crate) struct Content {
    now: Image,
    durable: Image,
    /// In the order in which they were completed. Bounded by what is written between two flushes.
    pending: Vec<Pending>,
    completed: u64,
}

impl Content {
    pub(crate) fn now(&self) -> &Image {
        &self.now
    }

    /// The number of the last completed change: what a flush that begins now will cover.
    pub(crate) fn completed(&self) -> u64 {
        self.completed
    }

    fn push(&mut self, change: Change) {
        self.completed += 1;
        self.pending.push(Pending {
            number: self.completed,
            change,
        });
    }

    pub(crate) fn write(&mut self, data: Data) {
        self.now.put_all(&data);
        let end = data.end;
        self.push(Change::Data(data));
        if end > self.now.bytes() {
            self.now.extend_to(end);
            self.push(Change::Bytes(end));
        }
    }

    /// A write of which any part may have happened.
    pub(crate) fn write_some(&mut self, data: &Data, random: &mut Random) {
        let mut part = Image::default();
        // What is there now, so that the mixture can be written as one change.
        part.put_all(&Data {
            pages: data
                .pages
                .iter()
                .map(|(index, _)| (*index, self.now.page_at(*index)))
                .collect(),
            end: data.end,
        });
        part.put_some(data, random);
        let end = match random.chance(500) {
            true => data.end,
            false => data.end.min(self.now.bytes()),
        };
        let inside = |index: usize| (index * PAGE_BYTES) as u64 <= end;
        let pages = data.pages.iter().filter(|(index, _)| inside(*index));
        let pages = pages.map(|(index, _)| (*index, part.page_at(*index)));
        self.write(Data {
            pages: pages.collect(),
            end,
        });
        self.now.clip();
    }

    /// A write that is durable by itself, and makes nothing else durable but a length that covers it.
    pub(crate) fn commit(&mut self, data: &Data) {
        self.now.put_all(data);
        self.now.extend_to(data.end);
        for pending in &mut self.pending {
            if let Change::Data(older) = &mut pending.change {
                let newer = &data.pages;
                older
                    .pages
                    .retain(|(index, _)| newer.binary_search_by_key(index, |p| p.0).is_err());
            }
        }
        if data.end > self.durable.bytes() {
            let durable = &mut self.durable;
            self.pending.retain(|pending| match &pending.change {
                Change::Bytes(bytes) => {
                    durable.set_bytes(*bytes);
                    false
                }
                Change::Data(_) => true,
            });
            durable.extend_to(data.end);
        }
        self.durable.put_all(data);
        self.completed += 1;
    }

    pub(crate) fn set_bytes(&mut self, bytes: u64) {
        self.now.set_bytes(bytes);
        self.push(Change::Bytes(bytes));
    }

    /// Everything up to that number becomes durable.
    pub(crate) fn flush(&mut self, upto: u64) {
        let later = self.pending.iter().position(|p| p.number > upto);
        let count = later.unwrap_or(self.pending.len());
        for pending in self.pending.drain(..count) {
            match pending.change {
                Change::Data(data) => self.durable.put_all(&data),
                Change::Bytes(bytes) => self.durable.set_bytes(bytes),
            }
        }
    }

    /// The fate of everything up to that number is decided, for good: nobody will flush it again.
    pub(crate) fn flush_in_vain(&mut self, upto: u64, random: &mut Random) {
        let later = self.pending.iter().position(|p| p.number > upto);
        let count = later.unwrap_or(self.pending.len());
        self.settle(count, random);
    }

    fn settle(&mut self, count: usize, random: &mut Random) {
        let mut lengths = true;
        for pending in self.pending.drain(..count) {
            match pending.change {
                Change::Data(data) => self.durable.put_some(&data, random),
                Change::Bytes(bytes) => {
                    lengths &= random.chance(600);
                    if lengths {
                        self.durable.set_bytes(bytes);
                    }
                }
            }
        }
    }

    pub(crate) fn power_loss(&mut self, random: &mut Random) {
        self.settle(self.pending.len(), random);
        self.durable.clip();
        self.now = self.durable.clone();
    }

    /// The medium changes under everybody.
    pub(crate) fn flip(&mut self, position: u64, mask: u8) {
        self.now.flip(position, mask);
        self.durable.flip(position, mask);
    }
}
