//! The settings of OCR: whether pictures of pages are read, in which languages, and how much of them.

use std::{path::PathBuf, str::FromStr, time::Duration};

use super::reader::Reader;

/// The most languages at once. Each one slows the engine down.
const LANGUAGES_MAX: usize = 8;

/// Whether OCR is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OcrSetting {
    #[default]
    Off,
    /// With the program `tesseract`, where it is installed.
    Auto,
}

impl OcrSetting {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Auto => "auto",
        }
    }
}

impl FromStr for OcrSetting {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Off, Self::Auto].into_iter().find(|one| one.as_str() == text.to_ascii_lowercase()).ok_or(())
    }
}

/// The settings of OCR.
#[derive(Debug, Clone)]
pub struct OcrConfig {
    pub setting: OcrSetting,
    /// As the program names them: `eng`, `deu`, `chi_sim`.
    pub languages: Vec<String>,
    /// The most pages of a document that are read by OCR.
    pub pages_max: usize,
    /// How long the pages of one document may take, without the wait for their turns.
    pub deadline: Duration,
    /// The program. By default it is looked for in the system's folders.
    pub program: Option<PathBuf>,
}

impl Default for OcrConfig {
    fn default() -> Self {
        Self {
            setting: OcrSetting::Off,
            languages: vec!["eng".to_owned()],
            pages_max: 200,
            deadline: Duration::from_secs(1_200),
            program: None,
        }
    }
}

impl OcrConfig {
    pub(super) fn read(reader: &mut Reader, run_deadline: Duration) -> Self {
        let default = Self::default();
        let setting = reader.value("OCR", default.setting, "must be off or auto", "auto");
        let listed = reader.list("OCR_LANGUAGES");
        let mut languages: Vec<String> = Vec::new();
        // The program itself joins them with a plus sign.
        for language in listed.iter().flat_map(|entry| entry.split('+')).map(str::trim) {
            if !language.is_empty() && !languages.iter().any(|known| known == language) {
                languages.push(language.to_owned());
            }
        }
        let is_name = |name: &String| {
            name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if languages.len() > LANGUAGES_MAX || !languages.iter().all(is_name) {
            let what =
                "must be at most 8 of the languages that `tesseract --list-langs` names, separated by commas";
            reader.problem("OCR_LANGUAGES", what, "eng,deu");
        }
        if languages.is_empty() {
            languages = default.languages;
        }
        let what = "must be a whole number of pages, 1 to 2000";
        let pages_max = reader.number("OCR_PAGES_MAX", default.pages_max, 1..=2_000, what, "200");
        let what = "must be a whole number of seconds, 1 to 86400, and less than RUN_DEADLINE_SECONDS";
        let longest = run_deadline.as_secs().saturating_sub(1).clamp(1, 86_400);
        let usual = default.deadline.as_secs().min(longest);
        let seconds = reader.number("OCR_DEADLINE_SECONDS", usual, 1..=longest, what, "1200");
        let program = reader.text("OCR_PROGRAM").map(PathBuf::from);
        if program.as_ref().is_some_and(|program| !program.is_absolute()) {
            reader.problem("OCR_PROGRAM", "must be an absolute path", "/usr/bin/tesseract");
        }
        Self { setting, languages, pages_max, deadline: Duration::from_secs(seconds), program }
    }
}
