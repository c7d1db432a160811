//! One subject of the document.

use std::collections::BTreeMap;

use crate::analyst::extractive::analysis::labels::Labels;

/// One subject of the document.
#[derive(Debug, Default)]
pub(crate) struct Topic {
    pub(crate) heading: String,
    /// The name before the heading's colon ("Halden: a boat for an hour"), if the text uses it too.
    pub(crate) name: Option<String>,
    /// The name of the case that stands for it ("the Open Bench").
    pub(crate) case: Option<String>,
    pub(crate) labels: Labels,
    pub(crate) vector: BTreeMap<String, f64>,
    /// The document says enough about it to make an inspiration of it.
    pub(crate) major: bool,
    pub(crate) weight: f64,
    /// The heading is the document's own, not made from phrases.
    pub(crate) named_by_document: bool,
}
