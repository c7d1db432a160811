//! Whole-system tests, in one binary: one link instead of one a file.

mod architecture;
mod documents;
mod fetch;
mod run;
mod support;
