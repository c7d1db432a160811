//! The built-in analyst: deterministic and offline. Every line of evidence is a true quote.
//!
//! It works like an indexer, not like a strategist. It finds headings, sentences, names, figures and signal
//! words, and quotes the sentences that say most. Its own words are templates for a brand's use of a
//! mechanism. They claim nothing about the world.
//!
//! Three layers, each of which uses only those above it:
//!
//! 1. `text`: words, sentences and blocks, with the word lists in `text/lexicon/*.txt`.
//! 2. `analysis`: the document's sentences and topics, weighed.
//! 3. `stages`: the answers of the four stages, written from the analysis.
//!
//! No hash map is iterated and no float is compared without a tie-break, so equal input gives equal bytes.

mod analysis;
mod stages;
#[cfg(test)]
mod tests;
mod text;

use std::sync::LazyLock;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use self::{
    analysis::cache,
    stages::{inspirations, lessons, opportunities, trends},
    text::word_lists,
};
use super::{Analyst, AnalystError, Answer, Provenance, StageInput};
use crate::{
    llm::{LlmError, LlmErrorCode, Usage},
    record::sha256_hex,
    run::Stage,
    stages::StageOutput,
};

/// Raise this with every change of the rules in code. The version also hashes the word lists.
const RULES_REVISION: &str = "3";

/// The analyst that needs neither key nor network.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExtractiveAnalyst;

impl ExtractiveAnalyst {
    #[must_use]
    pub const fn new() -> Self {
        Self
    }

    /// The version of its answers: a hash of the word lists and of the rules' revision.
    #[must_use]
    pub fn version() -> &'static str {
        static VERSION: LazyLock<String> = LazyLock::new(|| {
            let mut all = format!("rules {RULES_REVISION}\n");
            for source in word_lists::SOURCES {
                all.push_str(source);
                all.push('\0');
            }
            sha256_hex(all.as_bytes())
        });
        &VERSION
    }
}

#[async_trait]
impl Analyst for ExtractiveAnalyst {
    async fn answer(
        &self,
        stage: Stage,
        input: &StageInput<'_>,
        cancel: &CancellationToken,
    ) -> Result<Answer, AnalystError> {
        if cancel.is_cancelled() {
            return Err(AnalystError::Llm(LlmError {
                code: LlmErrorCode::Cancelled,
                message: "the run was cancelled".to_owned(),
                disposition: crate::llm::Disposition::Fail,
                usage: Usage::default(),
                attempts: 0,
            }));
        }
        let analysis = cache::analysis_of(&input.document.decompress()?);
        let earlier = input.earlier.outputs()?;
        let output = match stage {
            Stage::InputProcessing => StageOutput::InputProcessing(inspirations::answer(&analysis)?),
            Stage::SignalAmplification => {
                StageOutput::SignalAmplification(trends::answer(&analysis, &earlier))
            }
            Stage::GeneralTranslation => {
                StageOutput::GeneralTranslation(lessons::answer(&analysis, &earlier))
            }
            Stage::BrandContextualization => {
                StageOutput::BrandContextualization(opportunities::answer(&analysis, &earlier, input.brand))
            }
        };
        let warnings = if stage == Stage::InputProcessing { analysis.warnings.clone() } else { Vec::new() };
        Ok(Answer {
            output,
            provenance: Provenance {
                provider: "extractive".to_owned(),
                model: format!("extractive-{RULES_REVISION}"),
                prompt_version: Self::version().to_owned(),
                usage: Usage::default(),
                attempts: 1,
                structured_output: None,
            },
            warnings,
        })
    }
}
