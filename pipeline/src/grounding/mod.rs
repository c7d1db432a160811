//! Verifies quotes: whether the quotes and numbers of an answer really stand in the document.
//!
//! Every quote is searched on its cited page and across that page's borders, then on all others. An exact
//! search comes first, then one within [`EDITS_SHARE_MAX`] and [`EDITS_MAX`]. A near match must have the
//! quote's numbers, because an altered number is no typing mistake. Every number in a claim must stand on a
//! page that the claim's evidence cites.

mod alignment;
mod character_class;
mod claim_support;
mod claims;
mod decisive;
mod decisive_words;
mod directions;
mod finding;
mod lines;
mod markdown_marks;
mod near;
mod needle;
mod normalise;
mod number_check;
mod number_labels;
mod number_set;
mod number_tokens;
mod number_units;
mod number_value;
mod number_words;
mod numbers;
mod page_index;
mod prose;
mod quotes;
mod script_digits;
mod search;
mod sentences;
mod shown;
mod slices;
mod stage_grounding;
mod support;
#[cfg(test)]
mod tests;
mod token;
mod token_reader;
mod tokens;

pub(crate) use self::shown::collapsed;
use self::stage_grounding::share;
pub use self::{
    claim_support::{ClaimSupport, Support},
    near::{EDITS_MAX, EDITS_SHARE_MAX, NEAR_CHARS_MIN},
    page_index::PageIndex,
    stage_grounding::{StageGrounding, run_share},
};
use crate::{
    brand::BrandProfile,
    run::Stage,
    stages::{Outputs, StageOutput},
};

/// Looks up the quotes of an answer alone, without its prose and numbers.
pub(crate) fn look_up_quotes(output: &mut StageOutput, index: &PageIndex) {
    quotes::look_up(output, index, &mut StageGrounding::default(), &mut Vec::new());
}

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
    quotes::look_up(output, index, &mut grounding, &mut warnings);
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
    prose::check(output, earlier, index, brand, &mut grounding, &mut warnings);
    number_check::check(output, earlier, index, brand, &mut grounding, &mut warnings);
    support::check(output, earlier, index, brand, &mut grounding);
    (grounding, warnings)
}
