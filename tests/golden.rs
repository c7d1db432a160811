//! Whole reports of the built-in analyst, compared with what was read and found good. After a change that is
//! meant, `UPDATE_GOLDEN=1 cargo nextest run golden` writes them anew: read the difference.

use crate::support::{Run, assert_ok, root, sample};

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
    let golden = root().join(format!("tests/golden/{sample_name}.{brand}.md"));
    let report = report(sample_name, brand);
    // A test may read the environment: it is no part of the program.
    #[allow(clippy::disallowed_methods)]
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &report).unwrap();
    }
    let expected = std::fs::read_to_string(&golden).unwrap();
    let difference = expected.lines().zip(report.lines()).enumerate().find(|(_, (old, new))| old != new);
    assert!(report == expected, "{}: first difference: {difference:#?}", golden.display());
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
