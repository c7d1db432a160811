//! The parts that all runs of this process share.

use std::sync::Arc;

use pipeline::clock::Clock;

use super::{
    flights::Flights, renewals::Renewals, settings::AnswerCacheSettings, shared::Shared, waits::Waits,
};

/// The parts that all runs of this process share.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) flights: Flights,
    pub(super) waits: Waits,
    pub(super) renewals: Renewals,
    pub(super) shared: Shared,
    pub(super) settings: AnswerCacheSettings,
    pub(super) clock: Arc<dyn Clock>,
}
