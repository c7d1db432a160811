//! Pictures in memory, the least used of which go first.

use std::collections::HashMap;

use super::picture::{Picture, PictureError, PictureKey};

/// The most bytes of all pictures: some 300 pages of text.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// The most entries. A page that cannot be drawn has no bytes.
const ENTRIES_MAX: usize = 1_024;

type Painted = Result<Picture, PictureError>;

/// The outcomes of the last pages.
#[derive(Debug, Default)]
pub(super) struct Cache {
    entries: HashMap<PictureKey, Entry>,
    bytes: usize,
    uses: u64,
}

#[derive(Debug)]
struct Entry {
    painted: Painted,
    used: u64,
}

impl Cache {
    pub(super) fn get(&mut self, key: &PictureKey) -> Option<Painted> {
        self.uses += 1;
        let entry = self.entries.get_mut(key)?;
        entry.used = self.uses;
        Some(entry.painted.clone())
    }

    pub(super) fn insert(&mut self, key: PictureKey, painted: Painted) {
        self.uses += 1;
        self.remove(&key);
        let bytes = bytes_of(&painted);
        if bytes > BYTES_MAX {
            return;
        }
        while self.bytes + bytes > BYTES_MAX || self.entries.len() >= ENTRIES_MAX {
            let Some(least) = self.entries.iter().min_by_key(|(_, entry)| entry.used) else { break };
            let least = least.0.clone();
            self.remove(&least);
        }
        self.bytes += bytes;
        self.entries.insert(key, Entry { painted, used: self.uses });
    }

    fn remove(&mut self, key: &PictureKey) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= bytes_of(&entry.painted);
        }
    }
}

fn bytes_of(painted: &Painted) -> usize {
    painted.as_ref().map_or(0, |picture| picture.png.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(page: u32) -> PictureKey {
        PictureKey { sha256: "a".to_owned(), page }
    }

    fn picture(bytes: usize) -> Painted {
        Ok(Picture { png: vec![0; bytes].into(), width: 1, height: 1, scale: 1.0 })
    }

    #[test]
    fn the_least_used_picture_goes_first() {
        let mut cache = Cache::default();
        for page in 1..=3 {
            cache.insert(key(page), picture(BYTES_MAX / 3));
        }
        assert!(cache.get(&key(1)).is_some());
        cache.insert(key(4), picture(BYTES_MAX / 3));
        let kept: Vec<u32> = (1..=4).filter(|page| cache.get(&key(*page)).is_some()).collect();
        assert_eq!(kept, [1, 3, 4]);
        assert!(cache.bytes <= BYTES_MAX);
        cache.insert(key(5), picture(BYTES_MAX + 1));
        assert!(cache.get(&key(5)).is_none(), "larger than the cache");
    }

    #[test]
    fn failures_have_a_limit_too() {
        let mut cache = Cache::default();
        for page in 0..2 * ENTRIES_MAX as u32 {
            cache.insert(key(page), Err(PictureError::NoSuchPage(1)));
        }
        assert_eq!((cache.entries.len(), cache.bytes), (ENTRIES_MAX, 0));
    }
}
