//! The repository's habits: the git hooks.

mod hooks;

use std::process::Output;

/// Everything that a command printed.
fn printed(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
