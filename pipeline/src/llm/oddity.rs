//! Oddities: deviations from the wire format that the readers tolerate, count and report.

/// One kind of deviation in a model's reply. The answer was still taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Oddity {
    /// A comment line in the stream, such as `: OPENROUTER PROCESSING`.
    Comment,
    /// An event of a stream without data.
    EmptyEvent,
    /// An event whose data is a word, such as `ping`, and no JSON.
    Heartbeat,
    /// An event or a body part that is JSON of an unknown kind.
    UnknownEvent,
    /// An `error` member without an error.
    EmptyError,
    /// A real error that came after a complete answer.
    ErrorAfterAnswer,
    /// A JSON object that holds a key twice.
    DuplicateKeys,
    /// Content as a list of parts, or as an object, instead of a text.
    ContentParts,
    /// The whole message beside the deltas of a stream.
    MessageBesideDelta,
    /// Several JSON values in one event or body.
    SeveralValues,
    /// An answer in the arguments of a tool call.
    ToolCall,
    /// An answer in the reasoning instead of the content.
    AnswerInReasoning,
    /// A block of thoughts within the content.
    ThinkBlock,
    /// A code fence around the answer.
    CodeFence,
    /// Text before or after the answer.
    SurroundingText,
    /// An object, a list or a string around the answer.
    WrappedObject,
    /// A byte order mark.
    ByteOrderMark,
    /// Half of a surrogate pair, escaped on its own.
    LoneSurrogate,
    /// Bytes that are no UTF-8.
    BrokenEncoding,
    /// A line break or another control character, unescaped in a JSON string.
    ControlCharacter,
    /// A finish reason in another provider's spelling, or an unknown one.
    FinishReason,
    /// A stream that ended without its finish reason or its end mark.
    MissingEnd,
}

impl Oddity {
    /// All kinds.
    pub const ALL: [Self; 22] = [
        Self::Comment,
        Self::EmptyEvent,
        Self::Heartbeat,
        Self::UnknownEvent,
        Self::EmptyError,
        Self::ErrorAfterAnswer,
        Self::DuplicateKeys,
        Self::ContentParts,
        Self::MessageBesideDelta,
        Self::SeveralValues,
        Self::ToolCall,
        Self::AnswerInReasoning,
        Self::ThinkBlock,
        Self::CodeFence,
        Self::SurroundingText,
        Self::WrappedObject,
        Self::ByteOrderMark,
        Self::LoneSurrogate,
        Self::BrokenEncoding,
        Self::ControlCharacter,
        Self::FinishReason,
        Self::MissingEnd,
    ];

    /// The name in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Comment => "comment",
            Self::EmptyEvent => "empty_event",
            Self::Heartbeat => "heartbeat",
            Self::UnknownEvent => "unknown_event",
            Self::EmptyError => "empty_error",
            Self::ErrorAfterAnswer => "error_after_answer",
            Self::DuplicateKeys => "duplicate_keys",
            Self::ContentParts => "content_parts",
            Self::MessageBesideDelta => "message_beside_delta",
            Self::SeveralValues => "several_values",
            Self::ToolCall => "tool_call",
            Self::AnswerInReasoning => "answer_in_reasoning",
            Self::ThinkBlock => "think_block",
            Self::CodeFence => "code_fence",
            Self::SurroundingText => "surrounding_text",
            Self::WrappedObject => "wrapped_object",
            Self::ByteOrderMark => "byte_order_mark",
            Self::LoneSurrogate => "lone_surrogate",
            Self::BrokenEncoding => "broken_encoding",
            Self::ControlCharacter => "control_character",
            Self::FinishReason => "finish_reason",
            Self::MissingEnd => "missing_end",
        }
    }

    const fn bit(self) -> u32 {
        1 << (self as u8)
    }
}

/// A set of oddities.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Oddities(u32);

impl Oddities {
    pub fn insert(&mut self, oddity: Oddity) {
        self.0 |= oddity.bit();
    }

    #[must_use]
    pub const fn contains(self, oddity: Oddity) -> bool {
        self.0 & oddity.bit() != 0
    }

    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The oddities of this set that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub fn iter(self) -> impl Iterator<Item = Oddity> {
        Oddity::ALL.into_iter().filter(move |oddity| self.contains(*oddity))
    }
}

impl From<Oddity> for Oddities {
    fn from(oddity: Oddity) -> Self {
        Self(oddity.bit())
    }
}

impl std::ops::BitOrAssign for Oddities {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_each_kind_once() {
        let mut set = Oddities::default();
        assert!(set.is_empty());
        for oddity in Oddity::ALL {
            assert!(!set.contains(oddity), "{oddity:?}");
            set.insert(oddity);
        }
        assert!(set.iter().eq(Oddity::ALL));
        assert!(set.without(set).is_empty());
    }
}
