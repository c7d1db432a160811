//! Oddities that endpoints and relays put around an answer. None of them changes it, and any of them may stand beside
//! any other.
//!
//! Source: the standard of server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>) for
//! comments, fields, line ends, split data and the byte order mark; OpenRouter's guide on streaming for its comments;
//! Anthropic's for `ping`; OpenAI's Responses API for `response.created`; and public reports for the rest:
//! omnigent-ai/omnigent#1474 (empty data), tinyhumansai/openhuman#4204 (repeated keys), open-webui/open-webui#9927
//! (`message` beside `delta`), chunkhound/chunkhound#415 (`reasoning`).

use std::fmt::Write as _;

/// One kind of oddity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Noise {
    /// Comment lines between events, within them, and after the end.
    Comments,
    /// `event: ping`, as Anthropic sends it.
    Pings,
    /// The same without a name of the event.
    BarePings,
    /// Events whose data is empty.
    EmptyData,
    /// `error: {}` and `error: null` in whole chunks.
    EmptyErrors,
    /// Events of another protocol.
    UnknownEvents,
    /// Members that nobody documented, and members that are null.
    UnknownMembers,
    /// A key that stands more than once in its object; the last one counts.
    DuplicateKeys,
    /// Thoughts before the answer.
    Reasoning,
    ByteOrderMark,
    CarriageReturns,
    /// `content` as a list of parts.
    ContentParts,
    /// The whole message so far, beside each delta.
    MessageBesideDelta,
    /// A chunk that says whose turn it is, and nothing else.
    RoleOnly,
    /// A choice that nobody asked for.
    SecondChoice,
    /// `id:` and `retry:` lines, and no space behind the colon of `data:`.
    Fields,
    /// The data of one event on two lines.
    SplitData,
}

impl Noise {
    pub(crate) const ALL: [Self; 17] = [
        Self::Comments,
        Self::Pings,
        Self::BarePings,
        Self::EmptyData,
        Self::EmptyErrors,
        Self::UnknownEvents,
        Self::UnknownMembers,
        Self::DuplicateKeys,
        Self::Reasoning,
        Self::ByteOrderMark,
        Self::CarriageReturns,
        Self::ContentParts,
        Self::MessageBesideDelta,
        Self::RoleOnly,
        Self::SecondChoice,
        Self::Fields,
        Self::SplitData,
    ];

    /// The event of its own that it puts between others.
    const fn event(self) -> Option<&'static str> {
        match self {
            Self::Comments => Some(":\n: keep-alive\n\n"),
            Self::Pings => Some("event: ping\ndata: {\"type\": \"ping\"}\n\n"),
            Self::BarePings => Some("data: {\"type\": \"ping\"}\n\n"),
            Self::EmptyData => Some("data:\n\ndata: \n\n"),
            Self::UnknownEvents => Some(
                "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\",\
                 \"status\":\"in_progress\",\"error\":null}}\n\n",
            ),
            _ => None,
        }
    }
}

/// The noises of one stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noises<'a>(pub(super) &'a [Noise]);

impl Noises<'_> {
    pub(super) fn has(self, noise: Noise) -> bool {
        self.0.contains(&noise)
    }

    /// One event with this JSON, and the events that stand before it. `number` counts from 0.
    pub(super) fn event(self, out: &mut String, json: &str, number: usize) {
        let between: Vec<&str> = self.0.iter().filter_map(|noise| noise.event()).collect();
        if number < 2 {
            out.extend(between.iter().copied());
        } else if !between.is_empty() {
            *out += between[number % between.len()];
        }
        if self.has(Noise::Comments) {
            *out += ": within an event\n";
        }
        if self.has(Noise::Fields) {
            let _ = writeln!(out, "id: {number}\nretry: 3000");
        }
        let start = if self.has(Noise::Fields) { "data:" } else { "data: " };
        match json.split_once(',').filter(|_| self.has(Noise::SplitData)) {
            Some((head, tail)) => *out += &format!("{start}{head},\n{start}{tail}\n\n"),
            None => *out += &format!("{start}{json}\n\n"),
        }
    }

    /// One object of the answer: the members that every object has, the choices, and the members of this one.
    pub(super) fn object(self, envelope: &str, choices: &str, members: &str, number: usize) -> String {
        let mut json = "{".to_owned();
        if self.has(Noise::DuplicateKeys) {
            json += "\"id\":\"gen-before\",\"usage\":null,\"choices\":[],";
        }
        json += envelope;
        if self.has(Noise::UnknownMembers) {
            json += ",\"system_fingerprint\":null,\"x_groq\":{\"id\":\"req_1\"},\"obfuscation\":\"a9\",\"service_tier\":null";
        }
        if self.has(Noise::EmptyErrors) && !members.contains("\"error\"") {
            json += if number.is_multiple_of(2) { ",\"error\":{}" } else { ",\"error\":null" };
        }
        let _ = write!(json, ",\"choices\":{choices}{members}}}");
        json
    }

    /// `content` with this text, as members of a delta or a message.
    pub(super) fn content(self, text: &str) -> String {
        let text = quoted(text);
        let before = if self.has(Noise::DuplicateKeys) { "\"content\":null," } else { "" };
        if self.has(Noise::ContentParts) {
            format!("{before}\"content\":[{{\"type\":\"text\",\"text\":{text}}}]")
        } else {
            format!("{before}\"content\":{text}")
        }
    }

    /// The bytes as they go out.
    pub(super) fn bytes(self, text: String) -> Vec<u8> {
        let text = if self.has(Noise::CarriageReturns) { text.replace('\n', "\r\n") } else { text };
        text.into_bytes()
    }

    /// The text before anything else.
    pub(super) fn beginning(self) -> &'static str {
        if self.has(Noise::ByteOrderMark) { "\u{FEFF}" } else { "" }
    }
}

/// A text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
