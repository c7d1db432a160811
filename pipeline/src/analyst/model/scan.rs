//! Finds the JSON objects of a text in one pass, outside of blocks of thoughts.
//!
//! The pass reads the text from its beginning. An object that parses as a whole is one piece, so a mark
//! within its strings opens and ends no block.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, Input, MatchKind};
use serde_json::Value;

use crate::{llm::Oddities, tolerant_json};

/// The most bytes that the search parses, over all its attempts. A hostile text must not cost seconds.
const PARSED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The marks that open and close a block of thoughts in the chat templates of public model families. Among
/// them are DeepSeek, Qwen, Anthropic's prompts, Mistral, QwQ, Seed, Kimi, Cohere, Open WebUI and gpt-oss.
const BLOCKS: [(&str, &str); 15] = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<thoughts>", "</thoughts>"),
    ("<reasoning>", "</reasoning>"),
    ("<reflection>", "</reflection>"),
    ("<scratchpad>", "</scratchpad>"),
    ("<analysis>", "</analysis>"),
    ("[think]", "[/think]"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<seed:think>", "</seed:think>"),
    ("◁think▷", "◁/think▷"),
    ("<|start_thinking|>", "<|end_thinking|>"),
    ("<details type=\"reasoning\"", "</details>"),
    ("<|channel|>analysis<|message|>", "<|end|>"),
];

/// A mark in a text: a block, an object or a code fence begins or ends there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Open(usize),
    Close(usize),
    Brace,
    Fence,
}

/// An object of a text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Object {
    pub(super) value: Value,
    pub(super) length: usize,
    pub(super) is_fenced: bool,
    pub(super) oddities: Oddities,
}

/// All objects of a text, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Scanned {
    pub(super) objects: Vec<Object>,
    pub(super) holds_thoughts: bool,
    /// Whether the text holds anything but white space outside of thoughts.
    pub(super) says_something: bool,
    /// Whether the text ends in the middle of an object.
    pub(super) is_cut_off: bool,
}

/// Reads a text that went through [`tolerant_json::mark`].
pub(super) fn scan(text: &str) -> Scanned {
    let Some(marks) = Marks::all() else { return Scanned::default() };
    let mut scan =
        Scan { text, marks, at: 0, budget: PARSED_BYTES_MAX, is_fenced: false, found: Scanned::default() };
    while let Some((kind, start, end)) = marks.next(text, scan.at) {
        scan.note_text(start);
        scan.at = end;
        match kind {
            Mark::Fence => scan.is_fenced = !scan.is_fenced,
            Mark::Open(block) => scan.skip_block(block),
            // It closes a block that the text never opened, because some chat templates open it in the
            // prompt.
            Mark::Close(_) => {
                scan.found = Scanned { holds_thoughts: true, ..Scanned::default() };
                scan.is_fenced = false;
            }
            Mark::Brace => {
                scan.found.says_something = true;
                if !scan.take_object(start) {
                    break;
                }
            }
        }
    }
    scan.note_text(text.len());
    scan.found
}

struct Scan<'a> {
    text: &'a str,
    marks: &'static Marks,
    at: usize,
    budget: usize,
    is_fenced: bool,
    found: Scanned,
}

