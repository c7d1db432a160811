//! The answer cache: runs of one owner that ask the model the same question share its answer.
//!
//! * `service`: the cache of this process. It gives each run its view.
//! * `run`: finds an answer for one run, waits for another run that asks, or makes this run the one that asks.
//! * `flights`: the questions that this process asks, so that its own runs wait in memory.
//! * `lead`: the right to ask, until the answer is there.
//! * `renewals`: the leases of all leads, renewed together.
//! * `waits`: the waiting runs, for their clients.
//! * `shared`: the stored entries, and what is done while the database is away.
//! * `admin`: figures, expiry, and removal.

mod admin;
mod entry;
mod flights;
mod inner;
mod lead;
mod renewals;
mod run;
mod service;
mod settings;
mod shared;
mod waits;

pub use self::{
    admin::AnswerAdmin,
    run::RunAnswers,
    service::{AnswerCacheDeps, AnswerCacheService},
    settings::AnswerCacheSettings,
};
