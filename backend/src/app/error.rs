//! The reasons for which parts cannot be wired.

use storage::postgres::address::Malformed;

use crate::{
    documents::fetch::FetcherError, llm::OpenRouterError, migrate::MigrateError, webhooks::SenderError,
};

/// Why the parts cannot be wired.
#[derive(Debug, thiserror::Error)]
pub enum WiringError {
    #[error(
        "the model analyst needs OPENROUTER_API_KEY; set it, or use --analyst extractive, which needs no key"
    )]
    NoKey,
    #[error(transparent)]
    Fetcher(#[from] FetcherError),
    #[error(transparent)]
    Client(#[from] OpenRouterError),
    #[error(transparent)]
    Webhooks(#[from] SenderError),
    #[error("REHEARSAL_DATABASE_URL is not set")]
    NoRehearsalDatabase,
    #[error("REHEARSAL_DATABASE_URL: {0}")]
    Rehearsal(#[from] MigrateError),
    #[error("DATABASE_URL: {0}")]
    Database(#[from] Malformed),
    #[error("traces cannot be exported: {0}")]
    Traces(String),
    #[error("alerts: {0}")]
    Alerts(String),
    #[error("STORAGE_URL: {0}")]
    Storage(#[from] std::io::Error),
}
