//! Colours, as far as a hiding page needs them.

/// A colour; `is_clear` if nothing of it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::document::html) struct Color {
    pub(in crate::document::html) rgb: [u8; 3],
    pub(in crate::document::html) is_clear: bool,
}

/// The colour that a value names. `None` if it needs more than a table: a variable, an image, a gradient.
pub(in crate::document::html) fn color(value: &str) -> Option<Color> {
    let value = value.trim();
    if let Some(digits) = value.strip_prefix('#') {
        return hex(digits);
    }
    if let Some(arguments) =
        value.strip_prefix("rgb").and_then(|rest| rest.trim_start_matches('a').strip_prefix('('))
    {
        return rgb(arguments.trim_end_matches(')'));
    }
    if let Some(arguments) =
        value.strip_prefix("hsl").and_then(|rest| rest.trim_start_matches('a').strip_prefix('('))
    {
        return hsl(arguments.trim_end_matches(')'));
    }
    let rgb = match value {
        "transparent" => return Some(Color { rgb: [0; 3], is_clear: true }),
        "white" => [255; 3],
        "black" => [0; 3],
        "snow" => [255, 250, 250],
        "ivory" => [255, 255, 240],
        "whitesmoke" => [245; 3],
        "ghostwhite" => [248, 248, 255],
        "gray" | "grey" => [128; 3],
        "silver" => [192; 3],
        "red" => [255, 0, 0],
        "green" => [0, 128, 0],
        "blue" => [0, 0, 255],
        "yellow" => [255, 255, 0],
        "navy" => [0, 0, 128],
        _ => return None,
    };
    Some(Color { rgb, is_clear: false })
}

fn hex(digits: &str) -> Option<Color> {
    let wide: String = match digits.len() {
        3 | 4 => digits.chars().flat_map(|digit| [digit, digit]).collect(),
        6 | 8 => digits.to_owned(),
        _ => return None,
    };
    let byte = |at: usize| wide.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
    Some(Color { rgb: [byte(0)?, byte(2)?, byte(4)?], is_clear: wide.len() == 8 && byte(6)? < 8 })
}

fn rgb(arguments: &str) -> Option<Color> {
    let mut parts = arguments.split([',', ' ', '/']).map(str::trim).filter(|part| !part.is_empty());
    let mut channel = || parts.next()?.parse::<f32>().ok().map(|channel| channel.clamp(0.0, 255.0) as u8);
    let rgb = [channel()?, channel()?, channel()?];
    let alpha = parts.next().and_then(|alpha| alpha.parse::<f32>().ok());
    Some(Color { rgb, is_clear: alpha.is_some_and(|alpha| alpha < 0.03) })
}

/// A colour by its hue, which decides nothing here, its saturation and its lightness.
fn hsl(arguments: &str) -> Option<Color> {
    let mut parts = arguments.split([',', ' ', '/']).map(str::trim).filter(|part| !part.is_empty()).skip(1);
    let mut share = || parts.next()?.trim_end_matches('%').parse::<f32>().ok();
    let (saturation, lightness) = (share()?, share()?);
    let alpha = parts.next().and_then(|alpha| alpha.trim_end_matches('%').parse::<f32>().ok());
    let is_clear = alpha.is_some_and(|alpha| alpha < 0.03);
    // Greys, white and black have no hue.
    let is_grey = saturation <= 1.0 || lightness <= 1.0 || lightness >= 99.0;
    let channel = (lightness.clamp(0.0, 100.0) * 2.55).round() as u8;
    (is_grey || is_clear).then_some(Color { rgb: [channel; 3], is_clear })
}
