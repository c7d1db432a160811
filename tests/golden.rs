//! Whole reports of the built-in analyst.

use crate::support::{Run, assert_ok, golden::assert_golden, sample};

/// The report without its provenance table, which holds times and the run's id.
fn report(sample_name: &str, brand: &str) -> String {
    let run = Run::new();
    assert_ok(&run.command(&sample(sample_name), brand, &["--analyst", "extractive"]).output().unwrap());
    let report = run.report();
    let (text, provenance) = report.split_once("\n## Provenance\n").expect("a report tells its provenance");
    assert!(provenance.contains("| extractive |") && provenance.contains("### Warnings"), "{provenance}");
    text.to_owned()
}

fn compare(sample_name: &str, brand: &str) {
    assert_golden(&format!("{sample_name}.{brand}.md"), &report(sample_name, brand));
}

#[test]
fn a_trend_report_for_a_dairy_brand() {
    compare("trend-report.pdf", "lactalis-canada");
}

#[test]
fn a_trend_report_for_a_sports_retailer() {
    compare("trend-report.pdf", "decathlon");
}

#[test]
fn field_notes_for_a_spice_brand() {
    compare("field-notes.txt", "mccormick-usa");
}
