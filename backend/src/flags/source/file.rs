//! `FLAGS_FILE`: read again and again, and replaced by its last good copy where it cannot be used.

use super::FlagSource;
use crate::flags::{
    layers::{Layers, Source, Values},
    parse,
    watched_file::{Basis, FileState, WatchedFile},
};

impl FlagSource {
    /// Whether there is a file to read.
    #[must_use]
    pub fn has_file(&self) -> bool {
        self.0.file.is_some()
    }

    /// Reads the file, if there is one. Blocks, for a limited time.
    pub fn look(&self) {
        let Some(file) = &self.0.file else { return };
        match file.read().and_then(|text| Ok((self.parse(&text)?, text))) {
            Ok((values, text)) => {
                let _ = self.update(Source::File, None, |layers| layers.file = values);
                *file.state.lock() = FileState { alarm: None, basis: Some(Basis::LastGood) };
                if let Some(snapshot) = &file.snapshot {
                    snapshot.keep(text);
                }
            }
            Err(reason) => {
                let known = file.state.lock().basis.filter(|basis| *basis != Basis::Unanswered);
                file.reject(&reason, known.unwrap_or_else(|| self.fall_back(file)));
            }
        }
    }

    /// Takes the flags of the file's copy, if there is one.
    fn fall_back(&self, file: &WatchedFile) -> Basis {
        let Some(snapshot) = &file.snapshot else { return Basis::Environment };
        let Ok(text) = snapshot.load() else { return Basis::Unanswered };
        match text.and_then(|text| self.parse(&text).ok()) {
            Some(values) => {
                let _ = self.update(Source::File, None, |layers| layers.file = values);
                Basis::Snapshot
            }
            None => Basis::Environment,
        }
    }

    /// Parses the file's lines. A flag that the file lacks comes from the sources below it.
    fn parse(&self, text: &str) -> Result<Values, String> {
        let file = parse::of_file(text)?;
        let layers = Layers { file: file.clone(), ..self.layers() };
        if layers.switch_off_storage() {
            return Err("it would switch off all storage".to_owned());
        }
        Ok(file)
    }
}
