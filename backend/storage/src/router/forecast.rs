//! The answer to a question before a change of the mode: will a replica accept runs in it?

use crate::{mode::Mode, router::presence::FileAcceptance};

/// Whether a replica will accept runs in a mode, and the reason, as a sentence. `by_file` says whether files alone may accept.
#[must_use]
pub fn forecast(mode: Mode, database_is_reachable: bool, by_file: FileAcceptance) -> (bool, &'static str) {
    match mode {
        Mode::DatabaseOnly | Mode::DualWrite if database_is_reachable => (true, "the database accepts runs"),
        Mode::DatabaseOnly => (false, "the database is away"),
        Mode::DualWrite | Mode::FileOnly => (by_file.is_allowed(), by_file.sentence()),
        Mode::Invalid => (false, "storage is switched off"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forecast_follows_mode_and_database() {
        let accepts = |mode, is_reachable, by_file| forecast(mode, is_reachable, by_file).0;
        assert!(accepts(Mode::DatabaseOnly, true, FileAcceptance::OtherReplicas));
        assert!(!accepts(Mode::DatabaseOnly, false, FileAcceptance::SharedStore));
        assert!(accepts(Mode::DualWrite, true, FileAcceptance::OtherReplicas));
        assert!(!accepts(Mode::FileOnly, true, FileAcceptance::OtherReplicas));
        assert!(accepts(Mode::FileOnly, false, FileAcceptance::SharedStore));
    }
}
