use super::*;
use crate::document::pdf::layout;

const SIZE: f64 = 10.0;

fn put(frame: &mut Frame, text: &str, x0: f64, baseline: f64, size: f64) {
    let x1 = x0 + text.len() as f64 * size * 0.45;
    frame.segments.push(Segment { text: text.to_owned(), x0, x1, baseline, size, ..Segment::default() });
}

fn text_of(frame: &Frame) -> String {
    layout::write(frame).text
}

fn page() -> Frame {
    Frame { bottom: 800.0, ..Frame::default() }
}

/// A column of prose whose lines name their column and number.
fn column_line(name: &str, index: usize) -> String {
    let filler =
        ["about the shelf of plants now", "and of what the shoppers want", "or so the visitors all say"];
    format!("{} {name}{index:02}", filler[index % 3])
}

fn position(text: &str, needle: &str) -> usize {
    text.find(needle).unwrap_or_else(|| panic!("{needle:?} is missing in:\n{text}"))
}

fn assert_order(text: &str, needles: &[&str]) {
    for pair in needles.windows(2) {
        assert!(position(text, pair[0]) < position(text, pair[1]), "{pair:?} in:\n{text}");
    }
}

#[test]
fn columns_that_the_file_interleaves_come_out_whole() {
    let mut frame = page();
    put(&mut frame, "A full-width title that runs over both of the columns", 50.0, 100.0, 20.0);
    for row in 0..20 {
        let baseline = 140.0 + 14.0 * row as f64;
        put(&mut frame, &column_line("L", row), 50.0, baseline, SIZE);
        put(&mut frame, &column_line("R", row), 310.0, baseline, SIZE);
    }
    put(&mut frame, "A closing line over the full width of the page, below both columns", 50.0, 450.0, SIZE);
    let text = text_of(&frame);
    assert_order(&text, &["A full-width title", "L00", "L01", "L19", "R00", "R19", "A closing line"]);
    assert!(text.contains("about the shelf of plants now L00\nand of what"), "{text}");
}

#[test]
fn three_columns_are_read_from_left_to_right() {
    let mut frame = page();
    for row in 0..15 {
        for (name, x0) in [("A", 40.0), ("B", 220.0), ("C", 400.0)] {
            put(&mut frame, &column_line(name, row), x0, 140.0 + 13.0 * row as f64, SIZE);
        }
    }
    assert_order(&text_of(&frame), &["A00", "A14", "B00", "B14", "C00", "C14"]);
}

#[test]
fn columns_off_the_common_grid_are_columns() {
    let mut frame = page();
    for row in 0..6 {
        put(&mut frame, &column_line("L", row), 50.0, 140.0 + 14.0 * row as f64, SIZE);
    }
    for row in 0..4 {
        put(&mut frame, &column_line("S", row), 320.0, 145.0 + 12.0 * row as f64, 8.0);
    }
    assert_order(&text_of(&frame), &["L00", "L05", "S00", "S03"]);
}

#[test]
fn a_table_is_read_row_by_row() {
    let mut frame = page();
    let rows = [("Plant-based drinks", "4.2 %", "high"), ("Fermented foods", "11 %", "medium")];
    for (index, row) in rows.iter().cycle().take(8).enumerate() {
        let baseline = 200.0 + 18.0 * index as f64;
        put(&mut frame, row.0, 50.0, baseline, SIZE);
        put(&mut frame, row.1, 260.0, baseline, SIZE);
        put(&mut frame, row.2, 400.0, baseline, SIZE);
    }
    let text = text_of(&frame);
    assert!(text.starts_with("Plant-based drinks 4.2 % high\nFermented foods 11 % medium\n"), "{text}");
}

#[test]
fn gutters_do_not_cut_a_table_above() {
    let mut frame = page();
    for row in 0..4 {
        let baseline = 120.0 + 20.0 * row as f64;
        let label = format!("T{row} a category of products and its name");
        put(&mut frame, &label, 50.0, baseline, SIZE);
        put(&mut frame, "what it means for shoppers at the shelf", 312.0, baseline, SIZE);
        frame.rules.push(Rule { x0: 50.0, x1: 305.0, top: baseline + 6.0, bottom: baseline + 6.5 });
        frame.rules.push(Rule { x0: 305.0, x1: 560.0, top: baseline + 6.0, bottom: baseline + 6.5 });
    }
    for row in 0..20 {
        let baseline = 230.0 + 14.0 * row as f64;
        put(&mut frame, &column_line("L", row), 50.0, baseline, SIZE);
        put(&mut frame, &column_line("R", row), 312.0, baseline, SIZE);
    }
    let text = text_of(&frame);
    assert!(text.contains("T1 a category of products and its name what it means for shoppers"), "{text}");
    assert_order(&text, &["T0", "T3", "L00", "L19", "R00", "R19"]);
}

