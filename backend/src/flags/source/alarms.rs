//! The problems of the sources of flags, for people.

use super::FlagSource;

impl FlagSource {
    /// The problem of the sources, while there is one, and the flags that apply.
    #[must_use]
    pub fn alarm(&self) -> Option<String> {
        let of_file = self.0.file.as_ref().and_then(|file| file.state.lock().alarm.clone());
        of_file.or_else(|| self.database_alarm())
    }

    /// As [`FlagSource::alarm`], without names of this machine.
    #[must_use]
    pub fn public_alarm(&self) -> Option<String> {
        let of_file = self.0.file.as_ref().and_then(|file| {
            let state = file.state.lock();
            let basis = state.alarm.as_ref().and(state.basis)?;
            Some(format!("FLAGS_FILE cannot be used; {}; see the log", basis.as_str()))
        });
        of_file.or_else(|| self.database_alarm())
    }

    fn database_alarm(&self) -> Option<String> {
        let standing = self.0.standing.lock();
        if let Some(order) = &standing.conflict {
            return Some(format!(
                "the flags of the database were changed after the order {order} was given without it; the order holds here \
                 until a person decides: innovation flags settle {order} --keep order|database --reason …"
            ));
        }
        standing.is_refused.then(|| {
            "the flags of the database would switch off all storage of this replica; its last good storage flags stay"
                .to_owned()
        })
    }
}
