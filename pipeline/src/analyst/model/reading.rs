//! Which object of a model's reply is its answer.
//!
//! In this order: the whole content; an object in a code fence; the last object within other text; the arguments of a tool
//! call; and, only if the content is empty, the reasoning. Nothing within a block of thoughts counts, and an object that
//! already stands in the prompt is never taken.

use std::borrow::Cow;

use serde_json::Value;

use super::thoughts::without_thoughts;
use crate::{
    llm::{Oddities, Oddity, ReplyParts},
    stages::schema::StageSchema,
    tolerant_json,
};

/// The bytes that the search for objects may parse, all its beginnings together: a hostile answer must not cost seconds.
const PARSED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The most opening braces that are tried, however short the text is.
const BEGINNINGS_MAX: usize = 64;
/// The most code fences that are looked into.
const FENCES_MAX: usize = 16;
/// How many objects, lists or strings may stand around the answer.
const WRAPPINGS_MAX: usize = 3;

/// An object that may be the answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    pub(super) value: Value,
    /// The deviations that the search tolerated.
    pub(super) oddities: Oddities,
}

/// Looks for the answer that satisfies `schema`. `is_finished` says whether the endpoint vouches that the reply is whole:
/// where it does not, an object within other text may be a part of something, and only a bare one is taken.
/// `stands_in_prompt` gets an object's text.
///
/// # Errors
///
/// Why no object is the answer, as violations of the best candidate.
pub(super) fn find(
    schema: &StageSchema,
    parts: &ReplyParts,
    is_finished: bool,
    stands_in_prompt: &dyn Fn(&str) -> bool,
) -> Result<Found, Vec<String>> {
    let mut search = Search { schema, stands_in_prompt, refused: None, oddities: Oddities::default() };
    let content = search.clean(&parts.content);
    let no_object = match search.whole(&content) {
        Ok(found) => return Ok(found),
        Err(error) => error,
    };
    let escaped = tolerant_json::with_escaped_controls(&content);
    if let Some(escaped) = &escaped {
        search.oddities.insert(Oddity::ControlCharacter);
        if let Ok(found) = search.whole(escaped) {
            return Ok(found);
        }
    }
    let content = escaped.map_or(content, Cow::Owned);
    if is_finished {
        if let Some(found) = search.inside(&content) {
            return Ok(found);
        }
        for arguments in &parts.tool_calls {
            let arguments = search.clean(arguments);
            if let Ok(found) = search.whole(&arguments) {
                return Ok(found.with(Oddity::ToolCall));
            }
        }
        let says_nothing = |text: &str| without_thoughts(text).as_deref().unwrap_or(text).trim().is_empty();
        if says_nothing(&content) {
            let reasoning = search.clean(&parts.reasoning);
            let found = search.whole(&reasoning).ok().or_else(|| search.inside(&reasoning));
            if let Some(found) = found {
                return Ok(found.with(Oddity::AnswerInReasoning));
            }
        }
    }
    Err(match search.refused {
        Some(Refused { violations, .. }) => violations,
        None => vec![format!("/: the answer is not one JSON object ({no_object})")],
    })
}

impl Found {
    fn with(mut self, oddity: Oddity) -> Self {
        self.oddities.insert(oddity);
        self
    }
}

struct Search<'a> {
    schema: &'a StageSchema,
    stands_in_prompt: &'a dyn Fn(&str) -> bool,
    /// The best object that is not the answer.
    refused: Option<Refused>,
    /// Of the text as a whole.
    oddities: Oddities,
}

struct Refused {
    length: usize,
    violations: Vec<String>,
}

