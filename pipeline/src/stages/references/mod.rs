//! Cross-references between stages, and to the brand's profile. A broken reference is dropped with a warning.
//! It is never fatal, and the analyst is not asked again.

mod profile_links;

use super::{output::StageOutput, outputs::Outputs};
use crate::{brand::BrandProfile, run::shortened};

/// Drops references to nothing and repeated references, with a warning for each.
#[must_use]
pub fn check(output: &mut StageOutput, earlier: &Outputs, brand: &BrandProfile) -> Vec<String> {
    let mut warnings = Vec::new();
    let inspirations: Vec<&str> = earlier.inspirations().iter().map(|item| item.id.as_str()).collect();
    let trends: Vec<&str> = earlier.trends().iter().map(|item| item.id.as_str()).collect();
    let lessons: Vec<&str> = earlier.lessons().iter().map(|item| item.id.as_str()).collect();
    match output {
        StageOutput::InputProcessing(_) => {}
        StageOutput::SignalAmplification(out) => {
            for item in &mut out.trends {
                let kind = Kind("inspiration", &inspirations);
                ids(&item.id, kind, &mut item.inspirations, &mut warnings);
            }
        }
        StageOutput::GeneralTranslation(out) => {
            for item in &mut out.lessons {
                let kind = Kind("inspiration", &inspirations);
                ids(&item.id, kind, &mut item.inspirations, &mut warnings);
                ids(&item.id, Kind("trend", &trends), &mut item.trends, &mut warnings);
            }
        }
        StageOutput::BrandContextualization(out) => {
            for item in &mut out.opportunities {
                ids(&item.id, Kind("lesson", &lessons), &mut item.lessons, &mut warnings);
                profile_links::check(&item.id, &mut item.profile_links, brand, &mut warnings);
            }
        }
    }
    warnings
}

/// The noun for a kind of item, and the ids that exist.
#[derive(Clone, Copy)]
struct Kind<'a>(&'static str, &'a [&'a str]);

fn ids(item: &str, Kind(noun, known): Kind<'_>, references: &mut Vec<String>, warnings: &mut Vec<String>) {
    if references.is_empty() {
        return;
    }
    let mut kept: Vec<String> = Vec::with_capacity(references.len());
    for reference in references.drain(..) {
        let Some(id) = known.iter().find(|id| id.eq_ignore_ascii_case(reference.trim())) else {
            warnings.push(format!(
                "{item}: the reference to {noun} {:?} was dropped, because there is none of that id.",
                shortened(&reference)
            ));
            continue;
        };
        if kept.iter().any(|earlier| earlier == id) {
            warnings.push(format!("{item}: a second reference to {noun} {id} was dropped."));
        } else {
            kept.push((*id).to_owned());
        }
    }
    if kept.is_empty() {
        warnings.push(format!("{item}: no valid reference to any {noun} is left."));
    }
    *references = kept;
}

#[cfg(test)]
mod tests;
