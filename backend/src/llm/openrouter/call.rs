//! One call, which may take several requests.

use std::sync::{Mutex, PoisonError, atomic::AtomicUsize};

use pipeline::{
    llm::{CompletionRequest, LlmError, RequestSource, Usage},
    run::RunId,
};

use super::super::fault::Fault;

/// One call's question. The request is written anew for each further attempt: while a model thinks, thousands of runs would
/// hold theirs.
pub(super) struct Call<'a> {
    pub(super) source: &'a dyn RequestSource,
    pub(super) run: RunId,
    pub(super) output_tokens_max: u32,
    /// Until it is sent.
    first: Mutex<Option<CompletionRequest>>,
    /// The length of the body that was sent last.
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
            first: Mutex::new(Some(first)),
            sent_bytes: AtomicUsize::new(0),
        })
    }

    pub(super) fn request(&self) -> Result<CompletionRequest, Fault> {
        match self.first.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(request) => Ok(request),
            None => self.source.request().map_err(|error| Fault::Unwritten(error.message)),
        }
    }

    /// Whether an answer that was cut off had used up what this call allows. Where it had not, another limit cut it off, and
    /// a higher one of ours changes nothing.
    pub(super) fn has_used_up_its_limit(&self, usage: &Usage) -> bool {
        let used = usage.completion_tokens + usage.reasoning_tokens;
        // A tenth less: endpoints count in tokens of their own.
        used == 0 || used.saturating_mul(10) >= u64::from(self.output_tokens_max).saturating_mul(9)
    }
}
