//! The figures at the head of the page: what was found, and what is not supported.

use maud::{Markup, html};

use super::parts::Parts;
use crate::{
    grounding::{StageGrounding, Support},
    report::{figures::Total, wording::percent},
};

pub(super) fn figures(parts: &Parts<'_>) -> Markup {
    let total = Total::of(parts.input.records);
    let stages: Vec<&StageGrounding> =
        parts.input.records.iter().map(|record| &record.meta.grounding).collect();
    let with = |support| stages.iter().map(|stage| stage.claims_with(support)).sum::<usize>();
    let [whole, partly, not] = [Support::Supported, Support::Partly, Support::Unsupported].map(with);
    let claims = whole + partly + not;
    let numbers = total.grounding.unsupported_numbers;
    html! {
        dl.figures {
            (figure("Opportunities", &parts.outputs.opportunities().len().to_string(), None))
            (figure("Different quotes", &parts.quotes.list().len().to_string(), None))
            @if let Some(share) = total.share {
                @let of = format!("{} of {}", total.grounding.verbatim, total.grounding.quotes);
                (figure("Citations found", &percent(share), Some(&of)))
            }
            @if claims > 0 {
                @let rest = format!("of {claims}; {partly} partly, {not} not");
                (figure("Claims supported", &whole.to_string(), Some(&rest)))
            }
            (figure("Unsupported numbers", &numbers.to_string(), Some("in the claims")))
        }
    }
}

fn figure(name: &str, value: &str, more: Option<&str>) -> Markup {
    html! {
        div {
            dt { (name) }
            dd { strong { (value) } @if let Some(more) = more { " " span { (more) } } }
        }
    }
}
