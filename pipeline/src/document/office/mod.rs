//! Shared by the readers of office documents: packages of linked parts, charts, diagrams, and texts of
//! numbers and symbols.

pub(super) mod chart;
pub(super) mod diagram;
pub(super) mod hidden;
pub(super) mod number_format;
pub(super) mod numerals;
pub(super) mod old_files;
pub(super) mod package;
pub(super) mod properties;
pub(super) mod symbols;
pub(super) mod unread;
pub(super) mod white;
