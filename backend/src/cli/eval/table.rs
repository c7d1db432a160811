//! The figures as tables for people.

use pipeline::evaluation::{Difference, Evaluation, MEASURES};

use crate::cli::output::say;

/// The width of a column with a figure.
const COLUMN: usize = 9;

/// Prints the measures as rows, and the reports as columns of a few lines each.
pub(super) fn figures(found: &Evaluation) {
    say(&format!("\nAnalyst: {}", found.analyst));
    say(&format!("\n{:<24}{:>COLUMN$}   lowest report", "measure", "mean"));
    for measure in MEASURES {
        let worst = found.cases.iter().min_by(|a, b| {
            let (a, b) = ((measure.get)(&a.figures), (measure.get)(&b.figures));
            if measure.more_is_better { a.total_cmp(&b) } else { b.total_cmp(&a) }
        });
        let worst = worst.map_or_else(String::new, |case| {
            format!("{:.3}  {} × {}", (measure.get)(&case.figures), case.document, case.brand)
        });
        say(&format!("{:<24}{:>COLUMN$.3}   {worst}", measure.name, (measure.get)(&found.means)));
    }
    say("");
    for plants in &found.plants {
        say(&format!(
            "{}: {} of {} planted fakes caught, {} of {} true quotes found",
            plants.document, plants.fakes_caught, plants.fakes, plants.truths_found, plants.truths
        ));
        for quote in &plants.wrong {
            say(&format!("  ! judged wrongly: “{quote}”"));
        }
    }
}

/// Prints the differences between two evaluations side by side.
pub(super) fn differences(differences: &[Difference]) {
    if differences.is_empty() {
        return;
    }
    say(&format!("\n{:<48}{:<22}{:>COLUMN$}{:>COLUMN$}", "report", "measure", "before", "after"));
    for it in differences {
        let mark = if it.is_regression { "  ! worse" } else { "" };
        say(&format!(
            "{:<48}{:<22}{:>COLUMN$.3}{:>COLUMN$.3}{mark}",
            it.case, it.measure, it.before, it.after
        ));
    }
}
