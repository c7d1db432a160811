//! Documents through the binary: every format and fixture.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pipeline::document::{Document, Format};

use crate::support::{
    agreement::{compare, words},
    distinct::Template,
};

mod hostile;
mod marks;

const PROGRAM: &str = env!("CARGO_BIN_EXE_innovation");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn fixture(name: &str) -> PathBuf {
    root().join("tests/fixtures/documents").join(name)
}

fn sample(name: &str) -> PathBuf {
    root().join("data/samples").join(name)
}

fn extract(file: &Path, options: &[&str]) -> Output {
    Command::new(PROGRAM).arg("extract").arg(file).args(options).output().unwrap()
}

fn text(file: &Path) -> String {
    let output = extract(file, &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn document(file: &Path) -> Document {
    let output = extract(file, &["--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The code of the error, which both forms of the output carry.
fn refused(file: &Path) -> String {
    let json = extract(file, &["--json"]);
    assert_eq!(json.status.code(), Some(1));
    let error: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let code = error["error"]["code"].as_str().unwrap().to_owned();
    let plain = extract(file, &[]);
    assert_eq!((plain.status.code(), plain.stdout.as_slice()), (Some(1), &b""[..]));
    assert!(String::from_utf8_lossy(&plain.stderr).starts_with(&format!("{code}: ")));
    code
}

fn assert_in_order(text: &str, needles: &[&str]) {
    let mut from = 0;
    for needle in needles {
        let at = text[from..]
            .find(needle)
            .unwrap_or_else(|| panic!("{needle:?} is not where it should be:\n{text}"));
        from += at + needle.len();
    }
}

#[test]
fn fixtures_that_cannot_be_read_say_why() {
    for (name, code) in [
        ("encrypted-user.pdf", "DOCUMENT_ENCRYPTED"),
        ("encrypted-user-rc4.pdf", "DOCUMENT_ENCRYPTED"),
        ("image-only.pdf", "DOCUMENT_NO_TEXT"),
        ("truncated.pdf", "DOCUMENT_CORRUPT"),
        ("not-a-pdf.pdf", "DOCUMENT_CORRUPT"),
        ("empty.pdf", "DOCUMENT_NO_TEXT"),
        ("empty.txt", "DOCUMENT_NO_TEXT"),
        ("xxe.docx", "DOCUMENT_CORRUPT"),
        ("entity-bomb.docx", "DOCUMENT_CORRUPT"),
        ("binary.bin", "DOCUMENT_UNSUPPORTED"),
    ] {
        assert_eq!(refused(&fixture(name)), code, "{name}");
    }
}

#[test]
fn an_owner_password_does_not_prevent_reading() {
    let document = document(&fixture("encrypted-owner.pdf"));
    assert_eq!(document.pages.len(), 2);
    assert!(document.pages[0].text.contains("4,120 customers"));
}

#[test]
fn columns_drawn_line_by_line_stay_whole() {
    let text = text(&fixture("two-column.pdf"));
    assert_in_order(
        &text,
        &[
            "A title that runs across",
            "Left column, line one",
            "the left column comes to its end.",
            "Right column, line one",
        ],
    );
}

#[test]
fn overprints_and_text_off_the_page_are_dropped() {
    let text = text(&fixture("overprint.pdf"));
    assert_eq!(text.matches("Fake bold heading printed three times").count(), 1);
    assert_eq!(text.matches("Refill prices fell by 22% per gram.").count(), 1);
    assert!(text.contains("the very very same word"));
    assert!(!text.contains("OUTSIDE"));
}

#[test]
fn fonts_without_names_use_their_charmap() {
    let document = document(&fixture("no-tounicode.pdf"));
    let page = &document.pages[0];
    for line in [
        "Only the charmap of the font knows these letters.",
        "Sales rose by 26% after the fifth week.",
        "The second font is a Type0 font with Identity-H.",
        "A caf\u{e9} in Qu\u{e9}bec sold 310 bottles.",
    ] {
        assert!(page.text.contains(line), "{}", page.text);
    }
    assert!((page.readable - 1.0).abs() < 1e-9);
}

#[test]
fn hyphens_stay_as_printed_and_ligatures_become_letters() {
    let text = text(&fixture("hyphens.pdf"));
    assert!(text.contains("savoury non-\nalcoholic drink"));
    // A soft hyphen at the end of a line is printed, so it is a hyphen.
    assert!(text.contains("con-\nfirmed in a well\u{2011}known report of 2024\u{2013}25."));
    assert!(text.contains("An efficient office found a flavour that fits: staff baffled rivals."));
}

#[test]
fn rotated_pages_and_turned_notes_read_like_others() {
    let document = document(&fixture("rotated.pdf"));
    assert!(
        document.pages[0]
            .text
            .starts_with("Page one is stored sideways and shown upright.\nThe refill counter")
    );
    assert!(document.pages[1].text.starts_with("Page two is stored upright and shown sideways.\nA deposit"));
    assert!(document.pages[2].text.lines().any(|line| line.starts_with("Vertical margin note: preprint")));
}

#[test]
fn running_headers_are_marked_and_kept() {
    let document = document(&fixture("headers.pdf"));
    assert_eq!(document.pages.len(), 6);
    for page in &document.pages {
        let body = page.body();
        assert!(page.text.contains(&format!("Page {} of 6", page.number)));
        assert!(!body.contains("of 6") && !body.contains("The Patient Shelf"), "{body}");
        assert!(body.contains(&format!("Chapter {}: ", page.number)));
        assert_eq!(body.matches("says so in different words").count(), 12);
    }
}

#[test]
fn text_is_read_in_every_encoding() {
    let expected = text(&fixture("utf16le-bom.txt"));
    assert!(
        expected.contains("\u{201c}We run a very slow survey,\u{201d}")
            && expected.contains("\u{20ac}3; a caf\u{e9} in Qu\u{e9}bec")
    );
    assert_eq!(text(&fixture("utf16be-bom.txt")), expected);
    assert_eq!(text(&fixture("utf16le.txt")), expected);
    assert!(
        text(&fixture("windows-1252.txt"))
            .contains("The tin\u{2019}s deposit is \u{20ac}3; a caf\u{e9} in Qu\u{e9}bec")
    );
}

#[test]
fn the_trend_report_reads_in_order() {
    let document = document(&sample("trend-report.pdf"));
    assert_eq!((document.format, document.pages.len()), (Format::Pdf, 13));
    assert!(document.title.unwrap().starts_with("The Patient Shelf"));
    assert_in_order(
        &document.pages[1].text,
        &[
            "Executive summary 3",
            "About the report",
            "2 to\n27 March 2026",
            "How to read the signals",
            "1. The seven countries",
        ],
    );
    assert_in_order(
        &document.pages[2].text,
        &[
            "Speed is no longer scarce",
            "loan and\nrepair programmes",
            "1 \u{b7} Proof you can touch Fjellvik Outfitters, Bergen",
        ],
    );
    assert!(document.pages[2].text.contains("Returns of shell jackets down 31% within six months High"));
    for page in document.pages.iter().skip(1) {
        assert_eq!(page.running_header_lines.len(), 2, "page {}:\n{}", page.number, page.text);
        assert!((page.readable - 1.0).abs() < 1e-9);
    }
}

#[test]
fn the_case_study_reads_alike_as_docx() {
    let sentence = "Food waste fell from 33% to 4% of the weight delivered";
    let (pdf, docx) = (document(&sample("case-study.pdf")), document(&sample("case-study.docx")));
    assert_eq!((pdf.format, docx.format), (Format::Pdf, Format::Docx));
    assert_eq!(pdf.title, docx.title);
    assert!(text(&sample("case-study.pdf")).contains(sentence));
    let docx = text(&sample("case-study.docx"));
    assert!(docx.contains(sentence));
    assert!(docx.contains("Food thrown away, share of weight | 33% | 4%"));
    assert!(docx.contains("Based on 412 arrivals in six huts"), "the footnote");
    assert!(docx.contains("\u{2022} Nothing spoils within nine months"));
}

#[test]
fn the_web_page_holds_its_article_only() {
    let html = text(&sample("spotted-innovation.html"));
    assert!(!html.contains("MUST-NOT-APPEAR"));
    let markdown = document(&sample("spotted-innovation.md"));
    assert_eq!(markdown.format, Format::Markdown);
    assert!(html.contains("\u{2022} The wait is visible."));
    assert!(
        markdown.pages.iter().any(|page| page.text.contains("1. The wait is visible.")),
        "a numbered list"
    );
    for needle in ["A cycle costs 19 kroner.", "Jackets dried | 186,000"] {
        assert!(
            html.contains(needle) && markdown.pages.iter().any(|page| page.text.contains(needle)),
            "{needle}"
        );
    }
    assert_eq!(html.matches('\u{c}').count() + 1, document(&sample("spotted-innovation.html")).pages.len());
}

#[test]
fn the_deck_has_one_page_per_slide() {
    let document = document(&sample("briefing.pptx"));
    assert_eq!((document.format, document.pages.len()), (Format::Pptx, 7));
    assert!(document.pages[3].text.contains("Bottles returned | 68% | 81%"));
    assert!(
        document.pages[3].text.contains("Spoilage fell when the lockers began to order by weather forecast")
    );
}

/// The story that the samples `borrowed-kitchen.*` tell.
fn borrowed_kitchen() -> String {
    let source = std::fs::read(sample("sources/borrowed-kitchen.json")).unwrap();
    let story: serde_json::Value = serde_json::from_slice(&source).unwrap();
    let mut texts = vec![story["title"].as_str().unwrap().to_owned()];
    for chapter in story["chapters"].as_array().unwrap() {
        texts.push(chapter["heading"].as_str().unwrap().to_owned());
        let items = ["paragraphs", "list"].into_iter().filter_map(|part| chapter[part].as_array()).flatten();
        texts.extend(items.map(|text| text.as_str().unwrap().to_owned()));
    }
    texts.join("\n")
}

#[test]
fn one_story_reads_alike_in_every_format() {
    let story = words(&borrowed_kitchen());
    for (name, format, pages) in [
        ("borrowed-kitchen.odt", Format::Odt, 1),
        ("borrowed-kitchen.rtf", Format::Rtf, 4),
        ("borrowed-kitchen.eml", Format::Eml, 2),
        ("borrowed-kitchen.mhtml", Format::Mhtml, 4),
    ] {
        let document = document(&sample(name));
        assert_eq!((document.format, document.pages.len()), (format, pages), "{name}");
        assert_eq!(document.title.as_deref(), Some("The Borrowed Kitchen"), "{name}");
        assert!(document.warnings.is_empty(), "{name}: {:?}", document.warnings);
        let text: Vec<&str> = document.pages.iter().map(|page| page.text.as_str()).collect();
        let agreement = compare(&words(&text.join("\n")), &story);
        assert!(agreement.recall == 1.0 && agreement.order > 0.98, "{name}: {agreement:?}");
        assert!(!text.concat().contains("MUST-NOT-APPEAR"), "{name}");
    }
}

#[test]
fn books_and_slides_are_cited_by_their_parts() {
    let book = document(&sample("borrowed-kitchen.epub"));
    let labels: Vec<&str> = book.pages.iter().filter_map(|page| page.label.as_deref()).collect();
    assert_eq!(labels, ["A kitchen that nobody owns", "What changed", "What others can learn"]);
    let story = words(&borrowed_kitchen());
    let text: Vec<&str> = book.pages.iter().map(|page| page.text.as_str()).collect();
    // All but the title, which is no part of the text.
    assert!(compare(&words(&text.join("\n")), &story).recall > 0.98);
    let slides = document(&sample("borrowed-kitchen.odp"));
    assert_eq!((slides.format, slides.pages.len()), (Format::Odp, 4));
    assert_in_order(
        &slides.pages[2].text,
        &["What changed", "Small portions", "Speaker notes", "spent 18% less"],
    );
}

#[test]
fn one_table_reads_as_each_sheet_shows_it() {
    for (name, format, rows) in [
        (
            "borrowed-kitchen.xlsx",
            Format::Xlsx,
            ["Gable | 1,284 | 82% | \u{20ac}1,219.50 | 3/2/2026", "Boiler house | 655 | 41%"],
        ),
        (
            "borrowed-kitchen.ods",
            Format::Ods,
            ["Gable | 1,284 | 82% | 1,219.50 | 2026-03-02", "Boiler house | 655 | 41%"],
        ),
        (
            "borrowed-kitchen.csv",
            Format::Csv,
            ["Gable | 1284 | 0,82 | 1219,5 | 2026-03-02", "\u{20ac}4.20; the caf\u{e9}"],
        ),
    ] {
        let document = document(&sample(name));
        assert_eq!((document.format, document.pages.len()), (format, 1), "{name}");
        assert_in_order(&document.pages[0].text, &["Kitchen | Hours booked", rows[0], rows[1]]);
        let label = (format != Format::Csv).then_some("Bookings");
        assert_eq!(document.pages[0].label.as_deref(), label, "{name}");
    }
}

#[test]
fn short_plain_text_is_one_page() {
    let document = document(&sample("field-notes.txt"));
    assert_eq!(document.format, Format::Text);
    assert!(document.title.unwrap().starts_with("Field Notes: Saturday Market"));
}

#[test]
fn a_missing_file_is_no_document_error() {
    let output = extract(Path::new("/no/such/file.pdf"), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/no/such/file.pdf"));
}

#[test]
fn copies_of_a_pdf_differ_in_text() {
    for path in [fixture("two-column.pdf"), sample("trend-report.pdf")] {
        let template = Template::new(&std::fs::read(path).unwrap());
        let text = |number: u64| {
            let document = pipeline::document::extract("copy.pdf", &template.copy(number)).unwrap();
            document.pages.iter().map(|page| page.text.clone()).collect::<Vec<_>>()
        };
        let (one, two) = (text(1), text(0xabc));
        assert!(two[0].contains("copy 0000000000000abc of"), "{}", two[0]);
        assert_eq!(one[0].replace("0000000000000001", "0000000000000abc"), two[0]);
        assert_eq!(one[1..], two[1..]);
    }
}
