//! The counts of one stage's look-up, and the share of a whole run.

use serde::{Deserialize, Serialize};

use super::claim_support::{ClaimSupport, Support};
use crate::stages::QuoteStatus;

/// The result of looking up one stage's quotes and numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct StageGrounding {
    /// Quotes the stage cited.
    pub quotes: u32,
    pub verbatim: u32,
    pub near: u32,
    pub wrong_page: u32,
    pub absent: u32,
    /// Quotes that stand only in text that no reader of the document sees.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hidden: u32,
    /// Verified quotes that begin or end inside a sentence.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub fragments: u32,
    /// Quoted spans of prose that stand nowhere, and were struck.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub struck_quotes: u32,
    /// References of prose to pages that do not exist or do not fit, and were struck.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub struck_pages: u32,
    /// References of prose to evidence or items that do not exist, and were struck.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub struck_ids: u32,
    /// Numbers in claims that stand on no cited page (and, in stage 4, not in the brand's profile).
    pub unsupported_numbers: u32,
    /// Verified quotes ÷ quotes, 0 to 1. Stages 3 and 4 cite nothing, so they have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// The support of each claim by its quotes. Records of earlier releases lack it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<ClaimSupport>,
}

impl StageGrounding {
    /// Quotes that stand in the document.
    #[must_use]
    pub const fn verified(&self) -> u32 {
        self.verbatim + self.near + self.wrong_page
    }

    /// How many claims have this support.
    #[must_use]
    pub fn claims_with(&self, support: Support) -> usize {
        self.claims.iter().filter(|claim| claim.support == support).count()
    }

    pub(super) const fn count(&mut self, status: QuoteStatus) {
        self.quotes += 1;
        match status {
            QuoteStatus::Verbatim => self.verbatim += 1,
            QuoteStatus::Near => self.near += 1,
            QuoteStatus::WrongPage => self.wrong_page += 1,
            QuoteStatus::Absent => self.absent += 1,
            QuoteStatus::Hidden => self.hidden += 1,
        }
    }
}

/// Verified quotes ÷ quotes over all stages of a run, 0 to 1. It is `None` until a stage had to cite.
#[must_use]
pub fn run_share(stages: &[StageGrounding]) -> Option<f64> {
    stages.iter().any(|stage| stage.share.is_some()).then(|| {
        let verified: u32 = stages.iter().map(StageGrounding::verified).sum();
        share(verified, stages.iter().map(|stage| stage.quotes).sum())
    })
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

pub(super) fn share(verified: u32, quotes: u32) -> f64 {
    if quotes == 0 { 0.0 } else { f64::from(verified) / f64::from(quotes) }
}
