//! Stage 4: opportunities for one brand.

use crate::{
    analyst::extractive::{
        analysis::{mechanisms, result::Analysis},
        stages::{
            brand_context,
            matching::{self, Match},
            proposal::{Proposal, Used},
            subjects, writer,
        },
    },
    brand::BrandProfile,
    stages::{BrandContextualization, OPPORTUNITIES, Opportunity, Outputs},
};

/// This many first opportunities differ as far as the profile allows.
const DIFFERENT: usize = 3;
/// After those, matches below this share of the best score come last.
const SCORE_SHARE_MIN: f64 = 0.30;

pub(crate) fn answer(analysis: &Analysis, earlier: &Outputs, brand: &BrandProfile) -> BrandContextualization {
    let subjects = subjects::subjects(analysis, earlier);
    let chosen = choose(&matching::matches(&subjects, brand));
    let mut used = Used::default();
    let mut opportunities: Vec<Opportunity> = Vec::new();
    for (order, found) in chosen.iter().enumerate() {
        let (Some(subject), Some(entry)) =
            (subjects.get(found.subject), brand.product_portfolio.get(found.product))
        else {
            continue;
        };
        let proposal = Proposal { analysis, subject, brand, entry, found, order };
        opportunities.push(writer::opportunity(&proposal, &mut used));
    }
    let brand_context = brand_context::write(&opportunities, &subjects, &chosen, brand);
    BrandContextualization { brand_context, opportunities }
}

/// The best matches, as many as a run yields. Each has another lesson and product, as long as there are any.
fn choose(matches: &[Match]) -> Vec<Match> {
    let mut chosen: Vec<Match> = Vec::new();
    let best = matches.first().map_or(0.0, |found| found.score);
    let passes = [
        (Pass::AllNew, OPPORTUNITIES, true),
        (Pass::NewKind, DIFFERENT, true),
        (Pass::NewPair, DIFFERENT, true),
        (Pass::AllNew, OPPORTUNITIES, false),
        (Pass::NewKind, OPPORTUNITIES, false),
        (Pass::NewPair, OPPORTUNITIES, false),
        (Pass::NewTitle, OPPORTUNITIES, false),
    ];
    for (pass, wanted, is_strict) in passes {
        for found in matches {
            let weak = is_strict && chosen.len() >= DIFFERENT && found.score < best * SCORE_SHARE_MIN;
            if chosen.len() >= wanted || weak {
                break;
            }
            let same_lesson = chosen.iter().any(|other| other.subject == found.subject);
            let same_product = chosen.iter().any(|other| other.product == found.product);
            let same_kind = found.mechanism.kind != mechanisms::GENERIC
                && chosen.iter().any(|other| other.mechanism.kind == found.mechanism.kind);
            let clash = match pass {
                Pass::AllNew => same_lesson || same_product || same_kind,
                Pass::NewKind => {
                    same_product || same_kind || same_lesson && found.mechanism.kind == mechanisms::GENERIC
                }
                Pass::NewPair => same_product && (same_lesson || same_kind),
                Pass::NewTitle => false,
            };
            // The template and the product make the title.
            let same_title = chosen
                .iter()
                .any(|other| (other.product, other.variant.title) == (found.product, found.variant.title));
            let clash = clash || same_title;
            if !clash {
                chosen.push(*found);
            }
        }
    }
    chosen
}

/// How strictly opportunities must differ, the strictest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// Another lesson, product and kind.
    AllNew,
    /// Another product and kind, and no fallback for a lesson that has been used.
    NewKind,
    /// Not the same product with the same lesson or kind.
    NewPair,
    /// Another product, or something else to do with it.
    NewTitle,
}