#[test]
fn rows_whose_cells_wrap_keep_every_cell_whole() {
    let mut frame = page();
    for row in 0..4 {
        let top = 120.0 + 40.0 * row as f64;
        put(&mut frame, "The signal that was seen", 50.0, top, SIZE);
        put(&mut frame, "in two of the markets", 50.0, top + 12.0, SIZE);
        put(&mut frame, "What it could mean to a", 312.0, top, SIZE);
        put(&mut frame, "maker of dairy products", 312.0, top + 12.0, SIZE);
    }
    let text = text_of(&frame);
    assert!(text.contains("The signal that was seen\nin two of the markets"), "{text}");
    assert!(text.contains("What it could mean to a\nmaker of dairy products"), "{text}");
    let first_cells = position(&text, "What it could mean");
    assert!(text[first_cells..].contains("The signal"), "rows stay in order:\n{text}");
}

#[test]
fn a_list_with_labels_stays_in_lines() {
    let mut frame = page();
    for row in 0..10 {
        let baseline = 120.0 + 14.0 * row as f64;
        put(&mut frame, "1.", 50.0, baseline, SIZE);
        put(&mut frame, "An item of a list that is about as wide as the page", 65.0, baseline, SIZE);
    }
    assert!(text_of(&frame).starts_with("1. An item of a list"), "{}", text_of(&frame));
}

#[test]
fn one_column_of_text_is_left_alone() {
    let mut frame = page();
    for row in 0..30 {
        put(&mut frame, &format!("P{row:02} {}", "words ".repeat(14)), 50.0, 100.0 + 14.0 * row as f64, SIZE);
    }
    let text = text_of(&frame);
    assert_eq!(text.matches("\n\n").count(), 0);
    assert_order(&text, &["P00", "P01", "P15", "P29"]);
}

#[test]
fn running_headers_do_not_join_the_columns() {
    let mut frame = page();
    put(&mut frame, "Northern table", 50.0, 40.0, 8.0);
    put(&mut frame, "Trend report 2026", 450.0, 40.0, 8.0);
    for row in 0..20 {
        let baseline = 100.0 + 14.0 * row as f64;
        put(&mut frame, &column_line("L", row), 50.0, baseline, SIZE);
        put(&mut frame, &column_line("R", row), 310.0, baseline, SIZE);
    }
    put(&mut frame, "7", 540.0, 770.0, 8.0);
    let text = text_of(&frame);
    assert!(text.starts_with("Northern table Trend report 2026\n"), "{text}");
    assert!(text.ends_with("\n7"), "{text}");
}

#[test]
fn cells_at_the_foot_of_their_row_are_read_as_a_whole() {
    let mut frame = page();
    put(&mut frame, "Region", 50.0, 70.0, SIZE);
    put(&mut frame, "Sales", 150.0, 70.0, SIZE);
    put(&mut frame, "Comment", 230.0, 70.0, SIZE);
    put(&mut frame, "The deposit stays with the", 230.0, 100.0, SIZE);
    put(&mut frame, "jar and never with the lid,", 230.0, 112.0, SIZE);
    put(&mut frame, "North", 50.0, 124.0, SIZE);
    put(&mut frame, "1,250", 150.0, 124.0, SIZE);
    put(&mut frame, "which is sold apart.", 230.0, 124.0, SIZE);
    put(&mut frame, "South", 50.0, 150.0, SIZE);
    put(&mut frame, "980", 150.0, 150.0, SIZE);
    put(&mut frame, "New bar", 230.0, 150.0, SIZE);
    let row = "North 1,250 The deposit stays with the jar and never with the lid, which is sold apart.";
    assert!(text_of(&frame).contains(row), "{}", text_of(&frame));
}
