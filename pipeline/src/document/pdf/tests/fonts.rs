use super::builder::{line, page};

/// A page on which the font `F2` shows these codes.
fn shown(codes: &str, font: &str) -> super::builder::Draft {
    page(&format!("BT /F2 20 Tf 50 700 Td <{codes}> Tj ET")).object(6, font)
}

#[test]
fn codes_of_predefined_tables_are_read() {
    let font = |encoding: &str, ordering: &str| {
        format!(
            "<< /Type /Font /Subtype /Type0 /BaseFont /Any /Encoding /{encoding} /DescendantFonts [<< /Type /Font \
             /Subtype /CIDFontType0 /BaseFont /Any /CIDSystemInfo << /Registry (Adobe) /Ordering ({ordering}) \
             /Supplement 2 >> >>] >>"
        )
    };
    assert_eq!(shown("93FA967B", &font("90ms-RKSJ-H", "Japan1")).text(), "\u{65e5}\u{672c}");
    assert_eq!(shown("4E2D6587", &font("UniGB-UCS2-H", "GB1")).text(), "\u{4e2d}\u{6587}");
}

#[test]
fn codes_are_characters_if_the_font_says_so() {
    let font = "<< /Type /Font /Subtype /Type0 /BaseFont /Arial /Encoding /Identity-H /ToUnicode /Identity-H \
                /DescendantFonts [<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Arial /CIDSystemInfo << \
                /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> /DW 600 >>] >>";
    assert_eq!(shown("0041007200690061006C", font).text(), "Arial");
}

fn type3(names: &str) -> String {
    let procedures: String = names.split_whitespace().map(|name| format!("{name} 7 0 R ")).collect();
    format!(
        "<< /Type /Font /Subtype /Type3 /FontBBox [0 0 600 700] /FontMatrix [.001 0 0 .001 0 0] /FirstChar 65 \
         /LastChar 67 /Widths [600 600 600] /Encoding << /Differences [65 {names}] >> /CharProcs << {procedures} >> >>"
    )
}

#[test]
fn drawn_glyphs_need_names() {
    let glyph = b"600 0 0 0 500 700 d1 0 0 500 700 re f";
    let named = shown("41424342", &type3("/R /e /f")).stream(7, "", glyph);
    assert_eq!(named.text(), "Refe");
    let opaque = shown("414243", &type3("/g1 /g2 /g3")).stream(7, "", glyph);
    let scans = opaque.read().unwrap().scans;
    assert!(scans.refusal.is_some() && scans.unreadable == [1], "no engine may guess: {scans:?}");
}

#[test]
fn stretched_glyphs_make_no_gaps() {
    let widths = "500 ".repeat(95);
    let font = format!(
        "<< /Type /Font /Subtype /TrueType /BaseFont /LetterGothic12Pt /Encoding /WinAnsiEncoding /FirstChar 32 \
         /LastChar 126 /Widths [{widths}] >>"
    );
    let draft = page(&line(50.0, 700.0, "French Women will").replace("F1", "F2")).object(6, &font);
    assert_eq!(draft.text(), "French Women will");
}

#[test]
fn vowel_signs_with_room_of_their_own_make_no_gaps() {
    // The sign of the vowel AA between two letters of Devanagari, each glyph as wide as the font says.
    let font = "<< /Type /Font /Subtype /Type0 /BaseFont /Arial /Encoding /Identity-H /ToUnicode /Identity-H \
                /DescendantFonts [<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Arial /CIDSystemInfo << \
                /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> /DW 600 /W [2366 [300]] >>] >>";
    let codes = "0938093E09320020092C093E0917";
    assert_eq!(shown(codes, font).text(), "\u{938}\u{93e}\u{932} \u{92c}\u{93e}\u{917}");
}

#[test]
fn high_exponents_stay_with_their_base() {
    let text = "BT /F1 11 Tf 50 700 Td (Fill 10) Tj /F1 7 Tf 29.4 5 Td (6) Tj /F1 11 Tf 8 -5 Td (jars) Tj ET";
    assert_eq!(page(text).text(), "Fill 106 jars");
}
