//! The metrics of this process.
//!
//! Events are counted in one process-wide set, to which the functions of `events`, `model` and `storage` add. States (active runs,
//! the breaker) are measured for each request by [`Measured`]. All names stand in [`super::names`].

mod counted;
mod events;
mod labels;
mod measured;
mod model;
mod storage;
mod waits;

pub use self::{
    events::{
        AnswerLookUp, Operation, alerts_firing, answer_awaited, answer_looked_up, call_ended,
        connection_admitted, deployment_verdict, document_fetched, document_read, event_stream_closed,
        event_stream_opened, first_stage_stored, key_failed, llm_cost, log_line_left_out, model_oddity,
        request_answered, run_accepted, run_ended, run_expired, run_started, spans_exported, stage_took,
        submission_repeated, webhook, webhook_sent,
    },
    measured::{CONTENT_TYPE, Measured, PoolState, counted, render},
    model::model_called,
    storage::{
        connection_awaited, database_written, file_write_failed, pool_exhausted, stage_stored,
        stages_reconciled, store_called,
    },
};
