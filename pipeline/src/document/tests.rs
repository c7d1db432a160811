use proptest::prelude::*;

use super::archive::tests::zip;
use super::*;

/// Bytes that look a little like a document, so that a parser gets further than its first look.
fn documents() -> impl Strategy<Value = Vec<u8>> {
    let starts = prop_oneof![
        Just(""),
        Just("<!doctype html><main>"),
        Just("<html><table><tr><td>"),
        Just("# Heading\n\n"),
        Just("| a | b |\n|---|---|\n"),
        Just("\u{feff}"),
        Just("{\\rtf1\\ansi "),
        Just("RIFF"),
        Just("<!doctype html><style>.a p{display:none} #b>.c{color:#fff}</style>"),
        Just("From: a@b\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n--x\n"),
        Just(
            "MIME-Version: 1.0\nContent-Type: multipart/related; boundary=x\n\n--x\nContent-Type: text/html\n\n"
        ),
    ];
    let pieces = prop_oneof![
        any::<Vec<u8>>(),
        "[<>/a-z\"'= \n]{0,40}".prop_map(String::into_bytes),
        "(<(/?)(p|div|td|tr|table|nav|main|h1|li|pre|script|title|br)>|[a-z &;#]{0,9}){0,20}"
            .prop_map(String::into_bytes),
        "(<(/?)(ol start=3|li value=x|table|th|svg|math|msup|q|sup|iframe srcdoc='<p>'|aside|article|h2|a href=x|button|p class=a|div id=b style='color:#fff'|p hidden)>|[a-z.0-9]{0,9}|<!--|-->|&[a-z]{0,5};){0,30}"
            .prop_map(String::into_bytes),
        "(\\{|\\}|\\\\(par|cell|row|intbl|u-?[0-9]{1,6}|uc[0-9]|'[0-9a-f]{2}|bin[0-9]{1,3}|footnote|v|s1|f1|fonttbl|listtext|\\*|pict|page) ?|[a-z ]{0,5}){0,40}"
            .prop_map(String::into_bytes),
        "(--x(--)?\n|Content-Type: (text/plain|text/html|message/rfc822|multipart/mixed; boundary=y)\n|Content-Transfer-Encoding: (base64|quoted-printable)\n|--y\n|\n|=[0-9A-F]{2}|[a-z ]{0,9}){0,30}"
            .prop_map(String::into_bytes),
        "[#*_`\\[\\]()|>\\- \na-z0-9]{0,60}".prop_map(String::into_bytes),
        "\\PC{0,30}".prop_map(String::into_bytes),
    ];
    (starts, prop::collection::vec(pieces, 0..8)).prop_map(|(start, pieces)| {
        let mut bytes = start.as_bytes().to_vec();
        pieces.iter().for_each(|piece| bytes.extend_from_slice(piece));
        bytes
    })
}

fn check(document: &Document) {
    assert!(!document.pages.is_empty());
    for (page, number) in document.pages.iter().zip(1..) {
        assert_eq!(page.number, number);
        assert!((0.0..=1.0).contains(&page.readable));
        assert!(!page.text.contains(['\0', '\r', '\t']) && !page.text.contains("\n\n\n"));
        let lines = page.text.lines().count();
        assert!(page.running_header_lines.iter().all(|index| *index < lines));
    }
}

proptest! {
    #[test]
    fn no_bytes_make_extraction_panic(bytes in documents(), name in "(a|a\\.md|a\\.html|a\\.txt|)") {
        if let Ok(document) = extract(&name, &bytes) {
            check(&document);
        }
    }

    #[test]
    fn no_xml_makes_extraction_panic(
        body in "(<(/?)(w:p|w:r|w:t|w:tbl|w:tr|w:tc|w:br w:type=\"page\"|mc:Fallback|w:pPr)(/?)>|[a-z&;]{0,9}){0,30}"
    ) {
        let xml = format!("<w:document>{body}</w:document>");
        for part in ["word/document.xml", "ppt/presentation.xml"] {
            if let Ok(document) = extract("a", &zip(&[(part, xml.as_bytes())])) {
                check(&document);
            }
        }
    }

    #[test]
    fn no_sheet_makes_extraction_panic(
        body in "(<(/?)(row r=\"[0-9]{1,9}\"|c r=\"[A-Z]{1,4}[0-9]{1,8}\"|c t=\"s\" s=\"1\"|v|f|mergeCell ref=\"A1:XFD[0-9]{1,7}\"|c)(/?)>|[0-9.E;-]{0,9}){0,30}"
    ) {
        let sheet = format!("<worksheet><sheetData>{body}</sheetData></worksheet>");
        let book = "<workbook><sheet name=\"a\" r:id=\"s\"/></workbook>";
        let links = "<Relationships><Relationship Id=\"s\" Type=\"x/worksheet\" Target=\"s.xml\"/></Relationships>";
        let parts: [(&str, &[u8]); 3] =
            [("xl/workbook.xml", book.as_bytes()), ("xl/_rels/workbook.xml.rels", links.as_bytes()), ("xl/s.xml", sheet.as_bytes())];
        if let Ok(document) = extract("a", &zip(&parts)) {
            check(&document);
        }
    }

    #[test]
    fn no_open_document_makes_extraction_panic(
        body in "(<(/?)(text:p|text:h|text:span|text:list|text:list-item|text:note-body|table:table|table:table-row|table:table-cell|draw:page|draw:frame svg:x=\"1cm\" svg:y=\"nan\"|text:s text:c=\"999999999\"|office:body)(/?)>|[a-z&;]{0,9}){0,30}",
        kind in "(text|presentation|spreadsheet)"
    ) {
        let content = format!("<office:document-content><office:body>{body}</office:body></office:document-content>");
        let mime = format!("application/vnd.oasis.opendocument.{kind}");
        if let Ok(document) = extract("a", &zip(&[("mimetype", mime.as_bytes()), ("content.xml", content.as_bytes())])) {
            check(&document);
        }
    }

    #[test]
    fn no_number_makes_a_format_panic(code in "([0#?.,%Ee+/;@ymdhs\\[\\]\"\\\\_* -]|General|AM/PM){0,30}", value in any::<f64>()) {
        let format = super::office::number_format::NumberFormat::new(&code, false);
        prop_assert!(format.number(value).len() < 20_000);
    }

    #[test]
    fn plain_text_keeps_its_words(text in "[a-zA-Z0-9 ,.\n]{1,400}") {
        if let Ok(document) = extract("a.txt", text.as_bytes()) {
            let read: Vec<&str> = document.pages.iter().flat_map(|page| page.text.split_whitespace()).collect();
            prop_assert_eq!(read, text.split_whitespace().collect::<Vec<_>>());
        }
    }
}

#[test]
fn more_text_than_allowed_is_too_large() {
    let text = b"Words of a long text. ".repeat(TEXT_BYTES_MAX / 20);
    assert!(matches!(extract("long.txt", &text), Err(DocumentError::TooLarge(_))));
}

#[test]
fn more_pages_than_allowed_are_too_large() {
    let text = b"page\x0c".repeat(PAGES_MAX + 1);
    assert!(matches!(extract("long.txt", &text), Err(DocumentError::TooLarge(_))));
}

#[test]
fn a_document_without_words_holds_no_text() {
    assert!(matches!(extract("a.html", b"<html><p>-</p></html>"), Err(DocumentError::NoText(_))));
}
