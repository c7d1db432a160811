//! Small charts, drawn by the server as SVG, with their figures as text for those who do not see them.

use std::fmt::Write as _;

use super::parts::{Markup, escaped};

const WIDTH: f64 = 120.0;
const HEIGHT: f64 = 28.0;
/// The line must not be cut at the edge.
const EDGE: f64 = 1.5;

/// A line of values, the newest last. `what` names them for a reader of the text alternative, and `unit` makes a text of a value.
/// Too few values are no line.
pub(super) fn line(what: &str, values: &[f64], unit: impl Fn(f64) -> String) -> Markup {
    let (Some(first), Some(last), true) = (values.first(), values.last(), values.len() > 1) else {
        return Markup::of(format!(
            "<svg class=\"spark\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}: no history yet\"></svg>",
            escaped(what)
        ));
    };
    let most = values.iter().copied().fold(0.0, f64::max);
    #[expect(clippy::cast_precision_loss, reason = "a few dozen values")]
    let step = (WIDTH - 2.0 * EDGE) / (values.len() - 1) as f64;
    let height = |value: f64| {
        let share = if most > 0.0 { value.max(0.0) / most } else { 0.0 };
        HEIGHT - EDGE - share * (HEIGHT - 2.0 * EDGE)
    };
    let mut points = String::new();
    let mut x = EDGE;
    for value in values {
        // Writing to a String does not fail.
        let _ = write!(points, "{x:.1},{:.1} ", height(*value));
        x += step;
    }
    let label = format!("{what}: from {} to {}, at most {}", unit(*first), unit(*last), unit(most));
    let points = points.trim_end();
    Markup::of(format!(
        "<svg class=\"spark\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\">\
         <polygon class=\"area\" points=\"{EDGE},{HEIGHT} {points} {:.1},{HEIGHT}\"/>\
         <polyline class=\"line\" points=\"{points}\"/></svg>",
        escaped(&label),
        WIDTH - EDGE
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_in_its_box_and_has_words() {
        let svg = line("Runs <a minute>", &[0.0, 5.0, -1.0, 10.0], |value| format!("{value:.0}")).to_string();
        assert!(svg.contains("aria-label=\"Runs &lt;a minute&gt;: from 0 to 10, at most 10\""), "{svg}");
        assert!(svg.contains("1.5,26.5") && svg.contains("118.5,1.5"), "{svg}");
        let flat = line("Queue", &[0.0, 0.0], |value| value.to_string()).to_string();
        assert!(!flat.contains("NaN") && !flat.contains("inf"), "{flat}");
        assert!(line("Queue", &[1.0], |value| value.to_string()).to_string().contains("no history yet"));
    }
}
