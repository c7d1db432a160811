//! Makes the tables that reading needs before the first document comes: a process that is forked afterwards has them already.

use super::extract::extract;

/// A page with text in the colours of print, and in a font of a Chinese collection. Its readers decompress the tables of both,
/// which takes longer than reading a page.
const PRINTED: &[u8] = br"%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents 4 0 R/Resources<</Font<</F1 5 0 R/F2 6 0 R>>>>>>endobj
4 0 obj<</Length 125>>stream
0.1 0.2 0.3 0.4 k BT /F1 12 Tf 40 200 Td (This page is read before any other.) Tj ET
BT /F2 12 Tf 40 100 Td <4E004E8C> Tj ET endstream endobj
5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj
6 0 obj<</Type/Font/Subtype/Type0/BaseFont/Song/Encoding/UniGB-UCS2-H/DescendantFonts[7 0 R]>>endobj
7 0 obj<</Type/Font/Subtype/CIDFontType0/BaseFont/Song/CIDSystemInfo<</Registry(Adobe)/Ordering(GB1)/Supplement 2>>/FontDescriptor 8 0 R>>endobj
8 0 obj<</Type/FontDescriptor/FontName/Song/Flags 4/FontBBox[0 0 1 1]/ItalicAngle 0/Ascent 1/Descent 0/CapHeight 1/StemV 1>>endobj
trailer<</Root 1 0 R/Size 9>>
";

/// Reads documents of our own, and forgets them. A reader that has no tables yet makes them later, as without this.
pub fn warm_up() {
    for (name, bytes) in [
        ("printed.pdf", PRINTED),
        ("page.html", b"<html><body><h1>A page</h1><p>This page is read before any other.</p></body></html>"),
        ("note.md", b"# A note\n\nThis page is read before any other.\n"),
    ] {
        let _ = extract(name, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_read_with_its_tables() {
        let document = extract("printed.pdf", PRINTED).unwrap();
        let text = &document.pages[0].text;
        assert!(text.contains("before any other") && text.contains("\u{4e00}\u{4e8c}"), "{text}");
    }
}
