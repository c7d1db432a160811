//! Compares two evaluations of the same set.

use serde::Serialize;

use super::figures::{CaseFigures, Evaluation, MEASURES, PlantFigures};

/// A measure that differs between two evaluations.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// `all`, or the document and the brand.
    pub case: String,
    pub measure: &'static str,
    pub before: f64,
    pub after: f64,
    /// It became worse by more than the tolerance.
    pub is_regression: bool,
}

/// All differences, the means first. A case that one side lacks is a regression if it is the new side.
#[must_use]
pub fn compare(before: &Evaluation, after: &Evaluation, tolerance: f64) -> Vec<Difference> {
    let mut found = Vec::new();
    for measure in MEASURES {
        let (old, new) = ((measure.get)(&before.means), (measure.get)(&after.means));
        let worse = if measure.more_is_better { old - new } else { new - old };
        push(&mut found, "all".to_owned(), measure.name, (old, new), worse > tolerance);
    }
    let caught = |it: &Evaluation| -> (f64, f64) {
        let sum = |count: fn(&PlantFigures) -> usize| it.plants.iter().map(count).sum::<usize>() as f64;
        (sum(|plants| plants.fakes_caught), sum(|plants| plants.truths_found))
    };
    let ((old_fakes, old_truths), (new_fakes, new_truths)) = (caught(before), caught(after));
    // A fake that passes is never within a tolerance.
    push(&mut found, "all".to_owned(), "fakes caught", (old_fakes, new_fakes), new_fakes < old_fakes);
    push(&mut found, "all".to_owned(), "truths found", (old_truths, new_truths), new_truths < old_truths);
    for old in &before.cases {
        let name = format!("{} × {}", old.document, old.brand);
        let same = |new: &&CaseFigures| (&new.document, &new.brand) == (&old.document, &old.brand);
        match after.cases.iter().find(same) {
            None => push(&mut found, name, "present", (1.0, 0.0), true),
            Some(new) => {
                for measure in MEASURES {
                    let values = ((measure.get)(&old.figures), (measure.get)(&new.figures));
                    // One case may move. The means decide.
                    push(&mut found, name.clone(), measure.name, values, false);
                }
            }
        }
    }
    found
}

fn push(
    found: &mut Vec<Difference>,
    case: String,
    measure: &'static str,
    (before, after): (f64, f64),
    is_regression: bool,
) {
    if before.total_cmp(&after).is_ne() {
        found.push(Difference { case, measure, before, after, is_regression });
    }
}
