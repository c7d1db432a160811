//! Looks up the quotes of an answer, and puts the document's slices in their place.

use super::{
    finding::{Cited, Finding, Slice},
    page_index::PageIndex,
    search,
    stage_grounding::StageGrounding,
};
use crate::stages::{QuoteStatus, StageOutput};

/// Sets the status, page and slice of every quote. Counts and warns.
pub(super) fn look_up(
    output: &mut StageOutput,
    index: &PageIndex,
    grounding: &mut StageGrounding,
    warnings: &mut Vec<String>,
) {
    let items = owners(output);
    let mut evidence = output.evidence_mut();
    let cited: Vec<Cited<'_>> =
        evidence.iter().map(|evidence| Cited { quote: &evidence.quote, page: evidence.page }).collect();
    let findings = search::locate(index, &cited);
    for ((evidence, Finding { status, page, slice }), (item, number)) in
        evidence.iter_mut().zip(findings).zip(items)
    {
        grounding.count(status);
        // A warning must not repeat the quote, because reports show warnings.
        match status {
            QuoteStatus::Absent => warnings.push(format!(
                "{item}: its quote {number}, cited from page {page}, stands nowhere in the document and is left \
                 out of the report."
            )),
            QuoteStatus::Hidden => warnings.push(format!(
                "{item}: its quote {number} stands only in text on page {page} that no reader of the document \
                 sees, and is left out of the report."
            )),
            QuoteStatus::Verbatim | QuoteStatus::Near | QuoteStatus::WrongPage => {}
        }
        evidence.status = Some(status);
        evidence.page = page;
        evidence.recognised = status.is_verified() && index.page(page).is_some_and(|page| page.is_recognised);
        (evidence.start, evidence.end, evidence.fragment) = (None, None, false);
        evidence.boxes.clear();
        let source = status.is_verified().then(|| index.page(page)).flatten();
        evidence.label = source.and_then(|page| page.label.clone());
        evidence.recognised = source.is_some_and(|page| page.is_recognised);
        if let Some(Slice { start, end, text, is_fragment, areas }) = slice {
            evidence.quote = text;
            (evidence.start, evidence.end, evidence.fragment) = (Some(start), Some(end), is_fragment);
            evidence.boxes = areas;
            grounding.fragments += u32::from(is_fragment);
        }
    }
}

/// The item of each piece of evidence, and its number there, in the order of `evidence_mut`.
fn owners(output: &StageOutput) -> Vec<(String, usize)> {
    let repeat =
        |id: &String, count: usize| (1..=count).map(|number| (id.clone(), number)).collect::<Vec<_>>();
    match output {
        StageOutput::InputProcessing(out) => {
            out.inspirations.iter().flat_map(|item| repeat(&item.id, item.evidence.len())).collect()
        }
        StageOutput::SignalAmplification(out) => {
            out.trends.iter().flat_map(|item| repeat(&item.id, item.evidence.len())).collect()
        }
        StageOutput::GeneralTranslation(_) | StageOutput::BrandContextualization(_) => Vec::new(),
    }
}
