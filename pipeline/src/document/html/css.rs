//! The few properties of CSS that decide whether a reader sees a text.

mod color;
mod rules;
mod value;

pub(super) use self::color::{Color, color};
pub(super) use self::rules::{Rules, Style};
pub(super) use self::value::{Property, Value};
