//! The material of a report.

use crate::{brand::BrandProfile, document::Format, record::StageRecord, run::RunId};

/// The material of a report.
#[derive(Debug, Clone, Copy)]
pub struct ReportInput<'a> {
    pub run: &'a RunId,
    /// The document's title, or its source name.
    pub document_title: &'a str,
    pub document_source: &'a str,
    pub document_format: Format,
    pub page_count: usize,
    /// The warnings of the extraction.
    pub document_warnings: &'a [String],
    pub brand: &'a BrandProfile,
    /// The records of stages 1 to 4, in order.
    pub records: &'a [StageRecord],
}
