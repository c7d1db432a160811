//! Verifies quotes: whether the quotes and numbers of an answer really stand in the document.
//!
//! Every quote is searched on its cited page and across that page's borders, then on all others. An exact
//! search comes first, then one within [`EDITS_SHARE_MAX`] and [`EDITS_MAX`]. A near match must have the
//! quote's numbers, because an altered number is no typing mistake. Every number in a claim must stand on a
//! page that the claim's evidence cites.

mod alignment;
mod claims;
mod digits;
mod finding;
mod near;
mod normalise;
mod number_labels;
mod number_tokens;
mod numbers;
mod page_index;
mod search;
mod stage_grounding;
#[cfg(test)]
mod tests;

use self::{
    finding::{Cited, Finding},
    numbers::NumberSet,
    stage_grounding::share,
};
pub use self::{
    near::{EDITS_MAX, EDITS_SHARE_MAX, NEAR_CHARS_MIN},
    page_index::PageIndex,
    stage_grounding::{StageGrounding, run_share},
};
use crate::{
    brand::BrandProfile,
    run::{Stage, shortened},
    stages::{Outputs, QuoteStatus, StageOutput},
};

/// Looks up every quote and number of an answer. Sets statuses, corrects pages, counts and warns.
///
/// `output` has its ids. `earlier` holds the outputs before it, whose quotes were looked up already.
pub fn ground(
    output: &mut StageOutput,
    earlier: &Outputs,
    index: &PageIndex,
    brand: &BrandProfile,
) -> (StageGrounding, Vec<String>) {
    let mut grounding = StageGrounding::default();
    let mut warnings = Vec::new();
    let stage = output.stage();
    look_up_quotes(output, index, &mut grounding, &mut warnings);
    if matches!(stage, Stage::InputProcessing | Stage::SignalAmplification) {
        grounding.share = Some(share(grounding.verified(), grounding.quotes));
        if grounding.verified() == 0 {
            warnings.insert(
                0,
                format!(
                    "NO QUOTE OF THIS STAGE STANDS IN THE DOCUMENT ({} cited, none found): nothing that \
                     {stage} says is supported by evidence.",
                    grounding.quotes
                ),
            );
        }
    }
    check_numbers(output, earlier, index, brand, &mut grounding, &mut warnings);
    (grounding, warnings)
}

fn look_up_quotes(
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
    for ((evidence, Finding { status, page, words }), item) in evidence.iter_mut().zip(findings).zip(items) {
        grounding.count(status);
        if status == QuoteStatus::Absent {
            warnings.push(format!(
                "{item}: a quote cited from page {page} stands nowhere in the document and is left out of \
                 the report: “{}”.",
                shortened(&normalise::collapsed(&evidence.quote))
            ));
        }
        evidence.status = Some(status);
        evidence.page = page;
        if let Some(words) = words {
            evidence.quote = words;
        }
    }
}

/// The id of the item that each piece of evidence belongs to, in the order of `evidence_mut`.
fn owners(output: &StageOutput) -> Vec<String> {
    let repeat = |id: &String, count: usize| vec![id.clone(); count];
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

fn check_numbers(
    output: &StageOutput,
    earlier: &Outputs,
    index: &PageIndex,
    brand: &BrandProfile,
    grounding: &mut StageGrounding,
    warnings: &mut Vec<String>,
) {
    for item in claims::of(output, earlier) {
        let numbers: Vec<(&str, numbers::Number)> = item
            .texts
            .iter()
            .flat_map(|(field, text)| numbers::in_claim(text).into_iter().map(|number| (*field, number)))
            .collect();
        if numbers.is_empty() {
            continue;
        }
        let pages = item.pages();
        let mut known = NumberSet::default();
        for page in pages.iter().filter_map(|page| index.page(*page)) {
            known.add(&page.text);
        }
        item.verified_quotes().for_each(|quote| known.add(quote));
        if item.from_profile {
            claims::profile_texts(brand).iter().for_each(|text| known.add(text));
        }
        let mut reported: Vec<numbers::Number> = Vec::new();
        for (field, number) in numbers {
            if known.holds(&number) || reported.iter().any(|earlier| earlier.same(&number)) {
                continue;
            }
            grounding.unsupported_numbers += 1;
            warnings.push(format!(
                "{}: the number {} in its {field} does not stand {}.",
                item.id,
                number.written,
                places(&pages.iter().copied().collect::<Vec<_>>(), item.from_profile)
            ));
            reported.push(number);
        }
    }
}

/// The places where a number was looked for, in words.
fn places(pages: &[u32], from_profile: bool) -> String {
    let list = pages.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    let cited = match pages {
        [] => "anywhere: it cites no page".to_owned(),
        [_] => format!("on the cited page ({list})"),
        _ => format!("on the cited pages ({list})"),
    };
    match (pages, from_profile) {
        (_, false) => cited,
        ([], true) => "in the brand's profile".to_owned(),
        (_, true) => format!("{cited} or in the brand's profile"),
    }
}
