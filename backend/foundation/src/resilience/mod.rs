//! One breaker, one bulkhead and one backoff for all that may fail: the database, files, the model and webhooks.
//!
//! They stand below the storage, which needs all three. Each user keeps its own figures beside its own code.

pub mod backoff;
pub mod breaker;
pub mod bulkhead;

pub use self::{
    backoff::{Backoff, Jitter},
    breaker::{Breaker, BreakerState, Limits, Policy, Recovery},
    bulkhead::{Bulkhead, Stuck},
};
