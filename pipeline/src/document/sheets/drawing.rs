//! The drawings on a sheet: text boxes, charts, pictures.

use crate::document::{
    error::DocumentError,
    xml::{Xml, walk},
};

/// The pieces of one drawing.
const PIECES_MAX: usize = 5_000;

/// A piece of a drawing, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    /// The id of a chart's link.
    Chart(String),
    /// The id of a diagram's link.
    Diagram(String),
    Picture,
}

/// Reads a drawing.
pub(super) fn pieces(xml: &str) -> Result<Vec<Piece>, DocumentError> {
    let mut pieces = Vec::new();
    let (mut text, mut in_text, mut skipped) = (String::new(), false, 0_usize);
    walk(xml, |event| match event {
        Xml::Start(_) if skipped > 0 => skipped += 1,
        Xml::End(_) if skipped > 0 => skipped -= 1,
        Xml::Start(element) => match element.name {
            "Fallback" => skipped = 1,
            "t" => in_text = true,
            "br" => text.push(' '),
            "chart" => pieces.extend(element.prefixed_attribute("id").map(Piece::Chart)),
            "relIds" => pieces.extend(element.prefixed_attribute("dm").map(Piece::Diagram)),
            "blip" => pieces.push(Piece::Picture),
            _ => {}
        },
        Xml::Text(own) if in_text && skipped == 0 => text.push_str(own),
        Xml::Text(_) => {}
        Xml::End("t") => in_text = false,
        Xml::End("p") => {
            let paragraph = std::mem::take(&mut text);
            if !paragraph.trim().is_empty() {
                pieces.push(Piece::Text(paragraph.trim().to_owned()));
            }
        }
        Xml::End(_) => {}
    })?;
    pieces.truncate(PIECES_MAX);
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_charts_and_pictures_are_pieces() {
        let xml = "<xdr:wsDr><xdr:sp><xdr:txBody><a:p><a:r><a:t>Box</a:t></a:r></a:p></xdr:txBody></xdr:sp>\
                   <c:chart r:id='r1'/><a:blip r:embed='r2'/></xdr:wsDr>";
        let expected = [Piece::Text("Box".to_owned()), Piece::Chart("r1".to_owned()), Piece::Picture];
        assert_eq!(pieces(xml).unwrap(), expected);
    }
}
