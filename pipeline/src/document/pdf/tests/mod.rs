//! Small PDFs of each kind, and what a reader of them sees.

mod builder;
mod fields;
mod files;
mod fonts;
mod hidden;
mod pages;
mod pictures;
mod spans;
