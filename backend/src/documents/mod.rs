//! Downloads documents safe from SSRF, and reads them in a limited child process.

pub mod address;
pub mod fetch;
pub mod isolate;
pub mod name;
