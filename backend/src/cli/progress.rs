//! Progress for people: a spinner with the elapsed time on a terminal, plain lines elsewhere.

use std::{io::IsTerminal as _, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use pipeline::{clock::Clock as _, visible_text::visible};

use super::output::say;
use foundation::clock::SystemClock;

/// The interval of the spinner.
const TICK: Duration = Duration::from_millis(100);

/// The current step and its duration.
#[derive(Debug)]
pub struct Progress {
    mode: Mode,
    clock: SystemClock,
    current: Mutex<Option<Step>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Silent,
    Plain,
    Terminal,
}

#[derive(Debug)]
struct Step {
    name: String,
    /// By the monotonic clock.
    began: Duration,
    spinner: Option<ProgressBar>,
}

impl Progress {
    /// Shows progress on stderr, unless `silent`.
    #[must_use]
    pub fn new(silent: bool) -> Self {
        let mode = match (silent, std::io::stderr().is_terminal()) {
            (true, _) => Mode::Silent,
            (false, true) => Mode::Terminal,
            (false, false) => Mode::Plain,
        };
        Self { mode, clock: SystemClock::default(), current: Mutex::new(None) }
    }

    /// Prints a separate line.
    pub fn line(&self, text: &str) {
        if self.mode != Mode::Silent {
            say(text);
        }
    }

    /// Prints a line about the current step, which goes on.
    pub fn note(&self, text: &str) {
        match self.current.lock().as_ref().and_then(|step| step.spinner.as_ref()) {
            Some(spinner) => spinner.suspend(|| self.line(text)),
            None => self.line(text),
        }
    }

    /// Starts a step.
    pub fn begin(&self, name: &str) {
        let spinner = (self.mode == Mode::Terminal).then(|| {
            let bar = ProgressBar::new_spinner();
            // The template is a constant. If it were wrong, the default style would apply.
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg:<32} {elapsed}") {
                bar.set_style(style);
            }
            bar.set_message(visible(name).into_owned());
            bar.enable_steady_tick(TICK);
            bar
        });
        let step = Step { name: name.to_owned(), began: self.clock.monotonic(), spinner };
        *self.current.lock() = Some(step);
    }

    /// Ends the step with its result.
    pub fn done(&self, result: &str) {
        self.end('✓', result);
    }

    /// Ends the step as failed.
    pub fn failed(&self, reason: &str) {
        self.end('✗', reason);
    }

    fn end(&self, mark: char, text: &str) {
        let step = self.current.lock().take();
        let Some(step) = step else { return };
        if let Some(spinner) = &step.spinner {
            spinner.finish_and_clear();
        }
        let seconds = self.clock.monotonic().saturating_sub(step.began).as_secs_f64();
        self.line(&format!("{mark} {:<32} {seconds:>6.1} s  {text}", step.name));
    }
}