impl Search<'_> {
    /// The text without white space and byte order marks around it, and with halves of surrogate pairs marked.
    fn clean<'t>(&mut self, text: &'t str) -> Cow<'t, str> {
        let bare = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{FEFF}');
        if text.contains('\u{FEFF}') {
            self.oddities.insert(Oddity::ByteOrderMark);
        }
        tolerant_json::with_marked_surrogates(bare, &mut self.oddities)
    }

    /// The answer as the whole of a text. The error is why the text is no JSON, or that its object is refused.
    fn whole(&mut self, text: &str) -> Result<Found, String> {
        let mut oddities = self.oddities;
        let value = tolerant_json::value(text, &mut oddities).map_err(|error| error.to_string())?;
        self.judge(value, text, oddities).ok_or_else(|| "it is another JSON value".to_owned())
    }

    /// The answer within a text: outside of thoughts, in a fence, or between other words.
    fn inside(&mut self, text: &str) -> Option<Found> {
        let rest = without_thoughts(text);
        let noted = self.oddities;
        if rest.is_some() {
            self.oddities.insert(Oddity::ThinkBlock);
        }
        let text = rest.as_deref().map_or(text, str::trim);
        let found = match rest {
            Some(_) => self.whole(text).ok(),
            None => None,
        };
        let found = found.or_else(|| self.fenced(text)).or_else(|| self.embedded(text));
        self.oddities = noted;
        found
    }

    /// The last object in a code fence that is the answer.
    fn fenced(&mut self, text: &str) -> Option<Found> {
        let mut last = None;
        for body in text.split("```").flat_map(|part| part.split("~~~")).skip(1).step_by(2).take(FENCES_MAX) {
            // Before the object stands the fence's language.
            let Some(start) = body.find(['{', '[']) else { continue };
            let body = body.get(start..).unwrap_or_default().trim_end();
            last = self.whole(body).ok().map(|found| found.with(Oddity::CodeFence)).or(last);
        }
        last
    }

    /// The last object between other words that is the answer.
    fn embedded(&mut self, text: &str) -> Option<Found> {
        let beginnings_max = (PARSED_BYTES_MAX / text.len().max(1)).clamp(4, BEGINNINGS_MAX);
        let (mut at, mut last) = (0, None);
        for _ in 0..beginnings_max {
            let rest = text.get(at..).unwrap_or_default();
            let Some(start) = rest.find('{') else { break };
            let rest = rest.get(start..).unwrap_or_default();
            let mut oddities = self.oddities;
            match tolerant_json::first_value(rest, &mut oddities) {
                Ok((value, length)) => {
                    let raw = rest.get(..length).unwrap_or_default();
                    let found = self.judge(value, raw, oddities);
                    last = found.map(|found| found.with(Oddity::SurroundingText)).or(last);
                    at += start + length;
                }
                // It is cut off, and whatever follows is a part of it.
                Err(error) if error.is_eof() => break,
                Err(_) => at += start + 1,
            }
        }
        last
    }

    /// The value, or the one object within it, if it satisfies the schema and stands in no prompt.
    fn judge(&mut self, value: Value, raw: &str, mut oddities: Oddities) -> Option<Found> {
        let (mut value, mut raw) = (value, Cow::Borrowed(raw));
        for wrappings in 0..=WRAPPINGS_MAX {
            if self.schema.accepts(&value) {
                if (self.stands_in_prompt)(&raw) {
                    self.refuse(raw.len(), || {
                        vec!["/: the answer repeats an object of the prompt".to_owned()]
                    });
                    return None;
                }
                if wrappings > 0 {
                    oddities.insert(Oddity::WrappedObject);
                }
                return Some(Found { value, oddities });
            }
            if value.is_object() {
                let schema = self.schema;
                self.refuse(raw.len(), || schema.check(&value).err().unwrap_or_default());
            }
            (value, raw) = unwrapped(value)?;
        }
        None
    }

    /// Keeps the violations of the longest object: it is most likely to be meant.
    fn refuse(&mut self, length: usize, violations: impl FnOnce() -> Vec<String>) {
        if self.refused.as_ref().is_none_or(|refused| refused.length < length) {
            self.refused = Some(Refused { length, violations: violations() });
        }
    }
}

