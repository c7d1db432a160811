//! Who calls, and what they may do. Keys of the environment are known from the start, whatever the database does.

mod caller;
mod key_ring;

pub use self::{
    caller::Caller,
    key_ring::{KeyDigest, KeyRing, digest},
};
