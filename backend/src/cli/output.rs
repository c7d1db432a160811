//! Prints results to stdout, and errors and progress to stderr.

use std::{
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
};

/// Prints the error to stderr.
pub(super) fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    say(&format!("innovation: {error}"));
    ExitCode::FAILURE
}

/// Prints a line for people.
pub(super) fn say(line: &str) {
    use std::io::Write as _;
    // A closed stderr must not end the command.
    let _ = writeln!(std::io::stderr().lock(), "{}", for_terminal(line));
}

/// Removes control characters that a terminal would execute. Names of files and documents come from
/// strangers.
fn for_terminal(text: &str) -> String {
    let is_obeyed = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if is_obeyed(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Set if a result could not be printed. The command has then failed, whatever it did.
static IS_OUTPUT_LOST: AtomicBool = AtomicBool::new(false);

/// Whether a result could not be printed.
pub(super) fn is_output_lost() -> bool {
    IS_OUTPUT_LOST.load(Ordering::Relaxed)
}

/// Prints a result. A closed pipe (`| head`) is not an error.
pub(super) fn put(text: &str) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            IS_OUTPUT_LOST.store(true, Ordering::Relaxed);
            say(&format!("innovation: the result could not be printed: {error}"));
        }
        _ => {}
    }
}

/// Prints a result as one line of JSON.
pub(super) fn put_json(value: &serde_json::Value) {
    put(&format!("{value}\n"));
}
