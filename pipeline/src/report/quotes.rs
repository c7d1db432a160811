//! The report's quotes by their labels, for whoever shows one of them beside its page.

use crate::{
    grounding::collapsed,
    record::{RecordError, StageRecord},
    stages::{Evidence, Outputs, QuoteArea, QuoteStatus},
};

/// A quote as the report lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportQuote {
    /// `E1`, `E2`, … in the order in which the report lists them.
    pub label: String,
    pub quote: String,
    /// The page's number, from 1.
    pub page: u32,
    pub status: QuoteStatus,
    pub is_fragment: bool,
    /// The places of its lines on the page, in points. Empty where the format has no places.
    pub boxes: Vec<QuoteArea>,
}

/// All quotes of a report, in the order of their labels.
///
/// # Errors
///
/// [`RecordError::Shape`] if a record's payload does not have the form of its stage's answer.
pub fn quotes(records: &[StageRecord]) -> Result<Vec<ReportQuote>, RecordError> {
    let mut outputs = Outputs::default();
    for record in records {
        outputs.insert(record.output()?);
    }
    let of_inspirations = outputs.inspirations().iter().flat_map(|item| &item.evidence);
    let of_trends = outputs.trends().iter().flat_map(|item| &item.evidence);
    let mut quotes: Vec<ReportQuote> = Vec::new();
    for evidence in of_inspirations.chain(of_trends) {
        let Evidence { page, boxes, .. } = evidence;
        let Some(status) = evidence.status.filter(|status| status.is_verified()) else { continue };
        let quote = collapsed(&evidence.quote);
        if quotes.iter().any(|known| known.page == *page && known.quote == quote) {
            continue;
        }
        quotes.push(ReportQuote {
            label: format!("E{}", quotes.len() + 1),
            quote,
            page: *page,
            status,
            is_fragment: evidence.fragment,
            boxes: boxes.clone(),
        });
    }
    Ok(quotes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        run::Stage,
        stages::StageOutput,
        testing::{context, provenance},
    };

    #[test]
    fn labels_skip_what_the_report_leaves_out() {
        let item =
            |quote: &str, page: u32, status: &str| json!({"quote": quote, "page": page, "status": status});
        let payload = json!({"inspirations": [
            {"id": "I1", "title": "a", "summary": "b", "mechanism": "c", "key_elements": ["d"], "evidence": [
                item("Kept  words", 3, "verbatim"), item("invented", 3, "absent"), item("unseen", 3, "hidden"),
            ]},
            {"id": "I2", "title": "a", "summary": "b", "mechanism": "c", "key_elements": ["d"], "evidence": [
                item("Kept words", 3, "near"), item("Kept words", 4, "wrong_page"),
            ]},
        ]});
        let output = StageOutput::from_json(Stage::InputProcessing, payload).unwrap();
        let at = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let record = StageRecord::new(&output, &provenance(), context(at)).unwrap();
        let quotes = quotes(&[record]).unwrap();
        let listed: Vec<_> = quotes.iter().map(|quote| (quote.label.as_str(), quote.page)).collect();
        assert_eq!(listed, [("E1", 3), ("E2", 4)]);
        assert_eq!(quotes[0].quote, "Kept words");
    }
}
