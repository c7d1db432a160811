//! The way to the database: its address, its connections, and what its errors mean.

pub mod address;
pub mod config;
pub(super) mod connections;
pub(super) mod db_error;
pub(super) mod probe;
