//! Bulk operations: one person retries, cancels or deletes all runs of a filter.
//!
//! 1. A preview counts the runs, and what retries would cost.
//! 2. The start names that count and its moment. One statement chooses the runs and stores them with the operation. If their
//!    number is far from the expected one, nothing starts.
//! 3. A replica works on the operation under a lease ([`BulkExecutor`]), in small batches. Each run is changed by the same use
//!    case as by a request for it, with its fence and its audit record. After a crash another replica goes on.

mod admin;
mod execute;
mod filter;
mod view;

pub use self::{
    admin::{BulkAdmin, BulkError, OperationOrder, Preview},
    execute::BulkExecutor,
    filter::{FILTER_FIELDS, FilterProblem, parse_filter, parse_time},
    view::{OperationProgress, OperationView, PreviewView},
};
