//! The material of a report.

use crate::{
    record::{BrandFacts, DocumentFacts, StageRecord},
    run::RunId,
};

/// The material of a report.
#[derive(Debug, Clone, Copy)]
pub struct ReportInput<'a> {
    pub run: &'a RunId,
    pub document: &'a DocumentFacts,
    pub brand: &'a BrandFacts,
    /// The records of stages 1 to 4, in order.
    pub records: &'a [StageRecord],
}

impl<'a> ReportInput<'a> {
    /// The material that the records of a run hold themselves. None if they are of an earlier release, or not all there.
    #[must_use]
    pub fn of_records(run: &'a RunId, records: &'a [StageRecord]) -> Option<Self> {
        let [first, _, _, last] = records else { return None };
        Some(Self { run, document: first.meta.document.as_ref()?, brand: last.meta.brand.as_ref()?, records })
    }

    /// All warnings, each with the name of its source.
    pub(super) fn warnings(&self) -> impl Iterator<Item = (String, &'a String)> + use<'a> {
        let document = self.document.warnings.iter().map(|warning| ("Document".to_owned(), warning));
        let stages = self.records.iter().flat_map(|record| {
            let stage = format!("Stage {}", record.meta.stage.number());
            record.meta.warnings.iter().map(move |warning| (stage.clone(), warning))
        });
        document.chain(stages)
    }
}
