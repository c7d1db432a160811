//! References in the prose of answers: quoted spans, pages and ids. Those that lead nowhere are struck.

mod fields;
mod ids;
mod page_references;
mod quotations;
mod sources;
mod strike;

use self::{fields::each_text, sources::Sources};
use super::{claims, page_index::PageIndex, stage_grounding::StageGrounding};
use crate::{
    brand::BrandProfile,
    stages::{Outputs, StageOutput},
};

/// Looks up every reference in the prose of an answer. Strikes what fails, counts it, and warns of each text.
pub(super) fn check(
    output: &mut StageOutput,
    earlier: &Outputs,
    index: &PageIndex,
    brand: &BrandProfile,
    grounding: &mut StageGrounding,
    warnings: &mut Vec<String>,
) {
    let pages = claims::of(output, earlier).iter().map(|item| (item.id.to_owned(), item.pages())).collect();
    let mut sources = Sources::new(index, brand, earlier, output, pages);
    each_text(output, &mut |item, field, text| {
        let quotations = quotations::strike(text, item, &mut sources);
        let references = page_references::strike(text, item, &mut sources);
        let ids = ids::strike(text, &mut sources);
        grounding.struck_quotes += quotations;
        grounding.struck_pages += references;
        grounding.struck_ids += ids;
        let mut warn = |count: u32, one: &str, many: &str, fault: &str| {
            if count > 0 {
                let (what, was) = if count == 1 { (one, "was") } else { (many, "were") };
                warnings.push(format!("{item}: {count} {what} in its {field} {fault} and {was} struck."));
            }
        };
        warn(quotations, "quotation", "quotations", "could not be found in the document");
        warn(references, "page reference", "page references", "could not be confirmed");
        warn(ids, "reference", "references", "to evidence or items that do not exist could not be followed");
    });
}

/// The quoted spans of a text that was checked.
pub(super) fn quoted_spans(text: &str) -> Vec<&str> {
    quotations::spans(text)
}

#[cfg(test)]
mod tests;
