//! The prose of an answer, text by text.

use crate::stages::StageOutput;

/// Visits every text that an analyst wrote, with its item's id and its field's name.
pub(super) fn each_text(output: &mut StageOutput, visit: &mut dyn FnMut(&str, &'static str, &mut String)) {
    match output {
        StageOutput::InputProcessing(out) => {
            for item in &mut out.inspirations {
                let id = item.id.as_str();
                visit(id, "title", &mut item.title);
                visit(id, "summary", &mut item.summary);
                visit(id, "mechanism", &mut item.mechanism);
                item.key_elements.iter_mut().for_each(|text| visit(id, "key_elements", text));
            }
        }
        StageOutput::SignalAmplification(out) => {
            for item in &mut out.trends {
                visit(&item.id, "name", &mut item.name);
                visit(&item.id, "strength_rationale", &mut item.strength_rationale);
            }
        }
        StageOutput::GeneralTranslation(out) => {
            for item in &mut out.lessons {
                let id = item.id.as_str();
                visit(id, "title", &mut item.title);
                visit(id, "principle", &mut item.principle);
                visit(id, "why_it_works", &mut item.why_it_works);
                let job = &mut item.job_to_be_done;
                visit(id, "job_to_be_done", &mut job.functional);
                job.emotional
                    .iter_mut()
                    .chain(&mut job.social)
                    .for_each(|text| visit(id, "job_to_be_done", text));
                item.transfers_to.iter_mut().for_each(|text| visit(id, "transfers_to", text));
                item.constraints_removed.iter_mut().for_each(|text| visit(id, "constraints_removed", text));
            }
        }
        StageOutput::BrandContextualization(out) => {
            visit("brand_context", "text", &mut out.brand_context);
            for item in &mut out.opportunities {
                let id = item.id.as_str();
                visit(id, "title", &mut item.title);
                visit(id, "pitch", &mut item.pitch);
                visit(id, "why_this_brand", &mut item.why_this_brand);
                item.target_customers.iter_mut().for_each(|text| visit(id, "target_customers", text));
                item.first_steps.iter_mut().for_each(|text| visit(id, "first_steps", text));
                item.risks.iter_mut().for_each(|text| visit(id, "risks", text));
            }
        }
    }
}
