//! The texts that the cells of a workbook share.

use crate::document::{
    error::DocumentError,
    superscript::superscript,
    xml::{Xml, walk},
};

/// The shared texts, one after another in one buffer.
#[derive(Debug, Default)]
pub(super) struct SharedStrings {
    buffer: String,
    ends: Vec<usize>,
}

impl SharedStrings {
    pub(super) fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)?;
        let start =
            index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or_default();
        self.buffer.get(start..end)
    }
}

/// Reads the shared texts. The reading of Japanese words (`rPh`) is none of the text.
pub(super) fn shared_strings(xml: &str) -> Result<SharedStrings, DocumentError> {
    let mut strings = SharedStrings::default();
    let (mut in_text, mut in_reading, mut is_raised) = (false, false, false);
    walk(xml, |event| match event {
        Xml::Start(element) => match element.name {
            "t" => in_text = true,
            "rPh" => in_reading = true,
            "r" => is_raised = false,
            "vertAlign" => is_raised = element.attribute("val").as_deref() == Some("superscript"),
            _ => {}
        },
        Xml::Text(text) if in_text && !in_reading => {
            let raised = if is_raised { superscript(text) } else { None };
            strings.buffer.push_str(raised.as_deref().unwrap_or(text));
        }
        Xml::Text(_) => {}
        Xml::End("t") => in_text = false,
        Xml::End("rPh") => in_reading = false,
        Xml::End("r") => is_raised = false,
        Xml::End("si") => strings.ends.push(strings.buffer.len()),
        Xml::End(_) => {}
    })?;
    Ok(strings)
}

/// The text with Excel's escapes resolved: `_x000D_` is a line's end.
pub(super) fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("_x") {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let code = escape.get(2..6).filter(|_| escape.get(6..7) == Some("_"));
        match code.and_then(|code| u32::from_str_radix(code, 16).ok()).and_then(char::from_u32) {
            Some(c) => {
                out.push(if c == '\r' { ' ' } else { c });
                rest = escape.get(7..).unwrap_or_default();
            }
            None => {
                out.push_str("_x");
                rest = escape.get(2..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_by_number() {
        let xml =
            "<sst><si><t>one</t></si><si><r><t>tw</t></r><r><t>o</t></r><rPh><t>no</t></rPh></si><si/></sst>";
        let strings = shared_strings(xml).unwrap();
        assert_eq!(
            [strings.get(0), strings.get(1), strings.get(2), strings.get(3)],
            [Some("one"), Some("two"), Some(""), None]
        );
        let raised = "<sst><si><r><t>10</t></r><r><rPr><vertAlign val='superscript'/></rPr><t>6</t></r><r><t> 6</t></r></si></sst>";
        assert_eq!(shared_strings(raised).unwrap().get(0), Some("10\u{2076} 6"));
        assert_eq!(unescaped("a_x000D__x00e9_ _x12 b"), "a \u{e9} _x12 b");
    }
}
