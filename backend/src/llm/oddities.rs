//! Counts tolerated oddities by kind, and logs each kind once per run.

use std::collections::HashMap;

use parking_lot::Mutex;
use pipeline::{
    llm::{Oddities, Oddity},
    run::RunId,
};

use crate::telemetry::metrics;

/// The most runs whose oddities are remembered. Beyond it, the log may repeat a kind, which is harmless.
const RUNS_MAX: usize = 4_096;

/// The oddities that the log has shown for each run.
#[derive(Debug, Default)]
pub(super) struct OddityLog(Mutex<HashMap<RunId, Oddities>>);

impl OddityLog {
    pub(super) fn note(&self, run: &RunId, oddities: Oddities) {
        for oddity in oddities.iter() {
            metrics::model_oddity(oddity.as_str());
        }
        // Every stream of OpenRouter has comments.
        let worth_telling = oddities.without(Oddity::Comment.into());
        if worth_telling.is_empty() {
            return;
        }
        let news = {
            let mut told = self.0.lock();
            if told.len() >= RUNS_MAX {
                told.clear();
            }
            let told = told.entry(run.clone()).or_default();
            let news = worth_telling.without(*told);
            *told |= news;
            news
        };
        if !news.is_empty() {
            let kinds: Vec<&str> = news.iter().map(Oddity::as_str).collect();
            tracing::info!(
                event = "model_reply_oddities",
                run_id = %run,
                kinds = kinds.join(","),
                "the model's endpoint deviates from the wire format; the reply was accepted"
            );
        }
    }
}
