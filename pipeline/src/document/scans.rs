//! The pages of a document whose words stand only in a picture of them.

use serde::{Deserialize, Serialize};

/// The pages that a program for OCR can read, and what becomes of the document without one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scans {
    /// Numbers of pages that are pictures, in ascending order.
    pub pictures: Vec<u32>,
    /// Numbers of pages whose fonts do not say which characters they show, in ascending order.
    pub unreadable: Vec<u32>,
    /// Why the document is refused unless these pages are read.
    pub refusal: Option<String>,
}

impl Scans {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pictures.is_empty() && self.unreadable.is_empty()
    }

    /// The numbers of all pages, in ascending order.
    #[must_use]
    pub fn pages(&self) -> Vec<u32> {
        let mut pages = [self.pictures.as_slice(), &self.unreadable].concat();
        pages.sort_unstable();
        pages.dedup();
        pages
    }
}
