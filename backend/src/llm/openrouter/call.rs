//! One call, which may need several requests.

use std::sync::atomic::AtomicUsize;

use parking_lot::Mutex;
use pipeline::{
    llm::{CompletionRequest, LlmError, RequestSource, Usage},
    run::RunId,
};

use super::super::fault::Fault;
use crate::telemetry::traces::ParentIds;

/// The question of one call. The request is built again for each further attempt. Otherwise, thousands of
/// runs would keep theirs in memory during the model's answer.
pub(super) struct Call<'a> {
    pub(super) source: &'a dyn RequestSource,
    pub(super) run: RunId,
    pub(super) output_tokens_max: u32,
    /// The span of the call. None if it is not traced.
    pub(super) trace: Option<ParentIds>,
    /// Kept until it is sent.
    first: Mutex<Option<CompletionRequest>>,
    /// The length of the last sent body.
    pub(super) sent_bytes: AtomicUsize,
}

impl<'a> Call<'a> {
    pub(super) fn new(source: &'a dyn RequestSource) -> Result<Self, LlmError> {
        let first = source.request()?;
        let (run, output_tokens_max) = (first.run.clone(), first.output_tokens_max);
        Ok(Self {
            source,
            run,
            output_tokens_max,
            trace: None,
            first: Mutex::new(Some(first)),
            sent_bytes: AtomicUsize::new(0),
        })
    }

    pub(super) fn request(&self) -> Result<CompletionRequest, Fault> {
        match self.first.lock().take() {
            Some(request) => Ok(request),
            None => self.source.request().map_err(|error| Fault::Unwritten(error.message)),
        }
    }

    /// Whether a truncated answer had used up the limit of this call. If not, another limit truncated it, and
    /// a higher limit of ours would not help.
    pub(super) fn has_used_up_its_limit(&self, usage: &Usage) -> bool {
        let used = usage.completion_tokens + usage.reasoning_tokens;
        // A margin of a tenth, because endpoints count tokens differently.
        used == 0 || used.saturating_mul(10) >= u64::from(self.output_tokens_max).saturating_mul(9)
    }
}
