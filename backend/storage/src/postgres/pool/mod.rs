//! The access to the database: its address, its connections and its errors.

pub mod address;
pub mod config;
pub(super) mod connections;
pub(super) mod db_error;
pub(super) mod probe;
