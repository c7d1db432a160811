use super::*;
use crate::document::Format;

const ENGINE: &str = "tesseract 5.3.0, eng";

fn table(words: &[&str]) -> Vec<u8> {
    let mut table = "level\t…\n".to_owned();
    for (at, word) in words.iter().enumerate() {
        table += &format!("5\t1\t1\t1\t1\t{at}\t{}\t0\t90\t20\t95\t{word}\n", 100 * at);
    }
    table.into_bytes()
}

fn read(words: &[&str]) -> PageReading {
    PageReading::Read(RecognisedPage::from_tsv(&table(words), 1.0).unwrap())
}

fn failed() -> PageReading {
    PageReading::Failed("the program crashed".to_owned())
}

/// A document of three pages: the first one has text, the others are pictures.
fn scanned(is_refused: bool) -> Scanned {
    let text = |number: u32| if number == 1 && !is_refused { "Typed words." } else { "" };
    let page = |number: u32| Page { number, text: text(number).to_owned(), ..Page::default() };
    let pictures = if is_refused { vec![1, 2, 3] } else { vec![2, 3] };
    let refusal = is_refused.then(|| "its pages are scanned images".to_owned());
    Scanned {
        document: Document { format: Format::Pdf, pages: (1..=3).map(page).collect(), ..Document::default() },
        scans: Scans { pictures, unreadable: Vec::new(), refusal },
    }
}

fn joined(is_refused: bool, pages: Vec<(u32, PageReading)>) -> Result<Document, DocumentError> {
    join(scanned(is_refused), Recognition { engine: ENGINE.to_owned(), pages, pages_max: 2 })
}

#[test]
fn recognised_pages_are_marked_and_named() {
    let document = joined(false, vec![(2, read(&["Scanned", "words."]))]).unwrap();
    let pages: Vec<(&str, bool)> =
        document.pages.iter().map(|page| (page.text.as_str(), page.is_recognised)).collect();
    assert_eq!(pages, [("Typed words.", false), ("Scanned words.", true), ("", false)]);
    let [read, left] = document.warnings.as_slice() else { panic!("{:?}", document.warnings) };
    assert!(read.starts_with("Page 2 was read by OCR (tesseract 5.3.0, eng)"), "{read}");
    assert!(
        left.starts_with("Page 3 looks scanned and was not read") && left.contains("OCR_PAGES_MAX"),
        "{left}"
    );
}

#[test]
fn plus_signs_are_warned_of() {
    let signed = joined(false, vec![(2, read(&["+", "5", "%"])), (3, read(&["a", "+", "b"]))]).unwrap();
    let [_, signs] = signed.warnings.as_slice() else { panic!("{:?}", signed.warnings) };
    assert!(signs.starts_with("Page 2 has figures with a plus sign"), "{signs}");
}

#[test]
fn empty_and_failed_pages_are_named() {
    let document = joined(false, vec![(2, read(&[])), (3, failed())]).unwrap();
    assert_eq!(
        document.warnings,
        [
            "Page 2 is a picture in which OCR found no words.",
            "Page 3 looks scanned and could not be read by OCR, because the program crashed."
        ]
    );
}

#[test]
fn a_scan_without_words_is_refused() {
    let reason = |pages| joined(true, pages).unwrap_err().to_string();
    assert!(reason(vec![(1, read(&[])), (2, read(&[]))]).contains("found no words on them; scan it again"));
    assert!(reason(vec![(1, failed())]).contains("could not read page 1, because the program crashed"));
    assert!(joined(true, vec![(1, failed()), (2, read(&["Words"]))]).is_ok());
}

#[test]
fn without_ocr_the_cure_is_named() {
    let error = without(scanned(true), OFF).unwrap_err();
    assert_eq!(error.code(), "DOCUMENT_NO_TEXT");
    assert!(
        error
            .to_string()
            .contains("scanned images; run OCR on it first, or let the service do it (OCR=auto)")
    );
    let document = without(scanned(false), OFF).unwrap();
    assert!(
        document.warnings[0].contains("Each of pages 2 and 3 looks scanned")
            && document.warnings[0].contains("OCR=auto")
    );
}
