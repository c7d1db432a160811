//! The use cases over runs: submit, view, list, retry, cancel and delete.

mod batches;
mod control;
mod documents;
mod events;
mod finder;
mod keyless;
mod query;
mod retry_cost;
mod service;
mod submit;
mod watch;

pub mod admission;
pub mod bulk;
pub mod comparison;

pub use self::{
    batches::{BatchContent, BatchOrder, BatchQueryError, BatchRunView, BatchView, SubmittedBatch},
    control::{By, ControlError, Retried},
    documents::{DocumentQueryError, SentDocument, picture_tag, quote_of, quotes_of},
    events::{EventId, EventKind, Progress, RunEvent, StageProgress},
    finder::{ACTIVITY_MINUTES, RunFinder, Sought, SoughtRun},
    query::{ListedRun, QueryError, RunList, RunView, StageStatus, StageView},
    retry_cost::RetryCost,
    service::{Runs, RunsDeps},
    submit::{Submission, SubmitError, Submitted},
    watch::{RunWatch, RunWatchers, Update},
};
