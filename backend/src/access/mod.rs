//! Tells who calls, and what they may do. Keys of the environment are known from the start, whatever the database does. Keys of the
//! database are read every two seconds, and cached.

mod caller;
mod failed_keys;
mod key_admin;
mod key_cache;
mod key_reader;
mod key_ring;
mod key_table;
mod key_view;
mod new_key;
mod quotas;
mod scope;
mod sessions;
mod spend;

pub use self::{
    caller::Caller,
    failed_keys::{FailedKeys, Refusal},
    key_admin::{KeyAdmin, KeyAdminError, Made},
    key_cache::KeyCache,
    key_reader::KeyReader,
    key_ring::{KeyRing, Unrecognised, digest},
    key_table::KEYS_LAST,
    key_view::KeyView,
    new_key::{KeyOrder, NewSecret, RotationOrder, may_be_ours},
    quotas::{Admission, QuotaExceeded, QuotaKeeper},
    scope::{NotInScope, Scope},
    sessions::{SESSION_LASTS, Sessions},
    spend::SpendMeter,
};
pub use storage::control_plane::KeyDigest;
