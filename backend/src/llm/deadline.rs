//! Limits the time of a whole stage. The model's client limits each call, and a stage may make several calls.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use pipeline::{
    analyst::{Analyst, AnalystError, Answer, StageInput},
    llm::{Disposition, LlmError, LlmErrorCode, Usage},
    run::Stage,
};
use tokio_util::sync::CancellationToken;

/// How long a cancelled analyst may take to report its costs.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Asks another analyst with a time limit.
#[derive(Debug)]
pub struct WithDeadline {
    analyst: Arc<dyn Analyst>,
    deadline: Duration,
}

impl WithDeadline {
    #[must_use]
    pub fn new(analyst: Arc<dyn Analyst>, deadline: Duration) -> Self {
        Self { analyst, deadline }
    }
}

#[async_trait]
impl Analyst for WithDeadline {
    async fn answer(
        &self,
        stage: Stage,
        input: &StageInput<'_>,
        cancel: &CancellationToken,
    ) -> Result<Answer, AnalystError> {
        let stop = cancel.child_token();
        let answer = self.analyst.answer(stage, input, &stop);
        tokio::pin!(answer);
        if let Ok(answer) = tokio::time::timeout(self.deadline, &mut answer).await {
            return answer;
        }
        stop.cancel();
        let (usage, attempts) = match tokio::time::timeout(LAST_WORDS, answer).await {
            // The answer arrived at the last moment, and it is paid for.
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(AnalystError::Llm(error))) => (error.usage, error.attempts),
            _ => (Usage::default(), 0),
        };
        Err(AnalystError::Llm(LlmError {
            code: LlmErrorCode::LlmTimeout,
            message: format!(
                "{stage} had no answer within {} s (STAGE_DEADLINE_SECONDS); try again",
                self.deadline.as_secs()
            ),
            disposition: Disposition::Retry { after: None },
            usage,
            attempts,
        }))
    }
}

#[cfg(test)]
mod tests {
    use pipeline::{
        brand::{BrandId, BrandProfile},
        document::{CompressedDocument, Document, Format},
        prior_outputs::PriorOutputs,
        run::RunId,
    };

    use super::*;

    /// Never answers. When it is cancelled, it reports its costs.
    #[derive(Debug)]
    struct Hanging;

    #[async_trait]
    impl Analyst for Hanging {
        async fn answer(
            &self,
            _: Stage,
            _: &StageInput<'_>,
            cancel: &CancellationToken,
        ) -> Result<Answer, AnalystError> {
            cancel.cancelled().await;
            Err(AnalystError::Llm(LlmError {
                code: LlmErrorCode::Cancelled,
                message: String::new(),
                disposition: Disposition::Fail,
                usage: Usage { cost_usd: 0.25, ..Usage::default() },
                attempts: 2,
            }))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stage_timeout_reports_its_cost() {
        let analyst = WithDeadline::new(Arc::new(Hanging), Duration::from_secs(600));
        let yaml = include_str!("../../../data/brand-profiles/decathlon.yaml");
        let brand = BrandProfile::from_yaml(BrandId::parse("decathlon").unwrap(), yaml, None).unwrap();
        let document = Document {
            source_name: "a.md".to_owned(),
            format: Format::Markdown,
            title: None,
            pages: Vec::new(),
            warnings: Vec::new(),
            ..Document::default()
        };
        let input = StageInput {
            run: &RunId::parse("run-1").unwrap(),
            document: &CompressedDocument::new(document).unwrap(),
            brand: &brand,
            earlier: &PriorOutputs::default(),
            spend_limit_usd: None,
            lease: None,
            answers: None,
        };
        let error =
            analyst.answer(Stage::InputProcessing, &input, &CancellationToken::new()).await.unwrap_err();
        let AnalystError::Llm(error) = error else { panic!("{error}") };
        assert_eq!((error.code, error.usage.cost_usd, error.attempts), (LlmErrorCode::LlmTimeout, 0.25, 2));
        assert!(error.message.contains("600 s"), "{error}");
    }
}
