//! The provider's prompt cache: what is read again costs a tenth.
//!
//! Source: Anthropic's guide "Prompt caching" (<https://docs.claude.com/en/docs/build-with-claude/prompt-caching>): a mark
//! caches everything before it, in the order tools, system, messages; the prefix must be equal in every byte; shorter ones than
//! 1,024 tokens (Claude Sonnet 4.5) are not cached; an entry lives for 5 minutes after its last use. Its guide "Structured
//! outputs" adds that another output format is another prompt. The same was measured on Bedrock
//! (<https://exploration.grjus.eu/posts/prompt-caching-structured-output-bedrock/>).

use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{lock, usage::tokens};

const TOKENS_MIN: usize = 1_024;
const LIVES: Duration = Duration::from_secs(300);

/// The cached prefixes, with their last use.
#[derive(Debug, Default)]
pub(super) struct Prefixes(Mutex<HashMap<String, Instant>>);

/// The tokens of the longest cached prefix of a request. Its marked prefixes are cached from now on.
pub(super) fn cached_tokens(prefixes: &Prefixes, body: &Value) -> usize {
    let format = body["response_format"].to_string();
    let mut prefix = format!("{}\n{format}\n", body["model"]);
    let head = prefix.len();
    let mut cached = lock(&prefixes.0);
    let now = Instant::now();
    cached.retain(|_, used| now.duration_since(*used) < LIVES);
    let mut read = 0;
    for message in body["messages"].as_array().into_iter().flatten() {
        prefix.push_str(&format!("<{}>", message["role"]));
        if let Some(text) = message["content"].as_str() {
            prefix.push_str(text);
        }
        for part in message["content"].as_array().into_iter().flatten() {
            prefix.push_str(part["text"].as_str().unwrap_or_default());
            let length = tokens(prefix.len() - head);
            if part.get("cache_control").is_some()
                && length >= TOKENS_MIN
                && cached.insert(prefix.clone(), now).is_some()
            {
                read = length;
            }
        }
    }
    read
}
