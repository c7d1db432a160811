//! Effort against horizon, as a picture.

use maud::{Markup, html};

use crate::{
    report::{
        escape::plain,
        words::{effort, horizon_word},
    },
    stages::{Effort, Horizon, Opportunity},
};

const EFFORTS: [Effort; 3] = [Effort::Low, Effort::Medium, Effort::High];
const HORIZONS: [Horizon; 3] = [Horizon::Now, Horizon::Next, Horizon::Later];

/// The picture's measures, in its own units: one is a pixel at full size.
const LEFT: usize = 52;
const TOP: usize = 8;
const CELL_WIDTH: usize = 102;
const CELL_HEIGHT: usize = 78;
const WIDTH: usize = LEFT + 3 * CELL_WIDTH + 2;
const HEIGHT: usize = TOP + 3 * CELL_HEIGHT + 40;

/// A mark for an opportunity, and the room between two.
const MARK_WIDTH: usize = 28;
const MARK_HEIGHT: usize = 20;
const GAP: usize = 4;
const MARKS_A_ROW: usize = 3;
/// The most marks of a cell. Of more, the last place holds their number.
const MARKS_MAX: usize = 9;

/// The longest id that a mark has room for.
const ID_CHARS_MAX: usize = 4;

/// The picture. Its description says all that it shows.
pub(super) fn render(opportunities: &[Opportunity]) -> Markup {
    html! {
        figure.matrix {
            figcaption { "Effort and horizon" }
            svg role="img" aria-labelledby="matrix-title matrix-text" viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) {
                title #matrix-title { "Opportunities by effort and horizon" }
                desc #matrix-text { (description(opportunities)) }
                @for (row, horizon) in HORIZONS.into_iter().enumerate() {
                    @let middle = TOP + row * CELL_HEIGHT + CELL_HEIGHT / 2 + 4;
                    text.label x=(LEFT - 8) y=(middle) text-anchor="end" { (horizon_word(horizon)) }
                    @for (column, effort) in EFFORTS.into_iter().enumerate() {
                        (cell(column, row, &of_cell(opportunities, effort, horizon)))
                    }
                }
                @for (column, value) in EFFORTS.into_iter().enumerate() {
                    @let middle = LEFT + column * CELL_WIDTH + CELL_WIDTH / 2;
                    text.label x=(middle) y=(HEIGHT - 22) text-anchor="middle" { (effort(value)) }
                }
                text.axis x=(LEFT + 3 * CELL_WIDTH / 2) y=(HEIGHT - 5) text-anchor="middle" { "effort" }
            }
        }
    }
}

fn of_cell(opportunities: &[Opportunity], effort: Effort, horizon: Horizon) -> Vec<&Opportunity> {
    opportunities.iter().filter(|item| item.effort == effort && item.horizon == horizon).collect()
}

fn cell(column: usize, row: usize, items: &[&Opportunity]) -> Markup {
    let (x, y) = (LEFT + column * CELL_WIDTH, TOP + row * CELL_HEIGHT);
    let shown = if items.len() > MARKS_MAX { MARKS_MAX - 1 } else { items.len() };
    let mut marks: Vec<String> =
        items.iter().take(shown).map(|item| plain(&item.id).chars().take(ID_CHARS_MAX).collect()).collect();
    if items.len() > shown {
        marks.push(format!("+{}", items.len() - shown));
    }
    html! {
        rect.cell x=(x) y=(y) width=(CELL_WIDTH - 2) height=(CELL_HEIGHT - 2) rx="4" {}
        @for (at, mark) in marks.iter().enumerate() {
            @let left = x + 6 + at % MARKS_A_ROW * (MARK_WIDTH + GAP);
            @let top = y + 5 + at / MARKS_A_ROW * (MARK_HEIGHT + GAP);
            rect.mark x=(left) y=(top) width=(MARK_WIDTH) height=(MARK_HEIGHT) rx="10" {}
            text.name x=(left + MARK_WIDTH / 2) y=(top + 14) text-anchor="middle" { (mark) }
        }
    }
}

/// The picture in words.
fn description(opportunities: &[Opportunity]) -> String {
    let of = |item: &Opportunity| {
        format!(
            "{} {}: {} effort, {}",
            plain(&item.id),
            plain(&item.title),
            effort(item.effort),
            horizon_word(item.horizon)
        )
    };
    format!("{}.", opportunities.iter().map(of).collect::<Vec<_>>().join("; "))
}
