//! Feature flags: what each switches, where its value comes from, and how operators change it while the service runs.
//!
//! * `definitions` has every flag. `value` is on, off or a share of the runs. `layers` orders the sources.
//! * `source` has the flags in effect; `sync` brings them from the database, `order_import` from orders; `control` changes them.
//! * `order` and `rollback` change the storage mode while the database is away; `order_refusal` and `settle` deal with orders that
//!   count for nothing, and with those that the database contradicts. `wait` waits for the replicas.

mod batching;
mod content;
mod control;
pub mod definitions;
mod effective;
mod layers;
mod limited;
mod order;
mod order_import;
mod order_refusal;
mod parse;
mod rollback;
mod settle;
mod snapshot;
mod source;
mod sync;
mod value;
mod view;
mod wait;
mod watched_file;

pub use self::{
    control::{FlagControl, FlagError, HISTORY_MAX},
    definitions::{Category, Definition, Kind},
    effective::{DatabaseStanding, Effective, SwitchedOff},
    layers::{Layers, Reading, Source, Values},
    order::{Order, OrderRefusal},
    parse::{allowed, of_json, of_text},
    rollback::{ReplicaAnswer, ReplicaForecast, Rollback, RollbackPlan, RollbackReport},
    source::FlagSource,
    sync::{FlagSync, ReplicaNote, SyncState},
    value::Value,
    view::{DatabaseWord, FlagListing, FlagView},
    wait::WaitOutcome,
};
