//! From a model's text to a stage's typed output.
//!
//! Nothing is repaired: tools that complete cut-off JSON turn a truncated answer into a wrong one and a refusal
//! into a string. What is not whole is asked for again.

use serde_json::Value;

use crate::{
    run::Stage,
    stages::{StageOutput, schema},
};

/// How many opening braces in prose are tried as the beginning of the answer.
const BEGINNINGS_MAX: usize = 24;

/// Reads a model's finished answer: a JSON object, bare, in a code fence or after some prose, that satisfies
/// the stage's schema. Returns what is wrong, one sentence each, otherwise. Takes any text.
pub fn parse_answer(stage: Stage, text: &str) -> Result<StageOutput, Vec<String>> {
    judge(stage, text, true)
}

/// As [`parse_answer`]; `finished` says whether the endpoint vouches that the answer is whole. Where it does
/// not, an object inside other text may be a part of something, and only a bare one is taken.
pub(super) fn judge(stage: Stage, text: &str, finished: bool) -> Result<StageOutput, Vec<String>> {
    let text = text.trim().trim_start_matches('\u{FEFF}').trim_start();
    let value = match serde_json::from_str::<Value>(text) {
        Ok(value) => value,
        Err(error) => finished
            .then(|| embedded_object(stage, text))
            .flatten()
            .ok_or_else(|| vec![format!("/: the answer is not one JSON object ({error})")])?,
    };
    schema::of(stage).check(&value)?;
    StageOutput::from_json(stage, value).map_err(|error| vec![format!("/: {error}")])
}

/// The object inside other text: the first that satisfies the schema, else the first that is one at all, so
/// that its violations can be named.
fn embedded_object(stage: Stage, text: &str) -> Option<Value> {
    let mut first = None;
    // Where the text itself begins as an object, its inner objects are parts and never the answer.
    let beginnings_max = if text.starts_with('{') { 1 } else { BEGINNINGS_MAX };
    for (start, _) in text.match_indices('{').take(beginnings_max) {
        let mut values = serde_json::Deserializer::from_str(text.get(start..)?).into_iter::<Value>();
        let Some(Ok(value)) = values.next() else { continue };
        if schema::of(stage).check(&value).is_ok() {
            return Some(value);
        }
        first.get_or_insert(value);
    }
    first
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing;

    fn answer() -> String {
        testing::example_answer(Stage::InputProcessing).to_string()
    }

    #[test]
    fn an_answer_is_found_bare_fenced_or_after_prose() {
        let bare = answer();
        let expected = parse_answer(Stage::InputProcessing, &bare).unwrap();
        for text in [
            format!("\n\n  {bare}\n"),
            format!("\u{FEFF}{bare}"),
            format!("```json\n{bare}\n```"),
            format!("```\n{bare}\n```\nI hope this helps."),
            format!("Here {{as asked}} is the object, {{}}: {bare} Done."),
        ] {
            assert_eq!(parse_answer(Stage::InputProcessing, &text).as_ref(), Ok(&expected), "{text}");
        }
    }

    #[test]
    fn only_a_finished_answer_is_looked_for_inside_other_text() {
        let fenced = format!("```json\n{}\n```", answer());
        assert!(judge(Stage::InputProcessing, &fenced, false).is_err());
        assert!(judge(Stage::InputProcessing, &answer(), false).is_ok());
    }

    #[test]
    fn truncated_json_is_not_completed() {
        let whole = answer();
        let violations = parse_answer(Stage::InputProcessing, &whole[..whole.len() - 3]).unwrap_err();
        assert!(violations[0].contains("not one JSON object (EOF"), "{violations:?}");
    }

    #[test]
    fn a_refusal_in_prose_is_not_an_answer() {
        let violations =
            parse_answer(Stage::GeneralTranslation, "I'm sorry, I can't help with that.").unwrap_err();
        assert!(violations[0].contains("not one JSON object"), "{violations:?}");
    }

    #[test]
    fn a_status_set_by_the_model_is_refused() {
        let mut value = testing::example_answer(Stage::InputProcessing);
        value["inspirations"][0]["evidence"][0]["status"] = "verbatim".into();
        assert!(parse_answer(Stage::InputProcessing, &value.to_string()).is_err());
    }

    #[test]
    fn every_stage_has_an_example_that_parses() {
        for stage in Stage::ALL {
            let output = parse_answer(stage, &testing::example_answer(stage).to_string()).unwrap();
            assert_eq!(output.stage(), stage);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in any::<String>(), number in 1_u8..=4) {
            let _ = parse_answer(Stage::try_from(number).unwrap(), &text);
        }

        #[test]
        fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse_answer(Stage::BrandContextualization, &String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn no_damage_to_an_answer_makes_the_parser_panic(
            stage in 0_usize..4, at in any::<prop::sample::Index>(), with in "[\\[\\]{}\",:\\\\a0]{0,4}",
        ) {
            let stage = Stage::ALL[stage];
            let mut text = testing::example_answer(stage).to_string();
            let at = at.index(text.len());
            if text.is_char_boundary(at) {
                text.insert_str(at, &with);
            }
            let _ = parse_answer(stage, &text);
        }
    }
}
