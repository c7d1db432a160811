use super::builder::{Draft, flat, line, page};
use crate::document::HiddenReason;
use crate::document::error::DocumentError;

const PICTURE: &str = "/XObject << /I 10 0 R >>";

/// A page with a visible line and this content.
fn beside(content: &str) -> Draft {
    page(&format!("{}{content}", line(50.0, 750.0, "Seen")))
}

fn with_picture(draft: Draft) -> Draft {
    let entries =
        "/Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8";
    draft.resources(PICTURE).stream(10, entries, b"\x80")
}

fn secret() -> String {
    line(50.0, 700.0, "Secret")
}

/// The text of the page, and its hidden texts.
fn seen(draft: &Draft) -> (String, Vec<(HiddenReason, String)>) {
    let document = draft.read().unwrap();
    assert_eq!(document.hidden.is_empty(), document.warnings.is_empty(), "{:?}", document.warnings);
    let hidden = document.hidden.iter().map(|hidden| (hidden.reason, hidden.text.clone())).collect();
    (flat(&document), hidden)
}

fn is_hidden(draft: &Draft, reason: HiddenReason) {
    assert_eq!(seen(draft), ("Seen".to_owned(), vec![(reason, "Secret".to_owned())]));
}

fn is_seen(draft: &Draft) {
    assert_eq!(seen(draft), ("Seen Secret".to_owned(), Vec::new()));
}

#[test]
fn invisible_text_needs_a_picture() {
    let invisible = format!("3 Tr {}", secret());
    is_hidden(&beside(&invisible), HiddenReason::Marked);
    is_hidden(&beside(&format!("q 7 Tr {} Q", secret())), HiddenReason::Marked);
    let scan = with_picture(page(&format!("q 600 0 0 800 0 0 cm /I Do Q {invisible}")));
    let document = scan.read().unwrap();
    assert_eq!(flat(&document), "Secret");
    assert!(document.pages[0].is_recognised && document.hidden.is_empty());
}

#[test]
fn text_filled_with_a_picture_is_seen() {
    let draft = with_picture(beside(&format!("q 7 Tr {} q 300 0 0 50 40 690 cm /I Do Q Q", secret())));
    is_seen(&draft);
}

#[test]
fn a_document_of_invisible_text_is_a_scan() {
    let document = page(&format!("3 Tr {}", secret())).read().unwrap();
    assert_eq!(flat(&document), "Secret");
    assert!(document.pages[0].is_recognised && document.warnings[0].contains("invisible"));
}

#[test]
fn text_in_the_colour_of_its_ground_is_hidden() {
    is_hidden(&beside(&format!("1 g {}", secret())), HiddenReason::Colour);
    is_hidden(&beside(&format!("0 0 0 0 k {}", secret())), HiddenReason::Colour);
    is_hidden(&beside(&format!("0 0 1 rg 40 690 300 30 re f {}", secret())), HiddenReason::Colour);
    is_seen(&beside(&format!("0 0 1 rg 40 690 300 30 re f 1 g {}", secret())));
    is_seen(&beside(&format!("0 0 1 RG 30 w 40 705 m 340 705 l S 1 g {}", secret())));
    is_seen(&beside(&format!("1 g 0 G 2 Tr {}", secret())));
}

#[test]
fn light_text_on_a_picture_is_seen() {
    is_seen(&with_picture(beside(&format!("q 300 0 0 40 40 690 cm /I Do Q 1 g {}", secret()))));
}

#[test]
fn unseen_paint_hides() {
    let draft = beside(&format!("/G gs {}", secret())).resources("/ExtGState << /G << /ca 0 >> >>");
    is_hidden(&draft, HiddenReason::Colour);
}

#[test]
fn covered_text_is_hidden() {
    is_hidden(&beside(&format!("{} 0 g 40 690 300 30 re f", secret())), HiddenReason::Covered);
    let draft = beside(&format!("{} q 300 0 0 40 40 690 cm /I Do Q", secret()));
    is_hidden(&with_picture(draft), HiddenReason::Covered);
    is_hidden(&beside(&format!("{} 0 g 40 690 300 30 re 40 600 9 9 re f", secret())), HiddenReason::Covered);
    is_seen(&beside(&format!("{} 0 g 40 690 300 30 re 41 691 298 28 re f*", secret())));
    is_seen(&beside(&format!("{0} 1 g 40 690 300 30 re f 0 g {0}", secret())));
    let marker = beside(&format!("{} /G gs 1 1 0 rg 40 690 300 30 re f", secret()));
    is_seen(&marker.clone().resources("/ExtGState << /G << /ca .4 >> >>"));
    is_seen(&marker.resources("/ExtGState << /G << /BM /Multiply >> >>"));
}

