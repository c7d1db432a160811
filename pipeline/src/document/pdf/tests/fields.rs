use super::builder::{Draft, flat, line, page};

/// A form with one field.
fn form(entries: &str) -> Draft {
    let field = format!(
        "<< /Type /Annot /Subtype /Widget {entries} /Rect [150 690 400 712] /P 3 0 R /DA (/F1 12 Tf 0 g) >>"
    );
    page(&line(50.0, 696.0, "Name:"))
        .page("/Annots [10 0 R]")
        .catalog("/AcroForm << /Fields [10 0 R] >>")
        .object(10, &field)
}

#[test]
fn values_without_appearance_are_read() {
    for (entries, text) in [
        ("/FT /Tx /V (Nora Field)", "Name: Nora Field"),
        ("/FT /Tx /V <FEFF004E006F0072006100E9>", "Name: Nora\u{e9}"),
        ("/FT /Ch /V (e) /Opt [[(c) (Cat)] [(e) (Elephant)]]", "Name: Elephant"),
        ("/FT /Ch /V (Cat) /Opt [(Cat) (Dog)]", "Name: Cat"),
        ("/Parent 11 0 R", "Name: Inherited"),
        ("/FT /Btn /AS /Yes /MK << /CA (4) >>", "Name: \u{2714}"),
        ("/FT /Btn /Ff 65536 /MK << /CA (Send) >>", "Name: Send"),
        ("/FT /Btn /AS /Off", "Name:"),
        ("/FT /Tx /Ff 8192 /V (password)", "Name:"),
        ("/FT /Tx /F 2 /V (hidden)", "Name:"),
    ] {
        let draft = form(entries).object(11, "<< /FT /Tx /V (Inherited) >>");
        assert_eq!(draft.text(), text, "{entries}");
    }
}

#[test]
fn a_value_with_appearance_is_read_once() {
    let appearance =
        "/Type /XObject /Subtype /Form /BBox [0 0 250 22] /Resources << /Font << /F1 5 0 R >> >>";
    let draft = form("/FT /Tx /V (Nora) /AP << /N 12 0 R >>");
    let drawn = draft.clone().stream(12, appearance, b"BT /F1 12 Tf 2 4 Td (Nora) Tj ET");
    assert_eq!(drawn.text(), "Name: Nora");
    assert_eq!(draft.stream(12, appearance, b"/Tx BMC EMC").text(), "Name: Nora", "an empty appearance");
}

#[test]
fn notes_on_the_page_are_read_and_comments_are_named() {
    let note = "<< /Type /Annot /Subtype /FreeText /Contents (A note on the page) /Rect [50 600 300 620] >>";
    let comment = "<< /Type /Annot /Subtype /Text /Contents (Beside) /Rect [50 500 70 520] >>";
    let draft = page(&line(50.0, 700.0, "Page")).page("/Annots [10 0 R 11 0 R]");
    let document = draft.object(10, note).object(11, comment).read().unwrap();
    assert_eq!(flat(&document), "Page A note on the page");
    assert!(document.warnings[0].starts_with("1 comment was not read"), "{:?}", document.warnings);
}
