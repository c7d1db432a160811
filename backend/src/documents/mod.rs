//! Getting a document and reading it: SSRF-safe download, extraction in a limited child process.

pub mod address;
pub mod fetch;
pub mod isolate;
pub mod name;
