//! A store of runs: all ports that the router needs.

use std::fmt;

use crate::ports::{
    control::Control, lifecycle::Lifecycle, listing::RunQueries, stages::Stages, tombstones::Tombstones,
};

/// A store of runs.
pub trait Store: Lifecycle + Stages + RunQueries + Control + Tombstones + fmt::Debug {}

impl<T: Lifecycle + Stages + RunQueries + Control + Tombstones + fmt::Debug> Store for T {}
