//! The ports of a store, for those who call a concrete one: `use storage::prelude::*`.

pub use crate::ports::{
    control::Control as _, lifecycle::Lifecycle as _, listing::RunQueries as _, stages::Stages as _,
    tombstones::Tombstones as _,
};
