use super::*;
use crate::document::archive::tests::zip;

const CONTAINER: &str =
    "<container><rootfiles><rootfile full-path=\"OPS/book.opf\"/></rootfiles></container>";
const BOOK: &str = "<package><metadata><dc:title>Refill</dc:title></metadata><manifest>\
    <item id=\"n\" href=\"nav.xhtml\" properties=\"nav\" media-type=\"application/xhtml+xml\"/>\
    <item id=\"b\" href=\"text/b%20b.xhtml\" media-type=\"application/xhtml+xml\"/><item id=\"a\" href=\"text/a.xhtml\" media-type=\"application/xhtml+xml\"/>\
    </manifest><spine><itemref idref=\"b\"/><itemref idref=\"a\"/></spine></package>";
const CONTENTS: &str = "<!DOCTYPE html><html><body><nav><ol><li><a href=\"text/b%20b.xhtml#x\">The <i>first</i></a></li>\
    <li><a href=\"text/a.xhtml\">The second</a></li></ol></nav></body></html>";

fn book(encryption: &str) -> Vec<u8> {
    let mut parts: Vec<(&str, &[u8])> = vec![
        ("mimetype", b"application/epub+zip"),
        ("META-INF/container.xml", CONTAINER.as_bytes()),
        ("OPS/book.opf", BOOK.as_bytes()),
        ("OPS/nav.xhtml", CONTENTS.as_bytes()),
        ("OPS/text/a.xhtml", b"<html><body><h1>Two</h1><p>Second words.</p></body></html>"),
        ("OPS/text/b b.xhtml", b"<html><head><title/></head><body><h1>One</h1><p>First</p><h2>Part</h2><p hidden=''>no</p></body></html>"),
    ];
    if !encryption.is_empty() {
        parts.push(("META-INF/encryption.xml", encryption.as_bytes()));
    }
    zip(&parts)
}

#[test]
fn chapters_follow_the_spine() {
    let document = extract(&book("")).unwrap();
    let pages: Vec<(Option<&str>, &str)> =
        document.pages.iter().map(|page| (page.label.as_deref(), page.text.as_str())).collect();
    assert_eq!(
        pages,
        [(Some("The first"), "One\n\nFirst\n\nPart"), (Some("The second"), "Two\n\nSecond words.")]
    );
    assert_eq!(document.title.as_deref(), Some("Refill"));
    assert_eq!((document.hidden[0].page, document.hidden[0].text.as_str()), (1, "no"));
}

#[test]
fn only_encrypted_chapters_are_protected() {
    let font = "<encryption><CipherReference URI=\"OPS/font.otf\"/></encryption>";
    assert!(extract(&book(font)).is_ok());
    let chapter = "<encryption><CipherReference URI=\"OPS/text/a.xhtml\"/></encryption>";
    assert!(
        matches!(extract(&book(chapter)), Err(DocumentError::Unsupported(reason)) if reason.contains("DRM"))
    );
}

/// A book of one chapter with three passages, and these two sheets.
fn styled(main: &[u8], more: &[u8]) -> RawDocument {
    let chapter = b"<html><head><link rel=\"stylesheet\" href=\"../css/main.css\"/></head><body><p>Seen.</p>\
        <p class=\"a\">One.</p><p class=\"b\">Two.</p></body></html>";
    let parts: [(&str, &[u8]); 6] = [
        ("mimetype", b"application/epub+zip"),
        ("META-INF/container.xml", CONTAINER.as_bytes()),
        ("OPS/book.opf", BOOK.as_bytes()),
        ("OPS/text/a.xhtml", chapter),
        ("OPS/css/main.css", main),
        ("OPS/css/more.css", more),
    ];
    extract(&zip(&parts)).unwrap()
}

fn hidden(document: &RawDocument) -> Vec<&str> {
    document.hidden.iter().map(|hidden| hidden.text.as_str()).collect()
}

#[test]
fn style_sheets_of_the_book_hide_text() {
    let more = b".b { visibility: hidden } /* @import 'main.css' */";
    let document = styled(b"@import 'more.css'; .a { display: none }", more);
    assert_eq!(document.pages[0].text, "Seen.");
    assert_eq!(hidden(&document), ["One.", "Two."]);
    assert!(!document.warnings.iter().any(|warning| warning == UNREAD_STYLES));
}

#[test]
fn imports_for_print_and_in_comments_hide_nothing() {
    for import in ["@import url(more.css) print;", "/* @import 'more.css'; */", "@import 'none.css';"] {
        let main = format!("{import} .a {{ display: none }}");
        let document = styled(main.as_bytes(), b".b { display: none }");
        assert_eq!(hidden(&document), ["One."], "{import}");
        assert!(!document.warnings.iter().any(|warning| warning == UNREAD_STYLES), "{import}");
    }
}

#[test]
fn a_sheet_that_is_too_long_is_named_in_a_warning() {
    let document = styled(b"@import 'more.css'; .a { display: none }", &vec![b' '; 1_000_001]);
    assert_eq!(hidden(&document), ["One."]);
    assert!(document.warnings.iter().any(|warning| warning == UNREAD_STYLES));
}
