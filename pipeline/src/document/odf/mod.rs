//! Reads OpenDocument files, packed and flat: texts (ODT), slides (ODP) and sheets (ODS).

mod chart;
mod finishing;
mod lists;
mod package;
mod paragraph;
mod reading;
mod slides;
mod spreadsheet;
mod styles;
mod text;

pub(super) use self::package::{flat_format, format};
pub(super) use self::slides::extract_slides;
pub(super) use self::spreadsheet::extract_sheets;
pub(super) use self::text::extract_text;
