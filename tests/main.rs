//! Whole-system tests, in one binary: one link instead of one a file.

mod documents;
mod fetch;
mod support;
