//! Formulas in one line: `1/2`, `x²`, `√2`, `(a+b)`.

use crate::document::{superscript::superscript, xml::Element};

/// Brackets nest a few deep.
const DEPTH_MAX: usize = 64;

#[derive(Debug)]
struct Brackets {
    opening: String,
    closing: String,
    parts: usize,
}

/// The formula that is being read.
#[derive(Debug, Default)]
pub(super) struct Math {
    brackets: Vec<Brackets>,
    raised: usize,
}

impl Math {
    /// The signs to write at the start of an element.
    pub(super) fn start(&mut self, element: &Element<'_>) -> Option<String> {
        match element.name {
            "d" if self.brackets.len() < DEPTH_MAX => {
                let (opening, closing) = ("(".to_owned(), ")".to_owned());
                self.brackets.push(Brackets { opening, closing, parts: 0 });
            }
            "begChr" => {
                if let Some(brackets) = self.brackets.last_mut() {
                    brackets.opening = sign(element);
                }
            }
            "endChr" => {
                if let Some(brackets) = self.brackets.last_mut() {
                    brackets.closing = sign(element);
                }
            }
            "e" => {
                let brackets = self.brackets.last_mut()?;
                brackets.parts += 1;
                return (brackets.parts == 1).then(|| brackets.opening.clone());
            }
            "sup" => self.raised += 1,
            "rad" => return Some("\u{221a}".to_owned()),
            "chr" => return Some(sign(element)),
            _ => {}
        }
        None
    }

    /// The signs to write at the end of an element.
    pub(super) fn end(&mut self, name: &str) -> Option<String> {
        match name {
            "num" => Some("/".to_owned()),
            "sup" => {
                self.raised = self.raised.saturating_sub(1);
                None
            }
            "d" => self.brackets.pop().filter(|it| it.parts > 0).map(|it| it.closing),
            _ => None,
        }
    }

    /// The text, raised if it stands in an exponent.
    pub(super) fn shown(&self, text: &str) -> Option<String> {
        (self.raised > 0).then(|| superscript(text).unwrap_or_else(|| format!("^{text}")))
    }

    /// A paragraph's end ends its formulas.
    pub(super) fn end_paragraph(&mut self) {
        self.brackets.clear();
        self.raised = 0;
    }
}

fn sign(element: &Element<'_>) -> String {
    element.attribute("val").unwrap_or_default().chars().take(2).collect()
}
