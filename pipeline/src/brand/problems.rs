//! The problems of a brand's profile, each with its place and the next step.

use std::fmt;

use serde::Serialize;

use super::id::BrandId;

/// One problem of a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BrandProblem {
    /// The field as a path, `brand_values` or `product_portfolio[2]` (entries from 1); `file` for the
    /// file as a whole.
    pub field: String,
    /// The line, from 1, if the parser knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The problem, without a final period.
    pub message: String,
    /// The next step, without a final period.
    pub advice: String,
}

impl fmt::Display for BrandProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        write!(f, "{}: {}; {}", self.field, self.message, self.advice)
    }
}

/// All problems of one profile, in the order of its lines. Problems without a line come last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BrandProblems {
    pub brand: BrandId,
    /// At least one.
    pub problems: Vec<BrandProblem>,
}

impl BrandProblems {
    /// The run error code under which callers report it.
    pub const CODE: &str = "BRAND_INVALID";

    pub(super) fn new(brand: BrandId, mut problems: Vec<BrandProblem>) -> Self {
        problems.sort_by_key(|problem| problem.line.unwrap_or(u64::MAX));
        Self { brand, problems }
    }
}

impl fmt::Display for BrandProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        write!(f, "the profile of {} has {count} {noun}:", self.brand)?;
        for problem in &self.problems {
            write!(f, "\n{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for BrandProblems {}
