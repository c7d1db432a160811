//! The access to the database: its address, its connections and its errors.

pub mod address;
pub mod config;
pub(super) mod connections;
mod core;
pub(super) mod db_error;
mod places;
pub(super) mod probe;
pub(super) mod session;
