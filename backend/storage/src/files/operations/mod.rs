//! The operations of the file store beside its ports. Each call runs one blocking operation with a time limit.

mod control;
mod lifecycle;
mod queries;
mod spool;
mod sync;
