//! Sentences about the whole run, for the beginning of a report: warnings, a note on the analyst, results of checks.
//!
//! They hold words of ours and figures, and no text of a stranger.

use super::{
    input::ReportInput,
    wording::{listed, percent, plural},
};
use crate::grounding::{StageGrounding, Support, run_share};

/// The provider under which the built-in analyst's answers are stored.
pub(super) const EXTRACTIVE: &str = "extractive";
/// Below this share of quotes found, the report begins with a warning.
const SHARE_WARNED: f64 = 0.5;

/// The note on stages that no language model answered.
pub(super) fn analyst_note(input: &ReportInput<'_>) -> Option<String> {
    let extractive: Vec<String> = input
        .records
        .iter()
        .filter(|record| record.meta.provider == EXTRACTIVE)
        .map(|record| record.meta.stage.number().to_string())
        .collect();
    let who = match extractive.as_slice() {
        [] => return None,
        all if all.len() == input.records.len() => "This report was written".to_owned(),
        [one] => format!("Stage {one} was answered"),
        several => format!("Stages {} were answered", listed(several)),
    };
    Some(format!(
        "{who} by the built-in extractive analyst, not by a language model: it selects and \
         arranges what the document and the brand's profile say."
    ))
}

/// The warnings of a run whose quotes could hardly be found.
pub(super) fn grounding_warnings(input: &ReportInput<'_>) -> Vec<String> {
    let stages: Vec<StageGrounding> =
        input.records.iter().map(|record| record.meta.grounding.clone()).collect();
    let run = run_share(&stages);
    if let Some(share) = run.filter(|share| *share < SHARE_WARNED) {
        let verified = stages.iter().map(StageGrounding::verified).sum();
        let quotes = stages.iter().map(|stage| stage.quotes).sum();
        return vec![grounding_warning("This report", share, verified, quotes)];
    }
    input
        .records
        .iter()
        .filter_map(|record| {
            let grounding = &record.meta.grounding;
            let share = grounding.share.filter(|share| *share < SHARE_WARNED)?;
            let who = format!("Stage {} ({})", record.meta.stage.number(), record.meta.stage.title());
            Some(grounding_warning(&who, share, grounding.verified(), grounding.quotes))
        })
        .collect()
}

fn grounding_warning(who: &str, share: f64, verified: u32, quotes: u32) -> String {
    match (verified, quotes) {
        (_, 0) => format!("{who} cites no quote at all: nothing in it is supported by evidence."),
        (0, _) => format!(
            "{who} cites {}, and none could be found in the document: nothing in it is supported by evidence.",
            plural(quotes as usize, "quote")
        ),
        _ => format!(
            "{who} cites {quotes} quotes, and only {verified} ({}) could be found in the document: check \
             every statement before using it.",
            percent(share)
        ),
    }
}

/// The results of checking the claims, in sentences.
pub(super) fn checks(stages: &[StageGrounding]) -> String {
    let mut text = String::new();
    let with = |support| stages.iter().map(|stage| stage.claims_with(support)).sum::<usize>();
    let [whole, partly, not] = [Support::Supported, Support::Partly, Support::Unsupported].map(with);
    if whole + partly + not > 0 {
        text.push_str(&format!(
            " Of {}, {whole} {} supported by the quotes behind {}, {partly} partly, and {not} not.",
            plural(whole + partly + not, "claim"),
            if whole == 1 { "is" } else { "are" },
            if whole + partly + not == 1 { "it" } else { "them" },
        ));
    }
    let numbers: u32 = stages.iter().map(|stage| stage.unsupported_numbers).sum();
    if numbers > 0 {
        let do_not = if numbers == 1 { "does" } else { "do" };
        text.push_str(&format!(
            " {} in the claims {do_not} not stand in the evidence.",
            plural(numbers as usize, "number")
        ));
    }
    let struck: u32 =
        stages.iter().map(|stage| stage.struck_quotes + stage.struck_pages + stage.struck_ids).sum();
    if struck > 0 {
        let were = if struck == 1 { "was" } else { "were" };
        text.push_str(&format!(
            " {} in the analyst's words could not be followed and {were} struck.",
            plural(struck as usize, "reference")
        ));
    }
    text
}
