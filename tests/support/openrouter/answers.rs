//! Answers of the usual size for a service that sends no schema and none of our material: it names the stage in its prompt.

use serde_json::{Value, json};

/// An answer to the stage with this number, of the usual size.
pub(super) fn typical(stage: usize) -> Value {
    let quotes: Vec<Quote> = (1..=3)
        .map(|page| Quote {
            page,
            text: "Households return on the day after the market, with tins that they have rinsed, and fill them again."
                .to_owned(),
        })
        .collect();
    let ids = |letter: &str| (1..=3).map(|number| format!("{letter}{number}")).collect::<Vec<_>>();
    match stage {
        1 => inspirations(&quotes),
        2 => trends(&quotes, &ids("I")),
        3 => lessons(&ids("I"), &ids("T")),
        _ => opportunities(
            &ids("L"),
            &json!({"brand_name": "The brand", "product_portfolio": ["tins and bags"]}),
        ),
    }
}

struct Quote {
    page: u64,
    text: String,
}

fn evidence(quote: &Quote) -> Value {
    json!([{"quote": quote.text, "page": quote.page}])
}

fn title(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().take(6).collect();
    format!("On {}", words.join(" ").chars().take(120).collect::<String>())
}

fn inspirations(quotes: &[Quote]) -> Value {
    let items: Vec<Value> = quotes
        .iter()
        .cycle()
        .take(quotes.len().max(2))
        .map(|quote| {
            json!({
                "title": title(&quote.text),
                "summary": format!("The document reports: {}", quote.text),
                "mechanism": "What people already do is made easier, and so they do it more often.",
                "key_elements": ["an existing habit", "less effort"],
                "evidence": evidence(quote),
            })
        })
        .collect();
    json!({"inspirations": items})
}

fn trends(quotes: &[Quote], inspirations: &[String]) -> Value {
    let items: Vec<Value> = quotes
        .iter()
        .map(|quote| {
            json!({
                "name": title(&quote.text),
                "category": "BEHAVIORAL",
                "strength": "MEDIUM",
                "strength_rationale": "One case of the document shows it at first hand.",
                "direction": "GROWING",
                "inspirations": inspirations,
                "evidence": evidence(quote),
            })
        })
        .collect();
    json!({"trends": items})
}

fn lessons(inspirations: &[String], trends: &[String]) -> Value {
    let items: Vec<Value> = inspirations
        .iter()
        .map(|inspiration| {
            json!({
                "title": format!("Build on the habit behind {inspiration}"),
                "principle": "A habit that exists is cheaper to extend than a new one is to create.",
                "why_it_works": "People repeat what costs them no decision.",
                "job_to_be_done": {"functional": "Get a routine done with less effort", "emotional": null, "social": null},
                "transfers_to": ["groceries", "personal care"],
                "constraints_removed": [],
                "inspirations": [inspiration],
                "trends": trends,
            })
        })
        .collect();
    json!({"lessons": items})
}

fn opportunities(lessons: &[String], profile: &Value) -> Value {
    let entry = |field: &str, position: usize| {
        let entries = profile[field].as_array().map(Vec::as_slice).unwrap_or_default();
        entries.get(position % entries.len().max(1)).and_then(Value::as_str).unwrap_or("nothing").to_owned()
    };
    let name = profile["brand_name"].as_str().unwrap_or("The brand");
    let items: Vec<Value> = (0..5)
        .map(|position| {
            let product = entry("product_portfolio", position);
            let customers = entry("target_customers", position);
            json!({
                "title": format!("{name}: a routine around {}", product.chars().take(80).collect::<String>()),
                "pitch": format!("{name} offers {product} where the routine of {customers} already takes place."),
                "why_this_brand": format!("{name} has {product} and reaches {customers}."),
                "profile_links": [{"field": "product_portfolio", "entry": product},
                    {"field": "strategic_priorities", "entry": entry("strategic_priorities", position)}],
                "target_customers": [customers],
                "first_steps": ["Watch the routine in ten households and note where it stops"],
                "risks": ["The routine may be too rare to carry an offer of its own"],
                "effort": "MEDIUM",
                "horizon": "NEXT",
                "lessons": lessons.iter().cycle().skip(position).take(1).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({"brand_context": format!("What counted most for {name} was its portfolio."), "opportunities": items})
}
