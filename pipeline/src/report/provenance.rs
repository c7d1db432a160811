//! The provenance of a report: the model and cost of each stage, and all warnings.

use super::{
    escape::inline,
    figures::{Total, cost, duration, elapsed_millis, found, tokens},
    input::ReportInput,
};

pub(super) fn render(out: &mut String, input: &ReportInput<'_>) {
    out.push_str("## Provenance\n\n");
    out.push_str(
        "| Stage | Answered by | Model | Tokens in / out | Cost | Time | Requests | Citations found |\n",
    );
    out.push_str("| --- | --- | --- | --- | --- | --- | --- | --- |\n");
    for record in input.records {
        let meta = &record.meta;
        out.push_str(&format!(
            "| {} {} | {} | {} | {} | {} | {} | {} | {} |\n",
            meta.stage.number(),
            meta.stage.title(),
            inline(&meta.provider),
            inline(&meta.model),
            tokens(&meta.usage),
            cost(&meta.usage),
            duration(elapsed_millis(meta)),
            meta.attempts,
            found(&meta.grounding, meta.grounding.share)
        ));
    }
    let total = Total::of(input.records);
    out.push_str(&format!(
        "| **Total** | | | {} | {} | {} | {} | {} |\n\n",
        tokens(&total.usage),
        cost(&total.usage),
        duration(total.millis),
        total.attempts,
        found(&total.grounding, total.share)
    ));
    out.push_str(&format!("Run {}.\n\n", inline(input.run.as_str())));
    warnings(out, input);
}

fn warnings(out: &mut String, input: &ReportInput<'_>) {
    out.push_str("### Warnings\n\n");
    let mut any = false;
    for (source, warning) in input.warnings() {
        out.push_str(&format!("- {source}: {}\n", inline(warning)));
        any = true;
    }
    if !any {
        out.push_str("None.\n");
    }
}
