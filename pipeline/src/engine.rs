//! The stage loop.
