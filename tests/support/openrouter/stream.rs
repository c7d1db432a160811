//! Writes an answer as server-sent events, with the noise that is wanted.

use serde_json::{Value, json};

use super::noise::{Noise, Noises, quoted};

/// Pieces that do not end where words do, in bytes.
const PIECE_BYTES: usize = 97;

/// Which member of a delta carries a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    Content,
    Reasoning,
    ToolCall,
}

/// A stream that grows.
#[derive(Debug)]
pub(super) struct Stream<'a> {
    noises: Noises<'a>,
    /// The members that every chunk has.
    envelope: String,
    out: String,
    events: usize,
    /// The content so far.
    so_far: String,
}

impl<'a> Stream<'a> {
    pub(super) fn new(noise: &'a [Noise], model: &str, provider: &str) -> Self {
        let noises = Noises(noise);
        let envelope = format!(
            "\"id\":\"gen-fake\",\"object\":\"chat.completion.chunk\",\"created\":1767225600,\"model\":{},\"provider\":{}",
            quoted(model),
            quoted(provider)
        );
        let out = format!("{}: OPENROUTER PROCESSING\n\n", noises.beginning());
        Self { noises, envelope, out, events: 0, so_far: String::new() }
    }

    /// The bytes since the last time.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.noises.bytes(std::mem::take(&mut self.out))
    }

    /// The chunks that may stand before the answer.
    pub(super) fn prelude(&mut self) {
        if self.noises.has(Noise::RoleOnly) {
            self.delta("\"role\":\"assistant\"", "null");
        }
        if self.noises.has(Noise::Reasoning) {
            for thought in ["I look at the pages. ", "A draft could be {\"a\": 1}."] {
                let thought = quoted(thought);
                let members = format!(
                    "\"role\":\"assistant\",\"content\":\"\",\"reasoning\":{thought},\"reasoning_details\":[{{\"type\":\
                     \"reasoning.text\",\"text\":{thought},\"format\":null,\"index\":0}}]"
                );
                self.delta(&members, "null");
            }
        }
    }

    /// A text in pieces.
    pub(super) fn text(&mut self, text: &str, carrier: Carrier) {
        for (position, piece) in pieces(text).enumerate() {
            match carrier {
                Carrier::Content => self.piece(piece),
                Carrier::Reasoning => {
                    self.delta(
                        &format!("\"role\":\"assistant\",\"content\":\"\",\"reasoning\":{}", quoted(piece)),
                        "null",
                    );
                }
                Carrier::ToolCall => {
                    let name = if position == 0 { "\"id\":\"call_1\",\"type\":\"function\"," } else { "" };
                    let call = if position == 0 { "\"name\":\"answer\"," } else { "" };
                    self.delta(
                        &format!(
                            "\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{{\"index\":0,{name}\"function\":\
                             {{{call}\"arguments\":{}}}}}]",
                            quoted(piece)
                        ),
                        "null",
                    );
                }
            }
            if position % 8 == 0 {
                self.out += ": OPENROUTER PROCESSING\n\n";
            }
            if position == 1 && self.noises.has(Noise::SecondChoice) {
                let other = "[{\"index\":1,\"delta\":{\"role\":\"assistant\",\"content\":\"{\\\"other\\\": true}\"},\"finish_reason\":\"stop\"}]";
                self.chunk(other, "");
            }
        }
    }

    fn piece(&mut self, piece: &str) {
        if self.noises.has(Noise::MessageBesideDelta) {
            self.so_far += piece;
        }
        let content = self.noises.content(piece);
        self.delta(&format!("\"role\":\"assistant\",{content}"), "null");
    }

    /// One chunk with a whole message as its delta.
    pub(super) fn message(&mut self, message: &Value) {
        let choice = json!([{"index": 0, "delta": message, "finish_reason": null}]);
        self.chunk(&choice.to_string(), "");
    }

    pub(super) fn finish(&mut self, reason: &Value, native: &Value) {
        self.delta("\"content\":\"\"", &format!("{reason},\"native_finish_reason\":{native}"));
    }

    /// The chunk of the usage, which has no choices.
    pub(super) fn usage(&mut self, usage: &Value) {
        if !usage.is_null() {
            self.chunk("[]", &format!(",\"usage\":{usage}"));
        }
    }

    /// The chunk that says that the answer fails here.
    pub(super) fn error(&mut self, error: &Value, usage: &Value) {
        let choice = "[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}]";
        self.chunk(choice, &format!(",\"error\":{error},\"usage\":{usage}"));
    }

    pub(super) fn done(&mut self) {
        self.noises.event(&mut self.out, "[DONE]", self.events);
        if self.noises.has(Noise::Comments) {
            self.out += ": after the end\n\n";
        }
    }

    fn delta(&mut self, members: &str, reason: &str) {
        let beside = if self.noises.has(Noise::MessageBesideDelta) {
            format!(",\"message\":{{\"role\":\"assistant\",\"content\":{}}}", quoted(&self.so_far))
        } else {
            String::new()
        };
        let choice = format!("[{{\"index\":0,\"delta\":{{{members}}}{beside},\"finish_reason\":{reason}}}]");
        self.chunk(&choice, "");
    }

    fn chunk(&mut self, choices: &str, members: &str) {
        let json = self.noises.object(&self.envelope, choices, members, self.events);
        self.noises.event(&mut self.out, &json, self.events);
        self.events += 1;
    }
}

fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(PIECE_BYTES));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}