#[test]
fn text_below_the_picture_of_its_page_is_recognised() {
    let draft = with_picture(page(&format!("{} q 600 0 0 800 0 0 cm /I Do Q", secret())));
    let document = draft.read().unwrap();
    assert_eq!(flat(&document), "Secret");
    assert!(document.pages[0].is_recognised);
}

#[test]
fn outside_and_tiny_text_is_hidden() {
    is_hidden(&beside(&line(50.0, -300.0, "Secret")), HiddenReason::Outside);
    is_hidden(&beside(&format!("q 400 90 50 50 re W n {} Q", secret())), HiddenReason::Outside);
    is_hidden(&beside(&line(50.0, 30.0, "Secret")).page("/CropBox [0 100 600 800]"), HiddenReason::Outside);
    is_hidden(&beside(&secret().replace("12 Tf", ".5 Tf")), HiddenReason::Tiny);
    let narrow = beside(&secret().replace("12 Tf", "12 Tf 1 Tz"));
    assert_eq!(seen(&narrow).0, "Seen", "letters without breadth");
}

#[test]
fn layers_that_are_off_are_hidden() {
    let layered = |config: &str, layer: &str| {
        beside(&format!("/OC /L BDC {} EMC", secret()))
            .resources("/Properties << /L 20 0 R >>")
            .catalog(&format!("/OCProperties << /OCGs [20 0 R] /D << {config} >> >>"))
            .object(20, &format!("<< /Type /OCG /Name (L) {layer} >>"))
    };
    let view = |state| format!("/Usage << /View << /ViewState /{state} >> >>");
    let by_use = "/AS [<< /Event /View /Category [/View] /OCGs [20 0 R] >>]";
    is_hidden(&layered("/OFF [20 0 R]", ""), HiddenReason::Layer);
    is_hidden(&layered("/BaseState /OFF", ""), HiddenReason::Layer);
    is_hidden(&layered(by_use, &view("OFF")), HiddenReason::Layer);
    is_seen(&layered(&format!("/OFF [20 0 R] {by_use}"), &view("ON")));
    is_seen(&layered("", &view("OFF")));
    let condition = layered("", "").object(20, "<< /Type /OCMD /VE [/Not 21 0 R] >>");
    is_hidden(&condition.object(21, "<< /Type /OCG /Name (M) >>"), HiddenReason::Layer);
}

#[test]
fn a_drawing_on_a_layer_is_hidden() {
    let form =
        "/Type /XObject /Subtype /Form /BBox [0 0 600 800] /OC 20 0 R /Resources << /Font << /F1 5 0 R >> >>";
    let draft = beside("/X Do")
        .resources("/XObject << /X 21 0 R >>")
        .catalog("/OCProperties << /OCGs [20 0 R] /D << /OFF [20 0 R] >> >>")
        .object(20, "<< /Type /OCG /Name (L) >>")
        .stream(21, form, secret().as_bytes());
    is_hidden(&draft, HiddenReason::Layer);
}

#[test]
fn a_note_on_a_layer_is_hidden() {
    let look = "/Type /XObject /Subtype /Form /BBox [0 0 250 20] /Resources << /Font << /F1 5 0 R >> >>";
    let note = "<< /Type /Annot /Subtype /FreeText /Contents (Secret) /OC 20 0 R /Rect [50 600 300 620] \
                /AP << /N 11 0 R >> >>";
    let draft = beside("")
        .page("/Annots [10 0 R]")
        .catalog("/OCProperties << /OCGs [20 0 R] /D << /OFF [20 0 R] >> >>")
        .object(20, "<< /Type /OCG /Name (L) >>")
        .object(10, note)
        .stream(11, look, b"BT /F1 12 Tf 2 4 Td (Secret) Tj ET");
    is_hidden(&draft, HiddenReason::Layer);
}

#[test]
fn a_document_without_seen_text_is_refused() {
    let draft = page(&format!("1 g {}", secret()));
    assert!(matches!(draft.read(), Err(DocumentError::NoText(reason)) if reason.contains("no text")));
}

#[test]
fn pages_of_strips_are_left_to_ocr() {
    let strips = |count: usize| -> String {
        (0..count).map(|at| format!("q 600 0 0 100 0 {} cm /I Do Q ", 100 * at)).collect()
    };
    let scan = with_picture(page(&strips(8))).read().unwrap();
    assert_eq!(scan.scans.pictures, [1]);
    assert!(scan.scans.refusal.unwrap().contains("scanned images"));
    let part = with_picture(beside(&strips(3))).read().unwrap();
    assert!(part.scans.is_empty(), "a page with some pictures");
}
