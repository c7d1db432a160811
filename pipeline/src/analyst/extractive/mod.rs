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
mod limits;
mod refusal;
mod stages;
mod stop;
#[cfg(test)]
mod tests;
mod text;

use std::sync::LazyLock;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

pub(crate) use self::text::words::content_stems;
use self::{
    analysis::cache,
    stages::{inspirations, lessons, opportunities, trends},
    stop::{Stop, Stopped},
    text::word_lists,
};
use super::{Analyst, AnalystError, Answer, Provenance, StageInput};
use crate::{
    brand::BrandProfile,
    document::CompressedDocument,
    llm::Usage,
    record::sha256_hex,
    run::Stage,
    stages::{Outputs, StageOutput},
};

/// Raise this with every change of the rules in code. The version also hashes the word lists.
const RULES_REVISION: &str = "4";

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

/// The material of one stage, for a thread of its own.
struct Work {
    stage: Stage,
    document: CompressedDocument,
    brand: BrandProfile,
    earlier: Outputs,
}

impl Work {
    fn answer(&self, stop: &Stop) -> Result<Answer, AnalystError> {
        let analysis = cache::analysis_of(&self.document.decompress()?, stop)?;
        let output = match self.stage {
            Stage::InputProcessing => StageOutput::InputProcessing(inspirations::answer(&analysis)?),
            Stage::SignalAmplification => {
                StageOutput::SignalAmplification(trends::answer(&analysis, &self.earlier))
            }
            Stage::GeneralTranslation => {
                StageOutput::GeneralTranslation(lessons::answer(&analysis, &self.earlier))
            }
            Stage::BrandContextualization => StageOutput::BrandContextualization(opportunities::answer(
                &analysis,
                &self.earlier,
                &self.brand,
            )),
        };
        let warnings =
            if self.stage == Stage::InputProcessing { analysis.warnings.clone() } else { Vec::new() };
        if self.stage == Stage::BrandContextualization {
            cache::forget_large();
        }
        Ok(Answer {
            output,
            provenance: Provenance {
                provider: "extractive".to_owned(),
                model: format!("extractive-{RULES_REVISION}"),
                prompt_version: ExtractiveAnalyst::version().to_owned(),
                usage: Usage::default(),
                attempts: 1,
                structured_output: None,
                reuse: None,
            },
            warnings,
            is_first_choice: false,
        })
    }
}

#[async_trait]
impl Analyst for ExtractiveAnalyst {
    /// Computes on a thread for blocking work. If the caller drops the future or cancels, the thread ends within
    /// milliseconds.
    async fn answer(
        &self,
        stage: Stage,
        input: &StageInput<'_>,
        cancel: &CancellationToken,
    ) -> Result<Answer, AnalystError> {
        let token = cancel.child_token();
        let stop = Stop::new(token.clone());
        stop.check()?;
        let _stops_when_dropped = token.drop_guard();
        let work = Work {
            stage,
            document: input.document.clone(),
            brand: input.brand.clone(),
            earlier: input.earlier.outputs()?,
        };
        // A thread that the runtime did not start any more is a stop, too.
        tokio::task::spawn_blocking(move || work.answer(&stop)).await.map_err(|error| {
            if error.is_panic() {
                AnalystError::Internal("the built-in analyst panicked".to_owned())
            } else {
                Stopped.into()
            }
        })?
    }
}
