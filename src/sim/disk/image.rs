//! The bytes of a file, in shared pages.

use std::rc::Rc;

use corelog_base::Random;

pub(crate) const PAGE_BYTES: usize = 4096;
/// What a disk writes atomically.
const SECTOR_BYTES: usize = 512;
const SECTORS: usize = PAGE_BYTES / SECTOR_BYTES;

/// None is a page of zeros.
pub(crate) type Page = Option<Rc<[u8; PAGE_BYTES]>>;

fn page_of(bytes: &[u8]) -> Page {
    if bytes.iter().all(|b| *b == 0) {
        return None;
    }
    let mut page = [0; PAGE_BYTES];
    page[..bytes.len()].copy_from_slice(bytes);
    Some(Rc::new(page))
}

/// Bytes to be written: whole pages, but for the end of a small file.
#[derive(Clone)]
pub(crate) struct Data {
    /// Page numbers ascend.
    pub(crate) pages: Vec<(usize, Page)>,
    /// The position after the last byte.
    pub(crate) end: u64,
}

impl Data {
    /// # Panics
    /// If `position` is not a multiple of the page.
    pub(crate) fn new(position: u64, bytes: &[u8]) -> Self {
        assert_eq!(position % PAGE_BYTES as u64, 0, "direct I/O is aligned");
        let first = (position / PAGE_BYTES as u64) as usize;
        let pages = bytes.chunks(PAGE_BYTES).map(page_of);
        Self {
            pages: (first..).zip(pages).collect(),
            end: position + bytes.len() as u64,
        }
    }

    /// Only the first pages, as many as `keep`.
    fn cut(&mut self, keep: usize) {
        self.pages.truncate(keep);
    }
}

#[derive(Clone, Default)]
pub(crate) struct Image {
    pages: Vec<Page>,
    bytes: u64,
}

impl Image {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn page_at(&self, index: usize) -> Page {
        self.pages.get(index).cloned().flatten()
    }

    fn put(&mut self, index: usize, page: Page) {
        if index >= self.pages.len() {
            self.pages.resize(index + 1, None);
        }
        self.pages[index] = page;
    }

    /// Changes pages; the length stays.
    pub(crate) fn put_all(&mut self, data: &Data) {
        for (index, page) in &data.pages {
            self.put(*index, page.clone());
        }
    }

    /// What a write that is interrupted leaves: nothing, all, a beginning, or a mixture of sectors.
    pub(crate) fn put_some(&mut self, data: &Data, random: &mut Random) {
        match random.below(10) {
            0..=2 => {}
            3..=5 => self.put_all(data),
            6 => {
                let mut data = data.clone();
                data.cut(random.below(data.pages.len() as u64 + 1) as usize);
                self.put_all(&data);
            }
            7 => self.put_torn(data, random, |random| random.chance(930)),
            8 => self.put_torn(data, random, |random| random.chance(70)),
            _ => self.put_torn(data, random, |random| random.chance(500)),
        }
    }

    fn put_torn(
        &mut self,
        data: &Data,
        random: &mut Random,
        survives: impl Fn(&mut Random) -> bool,
    ) {
        for (index, page) in &data.pages {
            let mut torn = *self
                .page_at(*index)
                .unwrap_or_else(|| Rc::new([0; PAGE_BYTES]));
            let zeros = [0; PAGE_BYTES];
            let new = page.as_deref().unwrap_or(&zeros);
            for sector in 0..SECTORS {
                let range = sector * SECTOR_BYTES..(sector + 1) * SECTOR_BYTES;
                if survives(random) {
                    torn[range.clone()].copy_from_slice(&new[range]);
                }
            }
            self.put(*index, page_of(&torn));
        }
    }

    /// Cuts, or extends with zeros.
    pub(crate) fn set_bytes(&mut self, bytes: u64) {
        if bytes < self.bytes {
            self.bytes = bytes;
            self.clip();
        }
        self.bytes = bytes;
    }

    pub(crate) fn extend_to(&mut self, bytes: u64) {
        self.bytes = self.bytes.max(bytes);
    }

    /// Nothing is left behind the end.
    pub(crate) fn clip(&mut self) {
        let page = PAGE_BYTES as u64;
        self.pages.truncate(self.bytes.div_ceil(page) as usize);
        let inside = (self.bytes % page) as usize;
        let last = (self.bytes / page) as usize;
        if inside > 0
            && let Some(old) = self.page_at(last)
        {
            self.put(last, page_of(&old[..inside]));
        }
    }

    /// Up to `room` bytes from `position`; fewer at the end.
    pub(crate) fn read(&self, position: u64, room: usize) -> Vec<u8> {
        let count = self.bytes.saturating_sub(position).min(room as u64) as usize;
        let mut out = vec![0; count];
        let mut at = 0;
        while at < count {
            let place = position + at as u64;
            let inside = (place % PAGE_BYTES as u64) as usize;
            let step = (PAGE_BYTES - inside).min(count - at);
            if let Some(Some(page)) = self.pages.get((place / PAGE_BYTES as u64) as usize) {
                out[at..at + step].copy_from_slice(&page[inside..inside + step]);
            }
            at += step;
        }
        out
    }

    pub(crate) fn flip(&mut self, position: u64, mask: u8) {
        if position >= self.bytes {
            return;
        }
        let index = (position / PAGE_BYTES as u64) as usize;
        let mut page = *self
            .page_at(index)
            .unwrap_or_else(|| Rc::new([0; PAGE_BYTES]));
        page[(position % PAGE_BYTES as u64) as usize] ^= mask;
        self.put(index, page_of(&page));
    }
}
