//! Long outputs, compared with a file that somebody read and found good.

// Each binary uses its own part of it.
#![allow(dead_code)]

use super::root;

/// Asserts that a text is that of `tests/golden/NAME`. After an intended change, `UPDATE_GOLDEN=1` writes the file anew:
/// read the difference.
#[track_caller]
pub(crate) fn assert_golden(name: &str, text: &str) {
    let golden = root().join("tests/golden").join(name);
    // A test may read the environment: it is no part of the program.
    #[allow(clippy::disallowed_methods)]
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, text).unwrap();
    }
    let expected = std::fs::read_to_string(&golden).unwrap_or_default();
    let difference = expected.lines().zip(text.lines()).enumerate().find(|(_, (old, new))| old != new);
    assert!(text == expected, "{}: first difference: {difference:#?}\n{text}", golden.display());
}
