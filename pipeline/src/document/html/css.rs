//! The few properties of CSS that decide whether a reader sees a text.

mod attribute;
mod color;
mod compound;
mod media;
mod reader;
mod rules;
mod selector;
mod sheet;
mod value;

pub(super) use self::attribute::tested_names;
pub(super) use self::color::{Color, color};
pub(super) use self::media::is_for_windows;
pub(super) use self::rules::{Rules, Style};
pub(in crate::document) use self::sheet::StyleSheet;
pub(super) use self::value::{CLIPPING, OUTSIDE, Property, Value};
