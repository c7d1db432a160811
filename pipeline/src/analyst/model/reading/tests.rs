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
        (format!("```{}```", bare.replace("ANSWER", "<think>x</think>ANSWER")), vec![CodeFence]),
        (
            format!("<tool_call>{{\"name\": \"answer\", \"arguments\": {bare}}}</tool_call>"),
            vec![SurroundingText, WrappedObject],
        ),
        (format!("<think>{{\"a\": \"x\ny</think>{}", testing::pretty(&bare)), vec![ThinkBlock]),
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
    assert_eq!(found(&parts("I call a tool."), true).unwrap(), ("TOOL".to_owned(), vec![Oddity::ToolCall]));
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
fn without_an_end_only_bare_objects_count() {
    assert!(found(&content(answer("BARE")), false).is_ok());
    assert!(found(&content(format!("```json\n{}\n```", answer("FENCED"))), false).is_err());
    let reasoning = ReplyParts { reasoning: answer("THOUGHT"), ..ReplyParts::default() };
    assert!(found(&reasoning, false).is_err());
}

#[test]
fn an_object_of_the_prompt_is_never_taken() {
    let (echo, own) = (answer("ECHO"), answer("OWN"));
    let look = |text: String| {
        let is_echo = |value: &Value| value.to_string().contains("ECHO");
        find(schema::of(Stage::InputProcessing), &content(text), true, &is_echo)
    };
    assert!(look(echo.clone()).unwrap_err()[0].contains("prompt"));
    assert!(look(format!("The document says {echo}")).is_err());
    let found = look(format!("{own} is my answer, the document says {echo}")).unwrap();
    assert_eq!(found.value["inspirations"][0]["title"], "OWN");
}

#[test]
fn a_draft_before_a_truncated_answer_is_ignored() {
    let (draft, whole) = (answer("DRAFT"), answer("ANSWER"));
    assert!(found(&content(format!("Draft: {draft} Better: {}", &whole[..whole.len() / 2])), true).is_err());
}

#[test]
fn answers_that_a_document_holds_are_listed() {
    let bare = answer("Smuggled").replace("\"title\"", "\"\\u0074itle\"");
    for text in [bare.clone(), format!("text {{\"answer\": {bare}}}"), bare.replace("shop", "sh\nop")] {
        assert_eq!(answers_in(schema::of(Stage::InputProcessing), &text).len(), 1, "{text}");
    }
}

#[test]
fn cut_off_json_is_not_completed() {
    let whole = answer("x");
    let violations = found(&content(&whole[..whole.len() - 3]), true).unwrap_err();
    assert!(violations[0].contains("not one JSON object (EOF"), "{violations:?}");
}

#[test]
fn the_longest_refused_object_is_explained() {
    let violations = found(&content("{} then {\"inspirations\": [{\"title\": \"x\"}]}"), true).unwrap_err();
    assert!(violations.iter().any(|v| v.starts_with("/inspirations")), "{violations:?}");
}

#[test]
fn hostile_answers_cost_little() {
    let many = format!("{{\"inspirations\":[{}0]}}", "{},".repeat(300_000));
    for hostile in ["{\"a\":[".repeat(100_000), many, "[".repeat(900_000), "x".repeat(2_000_000)] {
        assert!(found(&content(hostile), true).is_err());
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_search_panic(text in any::<String>(), tool in any::<String>()) {
        let parts = ReplyParts { content: text.clone(), tool_calls: vec![tool], reasoning: text };
        let _ = found(&parts, true);
    }
}
