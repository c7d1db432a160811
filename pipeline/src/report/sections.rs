//! The report's body: opportunities, lessons, trends, inspirations.

use super::{
    escape::{inline, line},
    evidence::Appendix,
    words::{category, direction, effort, field_name, horizon, strength},
};
use crate::{
    record::BrandFacts,
    stages::{Inspiration, Lesson, Opportunity, Outputs, Trend},
};

pub(super) fn render(out: &mut String, outputs: &Outputs, brand: &BrandFacts, evidence: &Appendix<'_>) {
    section(out, "Opportunities", outputs.opportunities(), |out, item| {
        opportunity(out, item, brand, evidence);
    });
    if let Some(context) = &outputs.context {
        out.push_str(&format!("### What about {} mattered\n\n", inline(&brand.name)));
        paragraph(out, &context.brand_context, &evidence.support("brand_context", "text"));
    }
    section(out, "Lessons", outputs.lessons(), |out, item| lesson(out, item, evidence));
    section(out, "Trends", outputs.trends(), |out, item| trend(out, item, evidence));
    section(out, "Inspirations", outputs.inspirations(), |out, item| {
        inspiration(out, item, evidence);
    });
}

fn section<T>(out: &mut String, title: &str, items: &[T], mut write: impl FnMut(&mut String, &T)) {
    if items.is_empty() {
        return;
    }
    out.push_str(&format!("## {title}\n\n"));
    for item in items {
        write(out, item);
    }
}

fn opportunity(out: &mut String, item: &Opportunity, brand: &BrandFacts, evidence: &Appendix<'_>) {
    heading(out, &item.id, &item.title);
    let claim = |field: &str, text: &str| format!("{}{}", inline(text), evidence.support(&item.id, field));
    paragraph(out, &item.pitch, &evidence.support(&item.id, "pitch"));
    bullet(out, &format!("Why {}", inline(&brand.name)), &claim("why_this_brand", &item.why_this_brand));
    let links: Vec<String> = item
        .profile_links
        .iter()
        .map(|link| format!("{} ({})", inline(&link.entry), field_name(link.field)))
        .collect();
    bullet(out, "Builds on", &or_nothing(&links.join("; ")));
    bullet(out, "For", &join(&item.target_customers, "; "));
    bullet(out, "Effort", effort(item.effort));
    bullet(out, "Horizon", horizon(item.horizon));
    bullet(out, "Lessons", &join(&item.lessons, ", "));
    bullet(out, "Evidence", &evidence.of_opportunity(item));
    out.push('\n');
    list(out, "First steps", &item.first_steps, |at| format!("{at}."));
    list(out, "Risks", &item.risks, |_| "-".to_owned());
}

fn lesson(out: &mut String, item: &Lesson, evidence: &Appendix<'_>) {
    heading(out, &item.id, &item.title);
    let claim = |field: &str, text: &str| format!("{}{}", inline(text), evidence.support(&item.id, field));
    paragraph(out, &item.principle, &evidence.support(&item.id, "principle"));
    bullet(out, "Why it works", &claim("why_it_works", &item.why_it_works));
    let job = &item.job_to_be_done;
    bullet(out, "Job to be done", &inline(&job.functional));
    if let Some(text) = &job.emotional {
        bullet(out, "Emotional job", &inline(text));
    }
    if let Some(text) = &job.social {
        bullet(out, "Social job", &inline(text));
    }
    bullet(out, "Transfers to", &join(&item.transfers_to, "; "));
    if !item.constraints_removed.is_empty() {
        bullet(out, "Constraints removed", &join(&item.constraints_removed, "; "));
    }
    let sources: Vec<String> = item.inspirations.iter().chain(&item.trends).cloned().collect();
    bullet(out, "Learned from", &join(&sources, ", "));
    bullet(out, "Evidence", &evidence.of_lesson(item));
    out.push('\n');
}

fn trend(out: &mut String, item: &Trend, evidence: &Appendix<'_>) {
    heading(out, &item.id, &item.name);
    out.push_str(&format!(
        "{}, {}, of {} strength.\n\n",
        category(item.category),
        direction(item.direction),
        strength(item.strength)
    ));
    let support = evidence.support(&item.id, "strength_rationale");
    bullet(out, "Why this strength", &format!("{}{support}", inline(&item.strength_rationale)));
    if !item.inspirations.is_empty() {
        bullet(out, "Shown by", &join(&item.inspirations, ", "));
    }
    bullet(out, "Evidence", &evidence.labels(&item.evidence));
    out.push('\n');
}

fn inspiration(out: &mut String, item: &Inspiration, evidence: &Appendix<'_>) {
    heading(out, &item.id, &item.title);
    paragraph(out, &item.summary, &evidence.support(&item.id, "summary"));
    let support = evidence.support(&item.id, "mechanism");
    bullet(out, "Mechanism", &format!("{}{support}", inline(&item.mechanism)));
    bullet(out, "Key elements", &join(&item.key_elements, "; "));
    bullet(out, "Evidence", &evidence.labels(&item.evidence));
    out.push('\n');
}

/// A titled list; `marker` makes the marker of each entry, counted from 1.
fn list(out: &mut String, title: &str, entries: &[String], marker: impl Fn(usize) -> String) {
    if entries.is_empty() {
        return;
    }
    out.push_str(&format!("{title}:\n\n"));
    for (at, entry) in (1..).zip(entries) {
        out.push_str(&format!("{} {}\n", marker(at), line(entry)));
    }
    out.push('\n');
}

fn heading(out: &mut String, id: &str, title: &str) {
    out.push_str(&format!("### {} · {}\n\n", inline(id), inline(title)));
}

/// A text, with a note on its support that is Markdown already.
fn paragraph(out: &mut String, text: &str, support: &str) {
    out.push_str(&line(text));
    out.push_str(support);
    out.push_str("\n\n");
}

/// A labelled line; both texts are Markdown already.
fn bullet(out: &mut String, label: &str, text: &str) {
    out.push_str(&format!("- **{label}:** {text}\n"));
}

fn join(texts: &[String], separator: &str) -> String {
    let escaped: Vec<String> = texts.iter().map(|text| inline(text)).collect();
    or_nothing(&escaped.join(separator))
}

fn or_nothing(text: &str) -> String {
    if text.is_empty() { "none".to_owned() } else { text.to_owned() }
}
