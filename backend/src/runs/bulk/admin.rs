//! Previews, starts, shows and cancels bulk operations.

use std::{sync::Arc, time::Duration};

use pipeline::clock::{Clock, Timestamp};
use storage::{
    StorageError, StorageErrorKind,
    control_plane::{
        BulkAction, BulkActor, BulkFilter, BulkOperation, BulkOperations, BulkOrder, BulkPreview, BulkStart,
    },
    router::Router,
};
use tokio::{sync::Notify, time::timeout};
use uuid::Uuid;

use crate::audit::{Actor, Audit};

/// How long a call waits for the database.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How many operations a list shows.
const LISTED: usize = 20;

/// How far ahead of this clock the moment of a preview may be: that of another replica.
const CLOCK_SKEW_MAX: chrono::TimeDelta = chrono::TimeDelta::seconds(60);

/// Looks after bulk operations.
#[derive(Debug, Clone)]
pub struct BulkAdmin {
    /// None without a database.
    pub store: Option<Arc<dyn BulkOperations>>,
    pub router: Arc<Router>,
    pub audit: Audit,
    pub clock: Arc<dyn Clock>,
    /// Wakes the task of this process.
    pub started: Arc<Notify>,
}

/// A preview, with what a start of it names.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    pub action: BulkAction,
    pub filter: BulkFilter,
    /// Runs that were created later never join.
    pub as_of: Timestamp,
    /// A start with this id happens once.
    pub operation_id: String,
    pub found: BulkPreview,
}

/// An operation, as a person orders it after its preview.
#[derive(Debug, Clone, PartialEq)]
pub struct OperationOrder {
    pub action: BulkAction,
    pub filter: BulkFilter,
    pub as_of: Timestamp,
    /// The count of the preview.
    pub expected: usize,
    pub reason: String,
    /// That of the preview. None makes a new one.
    pub operation_id: Option<Uuid>,
}

/// Why an operation cannot be shown, started or cancelled.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BulkError {
    #[error("{1}")]
    Invalid(&'static str, &'static str),
    #[error("bulk operations are kept in the database, and DATABASE_URL is not set")]
    NoDatabase,
    #[error(
        "bulk operations need the database, and the storage mode does not use it now; nothing is changed"
    )]
    WithoutDatabase,
    #[error("bulk operations need the database, and it does not answer now; {}", advice(.0))]
    Away(#[source] StorageError),
    #[error(
        "the database did not find the runs in time; narrow the filter, for example by status or created_from"
    )]
    TooSlow(#[source] StorageError),
    #[error(
        "the filter matches {matching} runs now, and the preview showed {expected}; look at a new preview"
    )]
    Differs { matching: usize, expected: usize },
    #[error("another operation has this id; make a new preview")]
    Mismatch,
    #[error("as many operations as the service allows are under way; wait for one, or cancel one")]
    TooMany,
    #[error("there is no operation with this id; GET /api/admin/operations lists the newest")]
    NotFound,
    #[error("the operation has ended already")]
    Ended,
}

/// The next step for a person whose call the database has not answered.
fn advice(cause: &StorageError) -> &'static str {
    match cause.kind {
        // A new preview would lead to a second operation.
        StorageErrorKind::Indeterminate => {
            "a change that you ordered may have been made all the same, so look at the list of operations, or \
             repeat it with the same operation_id"
        }
        _ => "nothing more is changed, so try again",
    }
}

impl BulkAdmin {
    /// Counts the runs that an operation would change.
    ///
    /// # Errors
    ///
    /// [`BulkError::Away`], [`BulkError::TooSlow`] or one of the errors without a database.
    pub async fn preview(&self, action: BulkAction, filter: BulkFilter) -> Result<Preview, BulkError> {
        let as_of = self.clock.now();
        let found = self.call(|store| {
            let filter = filter.clone();
            async move { store.preview(action, &filter, as_of).await }
        });
        let found = found.await.map_err(slow)?;
        Ok(Preview { action, filter, as_of, operation_id: Uuid::now_v7().to_string(), found })
    }

