//! Quote ↔ page verification: whether what an answer cites really stands in the document.
//!
//! Every quote is searched on its cited page (and across that page's borders), then on all others, first
//! exactly, then within [`EDITS_SHARE_MAX`] and [`EDITS_MAX`]. A near match whose numbers are not the
//! quote's is none: an altered number is a lie, not a typing mistake. Every number in a claim must stand on
//! a page that the claim's evidence cites.

mod claims;
mod normalise;
mod numbers;
mod search;

use serde::{Deserialize, Serialize};

pub use search::{EDITS_MAX, EDITS_SHARE_MAX, NEAR_CHARS_MIN};

use self::{
    normalise::Skeleton,
    numbers::NumberSet,
    search::{Cited, Finding},
};
use crate::{
    brand::BrandProfile,
    document::{Document, Page},
    run::{Stage, shortened},
    stages::{Outputs, QuoteStatus, StageOutput},
};

/// How much of a page's end or beginning is looked at for quotes that span a border, in bytes: well over
/// twice the longest quote that the stages' schemas allow (600 characters).
const JOINT_BYTES: usize = 2_400;

/// What the look-up of one stage's quotes and numbers found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct StageGrounding {
    /// Quotes the stage cited.
    pub quotes: u32,
    pub verbatim: u32,
    pub near: u32,
    pub wrong_page: u32,
    pub absent: u32,
    /// Numbers in claims that stand on no cited page (and, in stage 4, not in the brand's profile).
    pub unsupported_numbers: u32,
    /// Verified quotes ÷ quotes, 0 to 1; absent for a stage that cites nothing by its nature (3 and 4).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
}

impl StageGrounding {
    /// Quotes that stand in the document.
    #[must_use]
    pub const fn verified(&self) -> u32 {
        self.verbatim + self.near + self.wrong_page
    }

    const fn count(&mut self, status: QuoteStatus) {
        self.quotes += 1;
        match status {
            QuoteStatus::Verbatim => self.verbatim += 1,
            QuoteStatus::Near => self.near += 1,
            QuoteStatus::WrongPage => self.wrong_page += 1,
            QuoteStatus::Absent => self.absent += 1,
        }
    }
}

/// Verified quotes ÷ quotes over all stages of a run, 0 to 1; `None` as long as no stage had to cite.
#[must_use]
pub fn run_share(stages: &[StageGrounding]) -> Option<f64> {
    stages.iter().any(|stage| stage.share.is_some()).then(|| {
        let verified: u32 = stages.iter().map(StageGrounding::verified).sum();
        share(verified, stages.iter().map(|stage| stage.quotes).sum())
    })
}

fn share(verified: u32, quotes: u32) -> f64 {
    if quotes == 0 { 0.0 } else { f64::from(verified) / f64::from(quotes) }
}

/// A document's pages, prepared once for looking up many quotes.
#[derive(Debug)]
pub struct PageIndex {
    pages: Vec<IndexedPage>,
}

#[derive(Debug)]
struct IndexedPage {
    number: u32,
    text: String,
    /// The text without running headers and footers, where there are any.
    body: Option<String>,
    skeleton: Skeleton,
    /// For the joint of two pages, where in the skeleton the second begins: only what spans it counts.
    border: Option<usize>,
}

impl IndexedPage {
    fn new(page: &Page) -> Self {
        Self {
            number: page.number,
            text: page.text.clone(),
            body: (!page.running_header_lines.is_empty()).then(|| page.body()),
            skeleton: Skeleton::new(&page.text),
            border: None,
        }
    }

    /// Whether the skeleton's bytes `start..end` may count as standing here.
    fn admits(&self, start: usize, end: usize) -> bool {
        self.border.is_none_or(|border| start < border && border < end)
    }

    fn body(&self) -> &str {
        self.body.as_ref().unwrap_or(&self.text)
    }
}

impl PageIndex {
    /// Normalises every page of the document.
    #[must_use]
    pub fn new(document: &Document) -> Self {
        Self { pages: document.pages.iter().map(IndexedPage::new).collect() }
    }

    fn page(&self, number: u32) -> Option<&IndexedPage> {
        self.pages.iter().find(|page| page.number == number)
    }

    /// The cited page's borders: its beginning after the page before, and its end before the page after.
    fn joints(&self, cited: u32) -> Vec<IndexedPage> {
        [cited.saturating_sub(1), cited]
            .into_iter()
            .filter_map(|first| {
                let first_end = end_of(self.page(first)?.body().trim_end());
                let text = format!("{first_end}\n{}", start_of(self.page(first + 1)?.body().trim_start()));
                let skeleton = Skeleton::new(&text);
                Some(IndexedPage {
                    number: cited,
                    border: Some(skeleton.byte_of(first_end.len())),
                    skeleton,
                    body: None,
                    text,
                })
            })
            .collect()
    }
}

/// The last [`JOINT_BYTES`] of a page, from the start of a word.
fn end_of(text: &str) -> &str {
    let tail = text.get(text.ceil_char_boundary(text.len().saturating_sub(JOINT_BYTES))..).unwrap_or(text);
    if tail.len() == text.len() {
        return tail;
    }
    tail.find(char::is_whitespace).and_then(|at| tail.get(at..)).unwrap_or_default()
}

/// The first [`JOINT_BYTES`] of a page, to the end of a word.
fn start_of(text: &str) -> &str {
    let head = text.get(..text.floor_char_boundary(JOINT_BYTES)).unwrap_or(text);
    if head.len() == text.len() {
        return head;
    }
    head.rfind(char::is_whitespace).and_then(|at| head.get(..at)).unwrap_or_default()
}

/// Looks up every quote and number of an answer; sets statuses, corrects pages, counts, warns.
///
/// `output` has its ids; `earlier` holds the outputs before it, looked up in their turn.
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
        let mut told: Vec<numbers::Number> = Vec::new();
        for (field, number) in numbers {
            if known.holds(&number) || told.iter().any(|earlier| earlier.same(&number)) {
                continue;
            }
            grounding.unsupported_numbers += 1;
            warnings.push(format!(
                "{}: the number {} in its {field} does not stand {}.",
                item.id,
                number.written,
                places(&pages.iter().copied().collect::<Vec<_>>(), item.from_profile)
            ));
            told.push(number);
        }
    }
}

/// Where a number was looked for.
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

#[cfg(test)]
mod tests;
