use super::builder::{line, page};

fn span(text: &str, content: &str) -> String {
    format!("/Span << /ActualText {text} >> BDC {content} EMC ")
}

#[test]
fn a_text_stands_for_its_glyphs() {
    let after = line(100.0, 700.0, "station");
    assert_eq!(page(&(span("(refill)", &line(50.0, 700.0, "xq")) + &after)).text(), "refill station");
    let utf16 = span("<FEFF00660069>", &line(50.0, 700.0, "~"));
    assert_eq!(page(&utf16).text(), "fi");
    let nested = span("(outer)", &(span("(inner)", &line(50.0, 700.0, "x")) + &line(56.0, 700.0, "y")));
    assert_eq!(page(&(nested + &after)).text(), "outer station");
    let named = page("/Span /P BDC BT /F1 12 Tf 50 700 Td (xq) Tj ET EMC");
    assert_eq!(named.resources("/Properties << /P << /ActualText (refill) >> >>").text(), "refill");
}

#[test]
fn a_word_goes_on_after_a_soft_hyphen() {
    let hyphen = span("<FEFF00AD>", &line(77.0, 700.0, "-"));
    let text = line(50.0, 700.0, "refill") + &hyphen + &line(50.0, 686.0, "able");
    assert_eq!(page(&text).text(), "refill\u{ad}able");
}

#[test]
fn a_text_that_no_glyphs_show_is_left_out() {
    let long = "(A long sentence about margins that no reader of this page sees anywhere.)";
    assert_eq!(page(&span(long, &line(50.0, 700.0, "shown"))).text(), "shown");
}

#[test]
fn shadows_and_slow_drift_are_one_text() {
    let drift: String = [0.0, 0.5, 1.0, 1.5].iter().map(|x| line(50.0 + x, 700.0, "Bold balloon")).collect();
    assert_eq!(page(&drift).text(), "Bold balloon");
    let each: String = [50.0, 50.3, 53.0, 53.3].iter().map(|x| line(*x, 700.0, "l")).collect();
    assert_eq!(page(&each).text(), "ll", "a double letter, each printed twice");
}
