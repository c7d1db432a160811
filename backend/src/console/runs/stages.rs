//! The stages of a run: what each took, cost and cited, and where it is stored.

use std::fmt::Write as _;

use pipeline::{clock::Timestamp, record::StageMeta, visible_text::visible};

use crate::{
    console::parts::{Markup, UNKNOWN, count, dollars, escaped, percent, places, span, stage_status},
    runs::{RunView, StageStatus, StageView},
};

/// The width of the chart of times.
const WIDTH: f64 = 1000.0;
/// The height of one stage in it.
const HEIGHT: f64 = 10.0;

/// A stage as a line of the table.
pub(super) struct StageLine {
    pub(super) number: u8,
    pub(super) title: &'static str,
    pub(super) status: Markup,
    pub(super) took: String,
    pub(super) model: String,
    pub(super) tokens: String,
    pub(super) cost: String,
    pub(super) attempts: String,
    pub(super) evidence: String,
    pub(super) stored: &'static str,
    pub(super) warnings: Vec<String>,
}

/// The lines of all stages.
pub(super) fn lines(view: &RunView) -> Vec<StageLine> {
    view.stages.iter().map(line).collect()
}

fn meta(stage: &StageView) -> Option<StageMeta> {
    serde_json::from_value(stage.output.as_ref()?.get("meta")?.clone()).ok()
}

fn line(stage: &StageView) -> StageLine {
    let meta = meta(stage);
    let unknown = || UNKNOWN.to_owned();
    let of = |text: fn(&StageMeta) -> String| meta.as_ref().map_or_else(unknown, text);
    let took = stage.started_at.zip(stage.completed_at);
    StageLine {
        number: stage.stage.number(),
        title: stage.stage.title(),
        status: stage_status(stage.status),
        took: took.map_or_else(unknown, |(begun, ended)| span((ended - begun).num_milliseconds())),
        model: of(|meta| {
            let reused = if meta.reuse.is_some() { ", a shared answer" } else { "" };
            visible(&format!("{} ({}{reused})", meta.model, meta.provider)).into_owned()
        }),
        tokens: of(|meta| {
            let usage = &meta.usage;
            let cached = if usage.cached_tokens > 0 {
                format!(", {} cached", count(usage.cached_tokens))
            } else {
                String::new()
            };
            format!("{} in{cached}, {} out", count(usage.prompt_tokens), count(usage.completion_tokens))
        }),
        cost: of(|meta| {
            let about = if meta.usage.cost_is_estimated { "≈ " } else { "" };
            format!("{about}{}", dollars(meta.usage.cost_usd))
        }),
        attempts: of(|meta| meta.attempts.to_string()),
        evidence: of(evidence),
        stored: if stage.status == StageStatus::Complete { places(stage.stored_in) } else { UNKNOWN },
        warnings: meta.map(|meta| meta.warnings).unwrap_or_default(),
    }
}

/// How many quotes were found, of how many.
fn evidence(meta: &StageMeta) -> String {
    let grounding = &meta.grounding;
    if grounding.quotes == 0 {
        return UNKNOWN.to_owned();
    }
    let found = grounding.verbatim + grounding.near;
    let share = percent(f64::from(found) / f64::from(grounding.quotes));
    format!("{found} of {} quotes ({share})", grounding.quotes)
}

/// When each stage ran, as a chart from the request to the end, or to now.
pub(super) fn chart(view: &RunView, now: Timestamp) -> Option<Markup> {
    let begun = view.accepted_at?;
    let ended = view.finished_at.unwrap_or(now);
    let whole = millis(begun, ended).max(1.0);
    let rows = view.stages.len();
    #[expect(clippy::cast_precision_loss, reason = "four stages")]
    let height = rows as f64 * HEIGHT;
    let mut svg = String::new();
    let mut words = Vec::new();
    let mut y = 0.0;
    for stage in &view.stages {
        // Writing to a String does not fail, here and below.
        let _ = write!(
            svg,
            "<rect class=\"track\" x=\"0\" y=\"{:.1}\" width=\"{WIDTH}\" height=\"{:.1}\"/>",
            y + 1.5,
            HEIGHT - 3.0
        );
        if let Some((from, to)) = stage.started_at.zip(stage.completed_at) {
            let x = (millis(begun, from) / whole * WIDTH).clamp(0.0, WIDTH);
            let width = (millis(from, to) / whole * WIDTH).clamp(2.0, WIDTH);
            let _ = write!(
                svg,
                "<rect class=\"part\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
                y + 1.5,
                width.min(WIDTH - x).max(2.0),
                HEIGHT - 3.0
            );
            words.push(format!(
                "{} from {} to {}",
                stage.stage.title(),
                after(begun, from),
                after(begun, to)
            ));
        }
        y += HEIGHT;
    }
    let label = if words.is_empty() { "No stage is stored yet".to_owned() } else { words.join("; ") };
    Some(Markup::of(format!(
        "<svg class=\"times\" viewBox=\"0 0 {WIDTH} {height}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\">{svg}</svg>",
        escaped(&label)
    )))
}

fn millis(from: Timestamp, to: Timestamp) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a run")]
    let millis = (to - from).num_milliseconds() as f64;
    millis.max(0.0)
}

fn after(begun: Timestamp, at: Timestamp) -> String {
    span((at - begun).num_milliseconds())
}
