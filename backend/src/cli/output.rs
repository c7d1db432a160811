//! Prints results to stdout, and errors and progress to stderr. Names and texts come from strangers, so people get only what is
//! visible of them.

use std::{
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
};

use pipeline::visible_text::visible;

/// Prints the error to stderr.
pub(super) fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    say(&format!("innovation: {error}"));
    ExitCode::FAILURE
}

/// Prints a line for people.
pub(super) fn say(line: &str) {
    use std::io::Write as _;
    // A closed stderr must not end the command.
    let _ = writeln!(std::io::stderr().lock(), "{}", visible(line));
}

/// Set if a result could not be printed. The command has then failed, whatever it did.
static IS_OUTPUT_LOST: AtomicBool = AtomicBool::new(false);

/// Whether a result could not be printed.
pub(super) fn is_output_lost() -> bool {
    IS_OUTPUT_LOST.load(Ordering::Relaxed)
}

/// Prints a result for people. A closed pipe (`| head`) is not an error.
pub(super) fn put(text: &str) {
    put_raw(&visible(text));
}

fn put_raw(text: &str) {
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

/// Prints a result as one line of JSON. A program reads it, so it has every character.
pub(super) fn put_json(value: &serde_json::Value) {
    put_raw(&format!("{value}\n"));
}
