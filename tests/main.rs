//! Whole-system tests, in one binary: one link instead of one a file.

mod fetch;
mod openrouter;
mod support;
