//! The repository's habits: hooks, hosted workflows, the forms of GitHub, and the pages for contributors.

mod deploy;
mod hooks;
mod pages;
mod workflows;

use std::process::Output;

/// Everything that a command printed.
fn printed(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
