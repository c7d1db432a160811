//! The content of a flags file, as a bounded text.

use std::io;

use super::limited::TIMEOUT;

/// The largest file that is read. It holds two lines and comments.
pub(super) const BYTES_MAX: usize = 64 * 1024;

/// The text, or why there is none, for people.
pub(super) fn text_of(read: io::Result<Vec<u8>>) -> Result<String, String> {
    let bytes = read.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::TimedOut => format!("it does not answer within {TIMEOUT:?}"),
        io::ErrorKind::FileTooLarge => format!("it is larger than {BYTES_MAX} bytes"),
        _ => error.to_string(),
    })?;
    String::from_utf8(bytes).map_err(|_| "it is not text".to_owned())
}