/// The only item of a list, the only member of an object, or the JSON in a string; with its text.
fn unwrapped(value: Value) -> Option<(Value, Cow<'static, str>)> {
    let inner = match value {
        Value::String(text) => {
            let value = tolerant_json::value(text.trim(), &mut Oddities::default()).ok()?;
            return Some((value, Cow::Owned(text)));
        }
        Value::Array(list) if list.len() == 1 => list.into_iter().next()?,
        Value::Object(object) if object.len() == 1 => object.into_iter().next()?.1,
        _ => return None,
    };
    let raw = inner.to_string();
    Some((inner, Cow::Owned(raw)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{run::Stage, stages::schema, testing};

    fn answer(mark: &str) -> String {
        let mut value = testing::example_answer(Stage::InputProcessing);
        value["inspirations"][0]["title"] = mark.into();
        value.to_string()
    }

    fn found(parts: &ReplyParts, is_finished: bool) -> Result<(String, Vec<Oddity>), Vec<String>> {
        let found = find(schema::of(Stage::InputProcessing), parts, is_finished, &|_| false)?;
        let title = found.value["inspirations"][0]["title"].as_str().unwrap().to_owned();
        Ok((title, found.oddities.iter().collect()))
    }

    fn content(text: impl Into<String>) -> ReplyParts {
        ReplyParts { content: text.into(), ..ReplyParts::default() }
    }

    #[test]
    fn the_answer_is_found_in_every_wrapping() {
        use Oddity::*;
        let bare = answer("ANSWER");
        for (text, oddities) in [
            (bare.clone(), vec![]),
            (format!("\n\n  {bare}\n"), vec![]),
            (format!("\u{FEFF}{bare}"), vec![ByteOrderMark]),
            (format!("```json\n{bare}\n```"), vec![CodeFence]),
            (format!("```\n{bare}\n```\nI hope this helps."), vec![CodeFence]),
            (format!("~~~JSON\n{bare}\n~~~"), vec![CodeFence]),
            (format!("Here {{as asked}} is it, {{}}: {bare} Done."), vec![SurroundingText]),
            (format!("{} {bare}", answer("DRAFT")), vec![SurroundingText]),
            (format!("<think>{}</think>\n{bare}", answer("DRAFT")), vec![ThinkBlock]),
            (format!("{}</think>```{bare}```", answer("DRAFT")), vec![ThinkBlock, CodeFence]),
            (format!("```{}``` No: ```{bare}```", answer("DRAFT")), vec![CodeFence]),
            (format!("[{bare}]"), vec![WrappedObject]),
            (format!("{{\"answer\": {bare}}}"), vec![WrappedObject]),
            (Value::String(bare.clone()).to_string(), vec![WrappedObject]),
            (bare.replace("ANSWER", "\\ud83dANSWER"), vec![LoneSurrogate]),
            (bare.replace("ANSWER", "an\nANSWER"), vec![ControlCharacter]),
            (format!("```{}```", bare.replace("ANSWER", "an\nANSWER")), vec![CodeFence, ControlCharacter]),
        ] {
            let (title, seen) = found(&content(&text), true).unwrap_or_else(|e| panic!("{text}: {e:?}"));
            assert!(title.ends_with("ANSWER"), "{text}: {title}");
            assert_eq!(seen, oddities, "{text}");
        }
    }

    #[test]
    fn content_goes_before_tool_calls_and_reasoning() {
        let parts = |content: &str| ReplyParts {
            content: content.to_owned(),
            tool_calls: vec!["{}".to_owned(), answer("TOOL")],
            reasoning: format!("Let me see: {}", answer("THOUGHT")),
        };
        assert_eq!(found(&parts(&answer("CONTENT")), true).unwrap().0, "CONTENT");
        assert_eq!(
            found(&parts("I call a tool."), true).unwrap(),
            ("TOOL".to_owned(), vec![Oddity::ToolCall])
        );
        let without_tools = |content: &str| ReplyParts { tool_calls: Vec::new(), ..parts(content) };
        assert_eq!(found(&without_tools(" "), true).unwrap().0, "THOUGHT");
        assert_eq!(found(&without_tools("<think>x</think>"), true).unwrap().0, "THOUGHT");
        assert!(found(&without_tools("I had a thought."), true).is_err(), "the content is not empty");
    }

    #[test]
    fn thoughts_never_count() {
        assert!(found(&content(format!("<think>{}</think> Sorry.", answer("DRAFT"))), true).is_err());
        assert!(found(&content(format!("<think>{}", answer("DRAFT"))), true).is_err());
    }

    #[test]
    fn only_a_bare_object_counts_without_a_proper_end() {
        assert!(found(&content(answer("BARE")), false).is_ok());
        assert!(found(&content(format!("```json\n{}\n```", answer("FENCED"))), false).is_err());
        let reasoning = ReplyParts { reasoning: answer("THOUGHT"), ..ReplyParts::default() };
        assert!(found(&reasoning, false).is_err());
    }

    #[test]
    fn an_object_of_the_prompt_is_never_taken() {
        let (echo, own) = (answer("ECHO"), answer("OWN"));
        let look = |text: String| {
            find(schema::of(Stage::InputProcessing), &content(text), true, &|raw| raw.contains("ECHO"))
        };
        assert!(look(echo.clone()).unwrap_err()[0].contains("prompt"));
        assert!(look(format!("The document says {echo}")).is_err());
        let found = look(format!("{own} is my answer, the document says {echo}")).unwrap();
        assert_eq!(found.value["inspirations"][0]["title"], "OWN");
    }

    #[test]
    fn cut_off_json_is_not_completed() {
        let whole = answer("x");
        let violations = found(&content(&whole[..whole.len() - 3]), true).unwrap_err();
        assert!(violations[0].contains("not one JSON object (EOF"), "{violations:?}");
    }

    #[test]
    fn the_longest_refused_object_is_explained() {
        let violations =
            found(&content("{} then {\"inspirations\": [{\"title\": \"x\"}]}"), true).unwrap_err();
        assert!(violations.iter().any(|v| v.starts_with("/inspirations")), "{violations:?}");
    }

    #[test]
    fn braces_without_end_cost_little() {
        let hostile = "{\"a\":[".repeat(200_000);
        assert!(found(&content(hostile), true).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_search_panic(text in any::<String>(), tool in any::<String>()) {
            let parts = ReplyParts { content: text.clone(), tool_calls: vec![tool], reasoning: text };
            let _ = found(&parts, true);
        }
    }
}
