//! Bounds the built-in analyst: its time, and how many documents it works on at once.
//!
//! It computes on a stranger's text, as the readers of documents do. Two small documents and one large one may be under
//! way. So a large document holds up other large ones only, and the processor stays free for requests.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use pipeline::{
    analyst::{Analyst, AnalystError, Answer, StageInput},
    llm::{Disposition, LlmError, LlmErrorCode, Usage},
    run::Stage,
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// How many small documents are under way at once.
const SMALL_MAX: usize = 2;
/// How many large documents are under way at once.
const LARGE_MAX: usize = 1;
/// A document with more text is large. A report of 100 pages has about 400 KB.
const LARGE_BYTES_MIN: usize = 512 * 1024;
/// The longest time of one stage. All four stages of 1.6 MB took 14 s in a debug build on a busy machine.
pub const STAGE_LIMIT: Duration = Duration::from_secs(60);

/// Asks an analyst that computes, within bounds.
#[derive(Debug)]
pub struct BoundedAnalyst {
    analyst: Arc<dyn Analyst>,
    limit: Duration,
    small: Semaphore,
    large: Semaphore,
}

impl BoundedAnalyst {
    #[must_use]
    pub fn new(analyst: Arc<dyn Analyst>, limit: Duration) -> Self {
        Self { analyst, limit, small: Semaphore::new(SMALL_MAX), large: Semaphore::new(LARGE_MAX) }
    }
}

#[async_trait]
impl Analyst for BoundedAnalyst {
    async fn answer(
        &self,
        stage: Stage,
        input: &StageInput<'_>,
        cancel: &CancellationToken,
    ) -> Result<Answer, AnalystError> {
        let lane = if input.document.text_bytes < LARGE_BYTES_MIN { &self.small } else { &self.large };
        let _permit = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(cancelled()),
            permit = lane.acquire() => permit.map_err(|error| AnalystError::Internal(error.to_string()))?,
        };
        let stop = cancel.child_token();
        // Without a reader of its answer, the computation must end at once.
        let _stops_when_dropped = stop.clone().drop_guard();
        let answer = self.analyst.answer(stage, input, &stop);
        let too_long = Err(AnalystError::TookTooLong { stage, seconds: self.limit.as_secs() });
        tokio::time::timeout(self.limit, answer).await.unwrap_or(too_long)
    }
}

fn cancelled() -> AnalystError {
    AnalystError::Llm(LlmError {
        code: LlmErrorCode::Cancelled,
        message: "the run was cancelled".to_owned(),
        disposition: Disposition::Fail,
        usage: Usage::default(),
        attempts: 0,
    })
}

#[cfg(test)]
mod tests {
    use pipeline::{
        brand::{BrandId, BrandProfile},
        document::{CompressedDocument, Document, Page},
        failure::{FailureCode, RunFailure},
        prior_outputs::PriorOutputs,
        run::RunId,
    };
    use tokio::sync::Notify;

    use super::*;

    /// Answers small documents at once, and large ones never. It notes when it was told to stop.
    #[derive(Debug, Default)]
    struct Slow {
        began: Notify,
        stopped: Arc<Notify>,
    }

    #[async_trait]
    impl Analyst for Slow {
        async fn answer(
            &self,
            _: Stage,
            input: &StageInput<'_>,
            cancel: &CancellationToken,
        ) -> Result<Answer, AnalystError> {
            if input.document.text_bytes >= LARGE_BYTES_MIN {
                let (token, stopped) = (cancel.clone(), self.stopped.clone());
                tokio::spawn(async move {
                    token.cancelled().await;
                    stopped.notify_one();
                });
                self.began.notify_one();
                std::future::pending::<()>().await;
            }
            Err(AnalystError::TooLittleText("small".to_owned()))
        }
    }

    async fn ask(analyst: &BoundedAnalyst, bytes: usize, cancel: &CancellationToken) -> AnalystError {
        let yaml = include_str!("../../data/brand-profiles/decathlon.yaml");
        let brand = BrandProfile::from_yaml(BrandId::parse("decathlon").unwrap(), yaml, None).unwrap();
        let pages = vec![Page { number: 1, text: "a".repeat(bytes), ..Page::default() }];
        let input = StageInput {
            run: &RunId::parse("run-1").unwrap(),
            document: &CompressedDocument::new(Document { pages, ..Document::default() }).unwrap(),
            brand: &brand,
            earlier: &PriorOutputs::default(),
            spend_limit_usd: None,
            lease: None,
            answers: None,
        };
        analyst.answer(Stage::InputProcessing, &input, cancel).await.unwrap_err()
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_document_ends_at_the_limit() {
        let slow = Arc::new(Slow::default());
        let analyst = BoundedAnalyst::new(slow.clone(), STAGE_LIMIT);
        let error = ask(&analyst, LARGE_BYTES_MIN, &CancellationToken::new()).await;
        slow.stopped.notified().await;
        let failure = RunFailure::from_analyst(Stage::InputProcessing, error);
        assert_eq!(failure.code, FailureCode::DocumentTimeout);
        assert!(failure.message.contains("60 s"), "{failure}");
    }

    #[tokio::test]
    async fn a_small_document_passes_a_large_one() {
        let slow = Arc::new(Slow::default());
        let analyst = BoundedAnalyst::new(slow.clone(), STAGE_LIMIT);
        let never = CancellationToken::new();
        let small = async {
            slow.began.notified().await;
            ask(&analyst, 10, &never).await
        };
        tokio::select! {
            error = ask(&analyst, LARGE_BYTES_MIN, &never) => panic!("{error}"),
            error = small => assert!(matches!(error, AnalystError::TooLittleText(_)), "{error}"),
        }
        // The dropped call has stopped its computation.
        slow.stopped.notified().await;
    }

    #[tokio::test]
    async fn a_waiting_document_can_be_cancelled() {
        let slow = Arc::new(Slow::default());
        let analyst = BoundedAnalyst::new(slow.clone(), STAGE_LIMIT);
        let (never, cancel) = (CancellationToken::new(), CancellationToken::new());
        let second = async {
            slow.began.notified().await;
            cancel.cancel();
            ask(&analyst, LARGE_BYTES_MIN, &cancel).await
        };
        tokio::select! {
            error = ask(&analyst, LARGE_BYTES_MIN, &never) => panic!("{error}"),
            error = second => {
                let failure = RunFailure::from_analyst(Stage::InputProcessing, error);
                assert_eq!(failure.code, FailureCode::Cancelled);
            }
        }
    }
}
