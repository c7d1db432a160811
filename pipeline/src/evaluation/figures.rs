//! The figures of an evaluation.

use serde::{Deserialize, Serialize};

/// The result of an evaluation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The analyst that answered, for people.
    pub analyst: String,
    pub cases: Vec<CaseFigures>,
    pub plants: Vec<PlantFigures>,
    /// The means over all cases.
    pub means: Figures,
}

/// The figures of one report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseFigures {
    pub document: String,
    pub brand: String,
    #[serde(flatten)]
    pub figures: Figures,
}

/// How the look-up judged the planted quotes of one document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlantFigures {
    pub document: String,
    pub fakes: usize,
    pub fakes_caught: usize,
    /// True quotes, which show that the look-up does not simply refuse everything.
    pub truths: usize,
    pub truths_found: usize,
    /// The fakes that were not caught, and the truths that were not found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wrong: Vec<String>,
}

/// The measures of one report, or their means. Each lies between 0 and 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    pub quotes_verified: f64,
    pub claims_supported: f64,
    pub numbers_unsupported: f64,
    pub own_words: f64,
    pub brand_bound: f64,
    pub differentiation: f64,
    pub page_coverage: f64,
    pub redundancy: f64,
}

/// One measure: its name in tables, its field, and which direction is better.
#[derive(Debug, Clone, Copy)]
pub struct Measure {
    pub name: &'static str,
    pub get: fn(&Figures) -> f64,
    pub more_is_better: bool,
}

const fn measure(name: &'static str, get: fn(&Figures) -> f64, more_is_better: bool) -> Measure {
    Measure { name, get, more_is_better }
}

/// All measures, in the order of tables.
pub const MEASURES: [Measure; 8] = [
    measure("quotes verified", |it| it.quotes_verified, true),
    measure("claims supported", |it| it.claims_supported, true),
    measure("numbers unsupported", |it| it.numbers_unsupported, false),
    measure("own words", |it| it.own_words, true),
    measure("brand-bound", |it| it.brand_bound, true),
    measure("differentiation", |it| it.differentiation, true),
    measure("page coverage", |it| it.page_coverage, true),
    measure("redundancy", |it| it.redundancy, false),
];

impl Figures {
    /// The means of some reports, 0 for none.
    pub(super) fn mean(cases: &[CaseFigures]) -> Self {
        let count = cases.len().max(1) as f64;
        let mean =
            |get: fn(&Self) -> f64| rounded(cases.iter().map(|case| get(&case.figures)).sum::<f64>() / count);
        Self {
            quotes_verified: mean(|it| it.quotes_verified),
            claims_supported: mean(|it| it.claims_supported),
            numbers_unsupported: mean(|it| it.numbers_unsupported),
            own_words: mean(|it| it.own_words),
            brand_bound: mean(|it| it.brand_bound),
            differentiation: mean(|it| it.differentiation),
            page_coverage: mean(|it| it.page_coverage),
            redundancy: mean(|it| it.redundancy),
        }
    }
}

/// Three decimals: more would suggest a precision that no measure has.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// A part of a whole, and `without` if there is no whole.
pub(super) fn share(part: f64, whole: f64, without: f64) -> f64 {
    if whole > 0.0 { rounded(part / whole) } else { without }
}