    /// Starts an operation. A repeated start with the same id returns the same operation.
    ///
    /// # Errors
    ///
    /// [`BulkError`] says what is wrong. Nothing has started then, unless the database did not answer.
    pub async fn start(&self, order: OperationOrder, actor: &Actor) -> Result<BulkOperation, BulkError> {
        let OperationOrder { action, filter, as_of, expected, reason, operation_id } = order;
        if expected == 0 {
            return Err(BulkError::Invalid("expected", "must be the count of the preview, 1 or more"));
        }
        if as_of > self.clock.now() + CLOCK_SKEW_MAX {
            return Err(BulkError::Invalid("as_of", "must be the moment of the preview, not one to come"));
        }
        let id = operation_id.unwrap_or_else(Uuid::now_v7).to_string();
        let wanted = filter.clone();
        let order = BulkOrder {
            id: id.clone(),
            action,
            filter,
            as_of,
            expected,
            // A tenth: runs go on while a person reads the preview.
            tolerance: expected / 10,
            reason: reason.clone(),
            actor: BulkActor {
                name: actor.name.clone(),
                role: actor.role.clone(),
                address: actor.address.map(|address| address.to_string()),
                request_id: actor.request_id.clone(),
            },
        };
        let mut record = self.audit.describe(actor, "operation.start", &id);
        record.reason = Some(reason);
        let started = self.call(|store| async move { store.start(&order, &record).await }).await;
        match started.map_err(slow)? {
            BulkStart::Started => {
                tracing::info!(
                    event = "bulk_operation_started",
                    operation = id,
                    action = action.as_str(),
                    "a bulk operation has started"
                );
                self.started.notify_one();
            }
            BulkStart::Existing => {}
            BulkStart::Mismatch => return Err(BulkError::Mismatch),
            BulkStart::TooMany => return Err(BulkError::TooMany),
            BulkStart::Differs(matching) => {
                // The same start may have ended at this moment: the snapshot of this statement did not have it.
                return match self.operation(&id).await {
                    Ok(found) if found.action == action && found.filter == wanted => Ok(found),
                    Ok(_) => Err(BulkError::Mismatch),
                    Err(BulkError::NotFound) => Err(BulkError::Differs { matching, expected }),
                    Err(error) => Err(unsure(error)),
                };
            }
        }
        self.operation(&id).await.map_err(unsure)
    }

    /// One operation with its progress.
    ///
    /// # Errors
    ///
    /// [`BulkError::NotFound`], or an error of the database.
    pub async fn operation(&self, id: &str) -> Result<BulkOperation, BulkError> {
        let id = id.to_owned();
        self.call(|store| async move { store.operation(&id).await }).await?.ok_or(BulkError::NotFound)
    }

    /// The newest operations.
    ///
    /// # Errors
    ///
    /// An error of the database.
    pub async fn operations(&self) -> Result<Vec<BulkOperation>, BulkError> {
        self.call(|store| async move { store.operations(LISTED).await }).await
    }

    /// Ends an operation early. Runs that are changed already stay so. Cancelling a cancelled operation succeeds.
    ///
    /// # Errors
    ///
    /// [`BulkError::Ended`] if it is complete. [`BulkError::NotFound`], or an error of the database.
    pub async fn cancel(
        &self,
        id: &str,
        reason: Option<String>,
        actor: &Actor,
    ) -> Result<BulkOperation, BulkError> {
        let mut record = self.audit.describe(actor, "operation.cancel", id);
        record.reason = reason;
        let wanted = id.to_owned();
        let is_ended = self.call(|store| async move { store.cancel(&wanted, &record).await }).await?;
        let operation = self.operation(id).await.map_err(unsure)?;
        if is_ended {
            tracing::info!(
                event = "bulk_operation_cancelled",
                operation = id,
                "a bulk operation is cancelled"
            );
        } else if operation.status != storage::control_plane::BulkStatus::Cancelled {
            return Err(BulkError::Ended);
        }
        Ok(operation)
    }

    /// The database, if the mode uses it and it answers.
    pub(super) fn open_store(&self) -> Result<Arc<dyn BulkOperations>, BulkError> {
        let store = self.store.clone().ok_or(BulkError::NoDatabase)?;
        if !self.router.uses_database() {
            return Err(BulkError::WithoutDatabase);
        }
        if !self.router.is_database_open() {
            let what = "its breaker is open";
            return Err(BulkError::Away(StorageError::new(StorageErrorKind::Unavailable, what)));
        }
        Ok(store)
    }

    async fn call<T, F>(&self, call: impl FnOnce(Arc<dyn BulkOperations>) -> F) -> Result<T, BulkError>
    where
        F: Future<Output = Result<T, StorageError>>,
    {
        let store = self.open_store()?;
        match timeout(TIMEOUT, call(store)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(BulkError::Away(error)),
            Err(_) => {
                let what = format!("no answer within {TIMEOUT:?}");
                Err(BulkError::Away(StorageError::new(StorageErrorKind::Indeterminate, what)))
            }
        }
    }
}

/// The error of the look that follows a change: the change may have been made.
fn unsure(error: BulkError) -> BulkError {
    match error {
        BulkError::Away(cause) => {
            BulkError::Away(StorageError::new(StorageErrorKind::Indeterminate, cause.message))
        }
        error => error,
    }
}

/// The SQLSTATE of a statement that took too long.
const QUERY_CANCELED: &str = "57014";

/// A statement that a filter makes slow fails while the database works.
fn slow(error: BulkError) -> BulkError {
    match error {
        BulkError::Away(cause) if cause.sqlstate() == Some(QUERY_CANCELED) => BulkError::TooSlow(cause),
        error => error,
    }
}
