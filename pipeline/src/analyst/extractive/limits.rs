//! The limits of an analysis. A document within them is analysed whole. Beyond them, the record has a warning.

/// The most text that is analysed, in bytes: about a thousand dense pages. Text beyond it costs time and adds
/// nothing to five inspirations.
pub(crate) const TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The longest sentence, in bytes. It exceeds the longest quote by far. A longer stretch without a full stop is no
/// prose.
pub(crate) const SENTENCE_BYTES_MAX: usize = 4_000;
/// The most sentences. 4 MiB of prose hold about 40,000.
pub(crate) const SENTENCES_MAX: usize = 60_000;
/// The most topics. The longest real report seen had 300 headings.
pub(crate) const TOPICS_MAX: usize = 2_000;
/// The most different phrases that compete for the terms of a stretch of text.
pub(crate) const PHRASES_MAX: usize = 100_000;
/// The most text that is searched for sentences that do not stand where they are expected, in bytes.
pub(crate) const SEARCHED_BYTES_MAX: usize = 128 * 1024 * 1024;
