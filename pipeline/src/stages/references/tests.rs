use serde_json::{Value, json};

use super::*;
use crate::{brand::BrandId, run::Stage, stages::ProfileField};

fn brand() -> BrandProfile {
    BrandProfile::from_yaml(
        BrandId::parse("acme").unwrap(),
        "brand_name: Acme\ncountry: Canada\nindustry: Food\npositioning: Dairy\n\
         product_portfolio: [\"Cracker Barrel - cheddar cheese\", \"P'tit Québec - everyday cheese\", \
         \"Enjoy! - plant-based drinks\", Milk for cooks, Milk for baristas]\n\
         target_customers: [Busy families, Home cooks]\nrecent_innovations: [Snack packs, Filtered milk]\n\
         strategic_priorities: [Grow yogurt, Less plastic, New occasions]\nbrand_values: [Craft, Care, Family]\n",
        None,
    )
    .unwrap()
}

fn output(stage: Stage, value: Value) -> StageOutput {
    StageOutput::from_json(stage, value).unwrap()
}

fn earlier() -> Outputs {
    let mut earlier = Outputs::default();
    let inspiration =
        json!({"title": "t", "summary": "s", "mechanism": "m", "key_elements": [], "evidence": []});
    let mut first = output(Stage::InputProcessing, json!({"inspirations": [inspiration, inspiration]}));
    first.assign_ids();
    earlier.insert(first);
    let mut second = output(Stage::SignalAmplification, json!({"trends": [trend(&json!([]))]}));
    second.assign_ids();
    earlier.insert(second);
    let mut third =
        output(Stage::GeneralTranslation, json!({"lessons": [lesson(&json!(["I1"]), &json!([]))]}));
    third.assign_ids();
    earlier.insert(third);
    earlier
}

fn trend(inspirations: &Value) -> Value {
    json!({"name": "n", "category": "CULTURAL", "strength": "LOW", "strength_rationale": "r",
        "direction": "STABLE", "inspirations": inspirations, "evidence": []})
}

fn lesson(inspirations: &Value, trends: &Value) -> Value {
    json!({"title": "t", "principle": "p", "why_it_works": "w",
        "job_to_be_done": {"functional": "f", "emotional": null, "social": null},
        "transfers_to": [], "constraints_removed": [], "inspirations": inspirations, "trends": trends})
}

fn checked(stage: Stage, value: Value) -> (Value, Vec<String>) {
    let mut output = output(stage, value);
    output.assign_ids();
    let warnings = check(&mut output, &earlier(), &brand());
    (serde_json::to_value(output).unwrap(), warnings)
}

#[test]
fn references_to_nothing_and_duplicates_are_dropped() {
    let (value, warnings) = checked(
        Stage::GeneralTranslation,
        json!({"lessons": [
            lesson(&json!(["I2", "I9", " i2 ", "I1"]), &json!(["T1", "T1"])),
            lesson(&json!(["L1"]), &json!([])),
        ]}),
    );
    assert_eq!(value["lessons"][0]["inspirations"], json!(["I2", "I1"]));
    assert_eq!(value["lessons"][0]["trends"], json!(["T1"]));
    assert_eq!(value["lessons"][1]["inspirations"], json!([]));
    assert_eq!(
        warnings,
        [
            "L1: the reference to inspiration \"I9\" was dropped, because there is none of that id.",
            "L1: a second reference to inspiration I2 was dropped.",
            "L1: a second reference to trend T1 was dropped.",
            "L2: the reference to inspiration \"L1\" was dropped, because there is none of that id.",
            "L2: no valid reference to any inspiration is left.",
        ]
    );
}

#[test]
fn an_optional_list_needs_no_warning() {
    let (_, warnings) = checked(Stage::SignalAmplification, json!({"trends": [trend(&json!([]))]}));
    assert!(warnings.is_empty(), "{warnings:?}");
    let (_, warnings) = checked(Stage::SignalAmplification, json!({"trends": [trend(&json!(["X"]))]}));
    assert_eq!(warnings.len(), 2);
}

fn links(links: &[(ProfileField, &str)]) -> (Vec<(ProfileField, String)>, Vec<String>) {
    let links: Vec<Value> =
        links.iter().map(|(field, entry)| json!({"field": field, "entry": entry})).collect();
    let (value, warnings) = checked(
        Stage::BrandContextualization,
        json!({"brand_context": "c", "opportunities": [{
            "title": "t", "pitch": "p", "why_this_brand": "w", "profile_links": links,
            "target_customers": [], "first_steps": [], "risks": [], "effort": "LOW", "horizon": "NOW",
            "lessons": ["L1"]
        }]}),
    );
    let kept: Vec<crate::stages::ProfileLink> =
        serde_json::from_value(value["opportunities"][0]["profile_links"].clone()).unwrap();
    (kept.into_iter().map(|link| (link.field, link.entry)).collect(), warnings)
}

#[test]
fn links_become_the_profiles_own_entries() {
    use ProfileField::{BrandValues, ProductPortfolio, TargetCustomers};
    for (field, given, entry) in [
        (ProductPortfolio, "Cracker Barrel", "Cracker Barrel - cheddar cheese"),
        (ProductPortfolio, "cracker barrel – Cheddar cheese.", "Cracker Barrel - cheddar cheese"),
        (ProductPortfolio, "Cracker Barrel slices", "Cracker Barrel - cheddar cheese"),
        (ProductPortfolio, "P’tit Quebec", "P'tit Québec - everyday cheese"),
        (ProductPortfolio, "P’TIT QUÉBEC", "P'tit Québec - everyday cheese"),
        (ProductPortfolio, "Enjoy", "Enjoy! - plant-based drinks"),
        (ProductPortfolio, "Milk for cooks", "Milk for cooks"),
        (TargetCustomers, "busy  FAMILIES", "Busy families"),
        (BrandValues, "Craft", "Craft"),
    ] {
        let (kept, warnings) = links(&[(field, given)]);
        assert_eq!(kept, [(field, entry.to_owned())], "{given}");
        assert!(warnings.is_empty(), "{warnings:?}");
    }
}

#[test]
fn wrong_fields_are_corrected_and_inventions_dropped() {
    use ProfileField::{BrandValues, ProductPortfolio, StrategicPriorities, TargetCustomers};
    let (kept, warnings) = links(&[
        (BrandValues, "less plastic"),
        (StrategicPriorities, "Less plastic"),
        (ProductPortfolio, "Milk"),
        (ProductPortfolio, "Ice cream"),
        (TargetCustomers, "…"),
    ]);
    assert_eq!(kept, [(StrategicPriorities, "Less plastic".to_owned())]);
    assert_eq!(
        warnings,
        [
            "O1: \"Less plastic\" stands in the profile's strategic_priorities, not in its brand_values; the \
             link was corrected.",
            "O1: a second link to \"Less plastic\" was dropped.",
            "O1: the link to \"Milk\" was dropped, because several entries of the profile may be meant.",
            "O1: the link to \"Ice cream\" was dropped, because the profile does not list it.",
            "O1: the link to \"…\" was dropped, because the profile does not list it.",
        ]
    );
    let (kept, warnings) = links(&[(ProductPortfolio, "Ice cream")]);
    assert!(kept.is_empty());
    assert_eq!(warnings[1], "O1: no valid link to the brand's profile is left.");
}
