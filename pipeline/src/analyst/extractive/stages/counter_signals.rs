//! Counter-signals: sentences that speak against a case, and do not merely plan, suppose or report a solution.

use crate::analyst::extractive::{
    analysis::sentence::Sentence,
    text::{lexicon::lexicon, role::Role},
};

/// Openings of suppositions, which are no warnings.
const SUPPOSING_OPENINGS: [&str; 5] = ["If ", "Whether ", "Should ", "Once ", "Perhaps "];
/// Words of plans and expectations.
const PLANNING: [&str; 14] = [
    " considering ",
    " considers ",
    " plans to ",
    " plan to ",
    " planned to ",
    " is planning ",
    " intends to ",
    " hopes to ",
    " expects to ",
    " aims to ",
    " next step ",
    " next steps ",
    " will decide ",
    " wants to ",
];

/// Words of solutions, which are no warnings.
const SOLVED: [&str; 5] = [" solved ", " answered by ", " complaints fell ", " overcame ", " put right "];
/// The weight of one clear word of objection outside a section of counter-signals.
const OBJECTION_CLEAR: u32 = 4;
/// The weight of one clear counter-signal.
const COUNTER_CLEAR: u32 = 3;

/// Whether a sentence warns: it objects to its case in clear words, and is no supposition, plan or solution.
pub(crate) fn warns(s: &Sentence) -> bool {
    if !s.objects {
        return false;
    }
    let holds = |marks: &[&str]| marks.iter().any(|mark| s.plain.contains(mark));
    let objection = lexicon().marker_weight("objection", &s.plain);
    let adverse = objection >= OBJECTION_CLEAR
        || lexicon().marker_weight("counter", &s.plain) >= COUNTER_CLEAR
        || s.role == Role::Counter && (objection > 0 || lexicon().marker_weight("adverse", &s.plain) > 0);
    let supposes = SUPPOSING_OPENINGS.iter().any(|opening| s.text.starts_with(opening));
    adverse && !supposes && !holds(&PLANNING) && !holds(&SOLVED)
}
