//! The report about OCR, for operators.

use schemars::JsonSchema;
use serde::Serialize;

use super::engine::Engine;
use crate::{config::OcrSetting, documents::wire::Confinement};

/// Whether scanned pages are read, by which program, and what confines it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OcrReport {
    /// `off` or `auto`.
    pub setting: &'static str,
    /// Whether scanned pages are read. None until the program has been looked for.
    pub available: Option<bool>,
    /// The program with its version and languages. None without one.
    pub engine: Option<String>,
    /// Why scanned pages are not read, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The version of Landlock's rules for the program. None until it has run.
    pub landlock_abi: Option<u32>,
    /// Whether a filter refuses all system calls that OCR does not need. None until the program has run.
    pub seccomp: Option<bool>,
}

impl OcrReport {
    pub(super) fn of(
        setting: OcrSetting,
        engine: Option<&Result<Engine, String>>,
        confinement: Option<Confinement>,
    ) -> Self {
        let engine = engine.filter(|_| setting == OcrSetting::Auto);
        Self {
            setting: setting.as_str(),
            available: if setting == OcrSetting::Off { Some(false) } else { engine.map(Result::is_ok) },
            engine: engine.and_then(|engine| engine.as_ref().ok()).map(|engine| engine.name.clone()),
            reason: engine.and_then(|engine| engine.as_ref().err()).cloned(),
            landlock_abi: confinement.map(|rules| rules.landlock_abi),
            seccomp: confinement.map(|rules| rules.seccomp),
        }
    }
}

pub(super) fn log(found: Result<&Engine, &String>, confinement: Option<Confinement>) {
    let rules = confinement.unwrap_or_default();
    match found {
        Ok(engine) => tracing::info!(
            event = "ocr_available",
            engine = engine.name,
            landlock_abi = rules.landlock_abi,
            seccomp = rules.seccomp,
            "scanned pages are read by OCR, without network and other files"
        ),
        Err(reason) => tracing::warn!(event = "ocr_unavailable", reason, "scanned pages are not read"),
    }
}
