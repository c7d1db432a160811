//! The seam to the answer cache: runs that would ask a model the same question share its answer.
//!
//! * [`AnswerKey`] names a question by everything that its answer depends on.
//! * [`AnswerCache`] finds an answer, or makes this run the one that asks.
//! * [`CachedAnswer`] is an answer as it is kept.

mod cache;
mod entry;
mod key;

pub use self::{
    cache::{AnswerCache, AnswerLead, LookUp},
    entry::{AnswerContent, CachedAnswer},
    key::{AnswerKey, AnswerSettings, READER_VERSION},
};
