//! Layouts that reports have, each as a frame of its own.

use super::super::segment::Segment;
use super::*;
use crate::document::pdf::layout;

fn put(frame: &mut Frame, text: &str, x0: f64, baseline: f64, size: f64) {
    let x1 = x0 + text.len() as f64 * size * 0.45;
    frame.segments.push(Segment { text: text.to_owned(), x0, x1, baseline, size, ..Segment::default() });
}

fn page() -> Frame {
    Frame { bottom: 800.0, ..Frame::default() }
}

fn text_of(frame: &Frame) -> String {
    layout::write(frame).text
}

/// Lines of prose, each with its number at the end.
fn column(frame: &mut Frame, name: &str, count: usize, x0: f64, top: f64, leading: f64) {
    const LINES: [&str; 3] =
        ["about the shelf of plants now", "and of what the shoppers want", "or so the visitors all say"];
    for (row, line) in LINES.iter().cycle().take(count).enumerate() {
        put(frame, &format!("{line} {name}{row:02}"), x0, top + leading * row as f64, 10.0);
    }
}

fn assert_order(text: &str, needles: &[&str]) {
    let places: Vec<Option<usize>> = needles.iter().map(|needle| text.find(needle)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{needles:?} in:\n{text}");
}

#[test]
fn names_and_figures_are_rows() {
    let mut frame = page();
    for (row, name) in ["ALVAREZ GOMEZ", "MARTINEZ SOSA", "PERAZZO RUIZ", "PULESTON PAZ"].iter().enumerate() {
        let baseline = 100.0 + 12.0 * row as f64;
        put(&mut frame, name, 50.0, baseline, 9.0);
        put(&mut frame, "JUAN MARTIN PEDRO", 180.0, baseline, 9.0);
        put(&mut frame, "27.083.410 20-27083460", 320.0, baseline, 9.0);
    }
    assert!(text_of(&frame).starts_with("ALVAREZ GOMEZ JUAN MARTIN PEDRO 27.083.410 20-27083460\nMARTINEZ"));
}

#[test]
fn columns_reach_the_foot_of_the_page() {
    let mut frame = page();
    column(&mut frame, "L", 8, 50.0, 680.0, 14.0);
    column(&mut frame, "R", 7, 310.0, 681.0, 15.0);
    assert_order(&text_of(&frame), &["L00", "L07", "R00", "R06"]);
}

#[test]
fn columns_off_the_grid_of_their_neighbours_are_three() {
    let mut frame = page();
    column(&mut frame, "A", 20, 40.0, 100.0, 12.0);
    column(&mut frame, "B", 20, 220.0, 104.0, 12.0);
    column(&mut frame, "C", 20, 400.0, 108.0, 12.0);
    assert_order(&text_of(&frame), &["A00", "A19", "B00", "B19", "C00", "C19"]);
}

#[test]
fn a_bullet_in_the_gutter_stays_with_its_text() {
    let mut frame = page();
    column(&mut frame, "L", 12, 50.0, 100.0, 12.0);
    column(&mut frame, "R", 12, 310.0, 100.0, 12.0);
    put(&mut frame, "-", 300.0, 160.0, 10.0);
    let text = text_of(&frame);
    assert!(text.contains("- or so the visitors all say R05"), "{text}");
}

#[test]
fn captions_below_columns_do_not_part_them() {
    let mut frame = page();
    column(&mut frame, "L", 12, 50.0, 100.0, 12.0);
    column(&mut frame, "R", 11, 310.0, 100.0, 12.0);
    put(&mut frame, "Table 1. What the panel said.", 50.0, 258.0, 7.5);
    assert_order(&text_of(&frame), &["L11", "R00", "R10", "Table 1."]);
}

#[test]
fn cards_are_read_row_by_row() {
    let mut frame = page();
    for (name, x0, top) in [("A", 50.0, 100.0), ("B", 310.0, 100.0), ("C", 50.0, 320.0), ("D", 310.0, 320.0)]
    {
        put(&mut frame, &format!("Trend number {name}"), x0, top, 14.0);
        column(&mut frame, name, 9, x0, top + 18.0, 12.0);
    }
    assert_order(
        &text_of(&frame),
        &["number A", "A08", "number B", "B08", "number C", "C08", "number D", "D08"],
    );
}

#[test]
fn cells_at_the_middle_of_their_row_stay_in_it() {
    let mut frame = page();
    for row in 0..4 {
        let top = 100.0 + 40.0 * row as f64;
        put(&mut frame, &format!("Refill station {row}"), 50.0, top + 6.0, 10.0);
        put(&mut frame, "shoppers fill their bottles at", 250.0, top, 10.0);
        put(&mut frame, &format!("the bar and pay by weight {row}"), 250.0, top + 12.0, 10.0);
    }
    assert_order(
        &text_of(&frame),
        &["station 0", "weight 0", "station 1", "weight 1", "station 3", "weight 3"],
    );
}

#[test]
fn large_figures_stay_with_their_words() {
    let mut frame = page();
    for (card, figure) in ["42%", "3.1m", "19"].iter().enumerate() {
        let x0 = 50.0 + 170.0 * card as f64;
        put(&mut frame, figure, x0, 100.0, 28.0);
        put(&mut frame, &format!("of card {card} the words"), x0, 120.0, 10.0);
        put(&mut frame, &format!("go on below it {card}"), x0, 132.0, 10.0);
    }
    assert_order(&text_of(&frame), &["42%", "below it 0", "3.1m", "below it 1", "19", "below it 2"]);
}