impl Scan<'_> {
    fn note_text(&mut self, end: usize) {
        let between = self.text.get(self.at..end).unwrap_or_default();
        self.found.says_something |= !between.trim().is_empty();
    }

    /// Skips to the end of the block, past blocks of the same kind within it. An unclosed block ends with the
    /// text.
    fn skip_block(&mut self, block: usize) {
        self.found.holds_thoughts = true;
        let mut depth = 1_usize;
        while let Some((kind, _, end)) = self.marks.next(self.text, self.at) {
            self.at = end;
            match kind {
                Mark::Open(inner) if inner == block => depth += 1,
                Mark::Close(inner) if inner == block => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
        self.at = self.text.len();
    }

    /// Takes the object that begins here, if one does. Returns false if the search must end.
    fn take_object(&mut self, start: usize) -> bool {
        let rest = self.text.get(start..).unwrap_or_default();
        let mut oddities = Oddities::default();
        match tolerant_json::first_value(rest, &mut oddities) {
            Ok((value, length)) => {
                self.at = start + length;
                self.budget = self.budget.saturating_sub(length);
                self.found.objects.push(Object { value, length, is_fenced: self.is_fenced, oddities });
            }
            Err(error) if error.is_eof() => {
                self.found.is_cut_off = true;
                return false;
            }
            Err(error) => self.budget = self.budget.saturating_sub(consumed(rest, &error)),
        }
        self.budget > 0
    }
}

/// How many bytes the parser read before it gave up.
fn consumed(text: &str, error: &serde_json::Error) -> usize {
    let lines_before = error.line().saturating_sub(1);
    let line_start = match lines_before {
        0 => 0,
        _ => memchr::memchr_iter(b'\n', text.as_bytes()).nth(lines_before - 1).map_or(0, |end| end + 1),
    };
    line_start + error.column() + 1
}

struct Marks {
    automaton: AhoCorasick,
    kinds: Vec<Mark>,
}

impl Marks {
    /// The marks, or none if the constants are no valid patterns, which the tests would show.
    fn all() -> Option<&'static Self> {
        static MARKS: LazyLock<Option<Marks>> = LazyLock::new(|| {
            let mut patterns = vec!["{", "```", "~~~"];
            let mut kinds = vec![Mark::Brace, Mark::Fence, Mark::Fence];
            for (block, (open, close)) in BLOCKS.iter().enumerate() {
                patterns.extend([*open, *close]);
                kinds.extend([Mark::Open(block), Mark::Close(block)]);
            }
            let mut builder = AhoCorasickBuilder::new();
            builder.ascii_case_insensitive(true).match_kind(MatchKind::LeftmostLongest);
            Some(Marks { automaton: builder.build(&patterns).ok()?, kinds })
        });
        MARKS.as_ref()
    }

    /// The next mark from `at` on, with its beginning and end.
    fn next(&self, text: &str, at: usize) -> Option<(Mark, usize, usize)> {
        let found = self.automaton.find(Input::new(text).range(at..))?;
        let kind = self.kinds.get(found.pattern().as_usize()).copied()?;
        Some((kind, found.start(), found.end()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(text: &str) -> (Vec<String>, bool) {
        let scanned = scan(text);
        (scanned.objects.iter().map(|object| object.value.to_string()).collect(), scanned.holds_thoughts)
    }

    #[test]
    fn objects_within_thoughts_are_left_out() {
        for (text, found) in [
            ("<think>{\"a\":1}</think>{\"b\":2}", vec!["{\"b\":2}"]),
            ("<Think>{}<think>{}</think>{}</THINK>{\"b\":2}", vec!["{\"b\":2}"]),
            (
                "{\"a\":1} <thinking>{}</thinking> {\"b\":2}<reasoning>{}</reasoning>",
                vec!["{\"a\":1}", "{\"b\":2}"],
            ),
            ("{\"a\":1} never opened</think>{\"b\":2}", vec!["{\"b\":2}"]),
            ("{\"a\":1} <think>{} never closed", vec!["{\"a\":1}"]),
            ("<|START_THINKING|>{}<|END_THINKING|>{\"b\":2}", vec!["{\"b\":2}"]),
            ("<details type=\"reasoning\" done=\"true\">{}</details>{\"b\":2}", vec!["{\"b\":2}"]),
            (
                "<|channel|>analysis<|message|>{}<|end|><|channel|>final<|message|>{\"b\":2}",
                vec!["{\"b\":2}"],
            ),
        ] {
            assert_eq!(objects(text), (found.into_iter().map(str::to_owned).collect(), true), "{text}");
        }
    }

    #[test]
    fn marks_within_strings_are_text() {
        for text in ["{\"a\":\"<think>x</think>\"}", "{\"a\":\"</think>\"}", "{\"a\":\"[think]```\"}"] {
            assert_eq!(objects(&format!("so: {text}")), (vec![text.to_owned()], false));
        }
    }

    #[test]
    fn an_object_behind_many_braces_is_found() {
        let text = "Set {a} ".repeat(5_000) + "{\"b\":2}";
        assert_eq!(objects(&text).0, ["{\"b\":2}"]);
    }

    #[test]
    fn hostile_texts_cost_little() {
        for piece in ["<think></think>", "<think>", "{\"a\":[", "{\"a\":{", "{\n", "```{", "</think>"] {
            let _ = scan(&piece.repeat(1_000_000 / piece.len()));
        }
    }
}
