//! Turns a model's reply into a stage's typed output.
//!
//! Cut-off JSON is never completed: that turns a truncated answer into a wrong one, and a refusal into a
//! string. The analyst asks again instead.

use super::reading;
use crate::{
    llm::{Oddities, ReplyParts},
    run::Stage,
    stages::{StageOutput, schema},
};

/// Reads a model's finished content: a JSON object that satisfies the stage's schema, bare or in the usual
/// wrappings. The text may be anything.
///
/// # Errors
///
/// One sentence for each violation.
pub fn parse_answer(stage: Stage, text: &str) -> Result<StageOutput, Vec<String>> {
    let parts = ReplyParts { content: text.to_owned(), ..ReplyParts::default() };
    judge(stage, &parts, true, &|_| false).map(|(output, _)| output)
}

/// Like [`parse_answer`], for all parts of a reply. Also returns the tolerated oddities. See
/// [`reading::find`].
pub(super) fn judge(
    stage: Stage,
    parts: &ReplyParts,
    is_finished: bool,
    stands_in_prompt: &dyn Fn(&serde_json::Value) -> bool,
) -> Result<(StageOutput, Oddities), Vec<String>> {
    let found = reading::find(schema::of(stage), parts, is_finished, stands_in_prompt)?;
    let output = StageOutput::from_json(stage, found.value).map_err(|error| vec![format!("/: {error}")])?;
    Ok((output, found.oddities))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing;

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
        fn damage_never_makes_the_parser_panic(
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
