use super::*;
use crate::{
    brand::BrandId,
    document::{Document, Page},
    stages::{Evidence, InputProcessing, Inspiration, QuoteStatus},
};

const FIRST: &str =
    "Shoppers want less sugar in their drinks. The bar opened in Lyon with E150 on its labels.";
const SECOND: &str = "Deposits doubled the share of returned bottles in the north.";

fn checked(summary: &str) -> (String, StageGrounding, Vec<String>) {
    let page = |number, text: &str| Page { number, text: text.to_owned(), ..Page::default() };
    let document = Document { pages: vec![page(1, FIRST), page(2, SECOND)], ..Document::default() };
    let evidence =
        Evidence { status: Some(QuoteStatus::Verbatim), ..Evidence::cited("Shoppers want less sugar", 1) };
    let inspiration = Inspiration {
        id: "I1".to_owned(),
        title: "Sugar goes away".to_owned(),
        summary: summary.to_owned(),
        mechanism: "It works".to_owned(),
        key_elements: Vec::new(),
        evidence: vec![evidence],
    };
    let mut output = StageOutput::InputProcessing(InputProcessing { inspirations: vec![inspiration] });
    let brand = BrandProfile::from_yaml(
        BrandId::parse("acme").unwrap(),
        "brand_name: Acme\ncountry: Norway\nindustry: Food\npositioning: Milk for the north\n\
         product_portfolio: [A, B, C]\ntarget_customers: [A, B]\nrecent_innovations: [A, B]\n\
         strategic_priorities: [A, B, C]\nbrand_values: [A, B, C]\n",
        None,
    )
    .unwrap();
    let mut grounding = StageGrounding::default();
    let mut warnings = Vec::new();
    let index = PageIndex::new(&document);
    check(&mut output, &Outputs::default(), &index, &brand, &mut grounding, &mut warnings);
    let StageOutput::InputProcessing(output) = output else { panic!("stage 1") };
    (output.inspirations[0].summary.clone(), grounding, warnings)
}

#[test]
fn right_references_stay() {
    for text in [
        "It says that “shoppers want less sugar” (p. 1).",
        "It says “less sugar in their drinks”, and \"The bar opened in Lyon\" too.",
        "A so-called “revolution” of 5\" and 7\" cups.",
        "Deposits doubled the returned bottles (p. 2).",
        "Both pages 1 and 1 tell of E150 (I1).",
        "Acme's “Milk for the north” and “Sugar goes away” fit.",
        "It wasn't 'don't' or can't, it's theirs'.",
        "It ran its T20 cup.",
        "See section 7 of the law.",
    ] {
        let (kept, grounding, warnings) = checked(text);
        assert_eq!(kept, text, "{warnings:?}");
        assert_eq!(grounding, StageGrounding::default());
    }
}

#[test]
fn references_that_lead_nowhere_are_struck() {
    for (text, kept, counts) in [
        ("It says “we saved the world” there.", "It says […] there.", [1, 0, 0]),
        ("It says „alles wird gut“ und «tout va bien».", "It says […] und […].", [2, 0, 0]),
        ("Shoppers drink less (p. 99).", "Shoppers drink less.", [0, 1, 0]),
        ("Robots build cathedrals (p. 2).", "Robots build cathedrals.", [0, 1, 0]),
        ("On page 7 it grows.", "On […] it grows.", [0, 1, 0]),
        ("Less sugar (pp. 1–9) sells.", "Less sugar sells.", [0, 1, 0]),
        ("Less sugar (E1, E3) sells.", "Less sugar sells.", [0, 0, 2]),
        ("Less sugar (I1, E3) sells (I9).", "Less sugar (I1) sells.", [0, 0, 2]),
        ("As E4 shows, it sells.", "As […] shows, it sells.", [0, 0, 1]),
    ] {
        let (found, grounding, warnings) = checked(text);
        assert_eq!(found, kept);
        assert_eq!([grounding.struck_quotes, grounding.struck_pages, grounding.struck_ids], counts, "{text}");
        assert!(!warnings.is_empty() && warnings.iter().all(|warning| warning.contains("struck.")));
    }
}
