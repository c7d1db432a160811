//! Downloads documents safe from SSRF, and reads them in confined processes.
//!
//! * `readers`: the service's way to read. It shares `slots` fairly and prefers the `fork_server`.
//! * `isolate`: a process of its own for one document, as commands use it.
//! * `pictures`: pictures of pages, for readers of a report.
//! * `ocr`: reads the pages that are pictures, with a program that is not ours.
//! * `exchange`, `request`, `trailer`, `wire`: the messages between parent and child. `child`: the side that parses.

pub mod address;
#[cfg(feature = "testing")]
pub mod attempts;
pub mod child;
mod exchange;
pub mod fetch;
mod fork_server;
pub mod isolate;
pub mod limits;
pub mod name;
pub mod ocr;
mod offences;
pub mod pictures;
pub mod readers;
mod request;
pub mod sample;
mod slots;
mod trailer;
mod wire;
