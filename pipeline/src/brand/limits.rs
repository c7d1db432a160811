//! The limits of a brand's profile.

/// The largest profile file that is read, in bytes.
pub const FILE_BYTES_MAX: usize = 256 * 1024;
/// The longest text in a profile, in characters.
pub const TEXT_CHARS_MAX: usize = 2_000;
/// The most entries of a list in a profile.
pub const LIST_ENTRIES_MAX: usize = 100;
/// The most research notes of a brand, in bytes: they go into the prompt as a whole.
pub const NOTES_BYTES_MAX: usize = 64 * 1024;
