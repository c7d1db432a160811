//! Compares the numbers of claims with the evidence that the claims cite.

use super::{
    claims,
    number_set::{NumberSet, Standing, standing},
    numbers::{self, Number},
    page_index::PageIndex,
    stage_grounding::StageGrounding,
};
use crate::{
    brand::BrandProfile,
    stages::{Outputs, StageOutput},
};

/// Counts the numbers of claims that do not stand where their evidence stands, and warns of each.
pub(super) fn check(
    output: &StageOutput,
    earlier: &Outputs,
    index: &PageIndex,
    brand: &BrandProfile,
    grounding: &mut StageGrounding,
    warnings: &mut Vec<String>,
) {
    for item in claims::of(output, earlier) {
        let numbers: Vec<(&str, Number)> = item
            .texts
            .iter()
            .flat_map(|(field, text)| numbers::in_claim(text).into_iter().map(|number| (*field, number)))
            .collect();
        if numbers.is_empty() {
            continue;
        }
        let pages: Vec<u32> = item.pages().into_iter().collect();
        let mut known = NumberSet::default();
        item.verified_quotes().for_each(|quote| known.add(quote));
        if item.from_profile {
            claims::profile_texts(brand).iter().for_each(|text| known.add(text));
        }
        let mut sets: Vec<&NumberSet> = index.numbers_of(&pages).collect();
        sets.push(&known);
        let mut reported: Vec<Number> = Vec::new();
        for (field, number) in numbers {
            let standing = standing(&sets, &number);
            if standing == Standing::Stands || reported.iter().any(|earlier| earlier.same(&number)) {
                continue;
            }
            grounding.unsupported_numbers += 1;
            let (id, written) = (item.id, &number.written);
            warnings.push(if standing == Standing::Reversed {
                format!("{id}: the number {written} in its {field} stands in the document for a change in the other direction.")
            } else {
                format!("{id}: the number {written} in its {field} does not stand {}.", places(&pages, item.from_profile))
            });
            reported.push(number);
        }
    }
}

/// The places where a number was looked for, in words.
fn places(pages: &[u32], from_profile: bool) -> String {
    let list = pages.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    let cited = match pages {
        [] => "anywhere: it cites no page".to_owned(),
        [_] => format!("on the cited page ({list})"),
        _ => format!("on the cited pages ({list})"),
    };
    match (pages, from_profile) {
        (_, false) => cited,
        ([], true) => "in the brand's profile".to_owned(),
        (_, true) => format!("{cited} or in the brand's profile"),
    }
}
