//! The few properties of CSS that decide whether a reader sees a text.

mod attribute;
mod color;
mod compound;
mod marks;
mod media;
mod property;
mod reader;
mod rules;
mod selector;
mod sheet;
mod style;
mod value;
mod variables;

pub(super) use self::attribute::tested_names;
pub(super) use self::color::{Color, color};
pub(in crate::document) use self::marks::without_comments;
pub(in crate::document) use self::media::import_holds;
pub(super) use self::media::is_for_windows;
pub(super) use self::property::{CLIPPING, OUTSIDE, Property, Value};
pub(super) use self::rules::Rules;
pub(in crate::document) use self::sheet::StyleSheet;
pub(super) use self::style::Style;
