//! The look of a run of text, as far as it decides what a reader sees.

use crate::document::{
    content::HiddenReason,
    office::{symbols::shown, white::is_white},
    superscript::superscript,
    xml::Element,
};

/// Text of this many half points is too small to be read.
const TINY_HALF_POINTS: u32 = 3;

/// Fonts whose letters show other signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SymbolFont {
    None,
    Symbol,
    Wingdings,
    Wingdings2,
    Wingdings3,
    Webdings,
}

impl SymbolFont {
    fn of(name: &str) -> Self {
        match name.trim().to_ascii_lowercase().as_str() {
            "symbol" => Self::Symbol,
            "wingdings" => Self::Wingdings,
            "wingdings 2" => Self::Wingdings2,
            "wingdings 3" => Self::Wingdings3,
            "webdings" => Self::Webdings,
            _ => Self::None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Symbol => "symbol",
            Self::Wingdings => "wingdings",
            Self::Wingdings2 => "wingdings 2",
            Self::Wingdings3 => "wingdings 3",
            Self::Webdings => "webdings",
        }
    }
}

/// The properties of text that a style or a run sets. `None` leaves it to the style above.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Look {
    pub(super) hidden: Option<bool>,
    white: Option<bool>,
    shaded: Option<bool>,
    tiny: Option<bool>,
    raised: Option<bool>,
    symbols: Option<SymbolFont>,
}

impl Look {
    /// Takes up a property of a run or a style.
    pub(super) fn set(&mut self, element: &Element<'_>) {
        let value = || element.attribute("val").unwrap_or_default();
        match element.name {
            "vanish" => self.hidden = Some(element.is_on()),
            "color" => {
                let is_white = is_white(&value());
                self.white = Some(is_white && element.attribute("themeShade").is_none());
            }
            "shd" => self.shaded = Some(is_shaded(element)),
            "highlight" => self.shaded = Some(!matches!(value().as_str(), "none" | "white")),
            "sz" => {
                self.tiny = Some(element.number::<u32>("val").is_some_and(|size| size <= TINY_HALF_POINTS));
            }
            "vertAlign" => self.raised = Some(value() == "superscript"),
            "rFonts" => {
                let name = element.attribute("ascii").or_else(|| element.attribute("hAnsi"));
                self.symbols = name.map(|name| SymbolFont::of(&name)).or(self.symbols);
            }
            _ => {}
        }
    }

    /// This look, with the other one's values where it says nothing.
    pub(super) fn over(self, below: Self) -> Self {
        Self {
            hidden: self.hidden.or(below.hidden),
            white: self.white.or(below.white),
            shaded: self.shaded.or(below.shaded),
            tiny: self.tiny.or(below.tiny),
            raised: self.raised.or(below.raised),
            symbols: self.symbols.or(below.symbols),
        }
    }

    /// Why a reader does not see the text, if so. White letters count where the ground is known to be white.
    pub(super) fn hidden_reason(&self, ground_is_white: bool) -> Option<HiddenReason> {
        if self.hidden == Some(true) {
            Some(HiddenReason::Marked)
        } else if self.tiny == Some(true) {
            Some(HiddenReason::Tiny)
        } else if self.white == Some(true) && ground_is_white && self.shaded != Some(true) {
            Some(HiddenReason::Colour)
        } else {
            None
        }
    }

    /// The text as a reader sees it: with the signs of its font, exponents raised, and no soft hyphens.
    pub(super) fn shown(&self, text: &str) -> String {
        let font = self.symbols.unwrap_or(SymbolFont::None);
        let raised = if self.raised == Some(true) { superscript(text) } else { None };
        if let Some(raised) = raised {
            return raised;
        }
        let sign = |c: char| {
            if font == SymbolFont::None { c } else { shown(font.name(), u32::from(c)).unwrap_or(c) }
        };
        text.chars().filter(|c| *c != '\u{ad}').map(sign).collect()
    }
}

/// Whether a ground has a colour that is not white.
pub(super) fn is_shaded(element: &Element<'_>) -> bool {
    let fill = element.attribute("fill").unwrap_or_default();
    let pattern = element.attribute("val").unwrap_or_default();
    let is_plain = fill.is_empty() || fill.eq_ignore_ascii_case("auto") || is_white(&fill);
    !is_plain || element.attribute("themeFill").is_some() || !matches!(pattern.as_str(), "" | "clear" | "nil")
}
