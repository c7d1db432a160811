//! The golden path of a running service, as `innovation smoke` walks it: health, a real run of the built-in sample by the
//! extractive analyst, its output, its report, its deletion. It costs nothing and leaves nothing behind.
//!
//! * `client`: the requests, each with a limit.
//! * `path`: the steps, and the report of the mission.

mod client;
mod path;

pub use self::{
    client::{ClientError, GOLDEN_PATH_HEADER, SmokeClient},
    path::{Mission, Step, walk},
};
