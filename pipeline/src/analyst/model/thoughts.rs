//! Leaves a model's thoughts out of its content: what stands in a block of thoughts is a draft, never the answer.

/// How the chat templates of public model families open and close such a block: DeepSeek, Qwen and most others; Anthropic's
/// prompts; Mistral; QwQ; Seed; Kimi; gpt-oss. Lower case.
const BLOCKS: [(&str, &str); 11] = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<thoughts>", "</thoughts>"),
    ("<reasoning>", "</reasoning>"),
    ("<scratchpad>", "</scratchpad>"),
    ("[think]", "[/think]"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<seed:think>", "</seed:think>"),
    ("◁think▷", "◁/think▷"),
    ("<|channel|>analysis<|message|>", "<|end|>"),
];

/// The text without its blocks of thoughts; none where it holds none. A block that is never closed reaches to the end. One
/// that is closed but was never opened reaches from the beginning: some chat templates open it in the prompt.
pub(super) fn without_thoughts(text: &str) -> Option<String> {
    // The same length in bytes, so that positions hold for both.
    let lower = text.to_ascii_lowercase();
    let mut kept = String::new();
    let (mut at, mut found) = (0, false);
    while let Some((start, open, close)) = next_block(&lower, at) {
        found = true;
        kept.push_str(text.get(at..start).unwrap_or_default());
        at = end_of_block(&lower, start + open.len(), open, close).unwrap_or(text.len());
    }
    kept.push_str(text.get(at..).unwrap_or_default());
    let lower = kept.to_ascii_lowercase();
    let closed = BLOCKS.iter().filter_map(|(_, close)| Some(lower.rfind(close)? + close.len())).max();
    if let Some(end) = closed {
        found = true;
        kept.drain(..end);
    }
    found.then_some(kept)
}

fn next_block(lower: &str, at: usize) -> Option<(usize, &'static str, &'static str)> {
    let rest = lower.get(at..)?;
    let starts = BLOCKS.iter().filter_map(|(open, close)| Some((at + rest.find(open)?, *open, *close)));
    starts.min_by_key(|(start, ..)| *start)
}

/// Behind the mark that closes the block, past blocks of the same kind within it.
fn end_of_block(lower: &str, mut at: usize, open: &str, close: &str) -> Option<usize> {
    let mut depth = 1_usize;
    loop {
        let rest = lower.get(at..)?;
        let end = rest.find(close)?;
        match rest.find(open).filter(|start| *start < end) {
            Some(start) => {
                depth += 1;
                at += start + open.len();
            }
            None => {
                depth -= 1;
                at += end + close.len();
            }
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_left_out_however_they_are_written() {
        for (text, rest) in [
            ("<think>draft</think>answer", "answer"),
            ("<Think>a<think>b</think>c</THINK>answer", "answer"),
            ("one <thinking>x</thinking> two <reasoning>y</reasoning>", "one  two "),
            ("draft without its opening</think>answer", "answer"),
            ("answer? <think>never closed", "answer? "),
            ("[THINK]é[/THINK]answer", "answer"),
            ("<|channel|>analysis<|message|>draft<|end|><|start|>", "<|start|>"),
        ] {
            assert_eq!(without_thoughts(text).as_deref(), Some(rest), "{text}");
        }
        assert_eq!(without_thoughts("no block {}"), None);
    }
}
