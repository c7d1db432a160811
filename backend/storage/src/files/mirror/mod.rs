//! The mirror: what the database has taken, and the files get a moment later.
//!
//! While the database takes writes, a run does not wait for its files. Each stage and each end that the row has goes into a
//! bounded queue in memory (`queue.rs`). One task writes what is due, several runs in one group: all files first, then one
//! manifest a run (`write.rs`; `together.rs` writes in the same way what runs wait for while there is no database). It writes 150 ms after the first part at the latest, and at once when the run ends, when
//! somebody asks these files about the run, when the mode changes, and when the process stops.
//!
//! # Invariants
//!
//! * The mirror holds only what the row has, and writes under the fence of the write to the row. A run that another worker
//!   has, that has ended, or that has a tombstone gets nothing.
//! * No operation on one run's files overtakes what the mirror holds of it: each waits for it (`FileStore::settle`). So a
//!   reader of these files sees what a write right after the row would have left. Views for clients do not wait: they have the row.
//! * The parts of one run are written in order, and never by two tasks at once.
//! * A process that dies with a full mirror loses nothing: the row has it, and sync brings it to the files.

pub(crate) mod batch;
pub(crate) mod group;
pub(in crate::files) mod line;
pub(crate) mod queue;
mod together;
mod write;

#[cfg(test)]
mod tests;
