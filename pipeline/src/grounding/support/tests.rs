//! A planted set: quotes, claims about them, and whether the quotes carry the claims.

use super::{
    Support::{Partly, Supported, Unsupported},
    *,
};
use crate::{
    document::{Document, Page},
    grounding::tests::brand,
    stages::{Evidence, InputProcessing, Inspiration, QuoteStatus},
};

const TINS: &str = "In the pilot, 58 % of the tins came back within four weeks, because each carried a deposit of two euros.";
const KEYS: &str =
    "Cabinets need space: 2 % of cycles end with a lost key, and the company repairs them itself.";
const LYON: &str =
    "Marta Vidal opened the first refill bar in Lyon in 2019; it sells 40 kinds of detergent by weight.";
const FELL: &str =
    "Waste per meal fell by 31 % after the canteen let guests choose the size of their portion.";
const NOT: &str =
    "Customers did not complain about the deposit, and hardly any of them asked for their money back.";
const LOAN: &str =
    "A jacket costs £2.70 per loan, and cleaning is included; most members borrow twice a month.";
const RENT: &str =
    "Die Firma vermietet Werkzeuge für 12 Euro im Monat, und die Kunden holen sie im Supermarkt ab.";
const VRAC: &str =
    "Les clients apportent leurs propres bocaux, et les ventes en vrac ont augmenté de 9 % en un an.";

const PAIRS: &[(&str, &str, Support)] = &[
    // The quote says it.
    (TINS, "58 % of the tins came back within four weeks.", Supported),
    (TINS, "A deposit of two euros brought 58% of the tins back.", Supported),
    (TINS, "Each tin carried a deposit of 2 euros.", Supported),
    (TINS, "58 percent of the tins were returned in four weeks.", Supported),
    (KEYS, "The company repairs its cabinets itself.", Supported),
    (KEYS, "2% of the cycles end with a lost key.", Supported),
    (KEYS, "Cabinets need space.", Supported),
    (LYON, "In 2019 Marta Vidal opened a refill bar in Lyon.", Supported),
    (LYON, "The refill bar in Lyon sells forty kinds of detergent by weight.", Supported),
    (LYON, "The bar sells detergents by weight.", Supported),
    (FELL, "Guests choose the size of their portion, and waste per meal fell by 31 %.", Supported),
    (FELL, "Waste per meal decreased by 31 percent.", Supported),
    (FELL, "The canteen's guests choose their portion size.", Supported),
    (NOT, "Customers did not complain about the deposit.", Supported),
    (NOT, "Shoppers never complained about the deposit.", Supported),
    (LOAN, "Members pay £2.70 for each loan of a jacket, cleaning included.", Supported),
    (LOAN, "Most members borrow twice a month.", Supported),
    (RENT, "Kunden holen die Werkzeuge im Supermarkt ab.", Supported),
    (RENT, "Die Firma vermietet Werkzeuge für 12 Euro.", Supported),
    (VRAC, "Les clients apportent leurs bocaux.", Supported),
    (VRAC, "Les ventes en vrac ont augmenté de 9 %.", Supported),
    // The quote says a part of it.
    (TINS, "58 % of the tins came back, and brand loyalty among young families became stronger.", Partly),
    (LYON, "Marta Vidal opened a refill bar in Lyon. Investors from abroad followed at once.", Partly),
    (FELL, "Waste per meal fell by 31 %. Kitchens elsewhere hired new chefs.", Partly),
    (LOAN, "A jacket costs £2.70 per loan. Subscribers abroad pay nothing for shipping.", Partly),
    (KEYS, "Cabinets need space and a person who explains their use to newcomers.", Partly),
    (
        NOT,
        "Customers did not complain about the deposit, which strengthened trust in the municipal programme.",
        Partly,
    ),
    (TINS, "The deposit turned a throwaway container into something worth carrying home and back.", Partly),
    (RENT, "Die Firma vermietet Werkzeuge. Handwerker in Polen gründen eigene Vereine.", Partly),
    // Altered numbers, names, directions, negations.
    (TINS, "85 % of the tins came back within four weeks.", Unsupported),
    (
        TINS,
        "58 % of the tins came back within four years, because each carried a deposit of nine dollars.",
        Unsupported,
    ),
    (TINS, "No tins came back within four weeks.", Unsupported),
    (KEYS, "20 % of cycles end with a lost key.", Unsupported),
    (KEYS, "The company does not repair the cabinets itself.", Unsupported),
    (LYON, "In 2009 Marta Vidal opened a refill bar in Lyon.", Unsupported),
    (LYON, "Klaus Berger and Ines Roth run a bakery chain in Oslo.", Unsupported),
    (FELL, "Waste per meal rose by 31 %.", Unsupported),
    (FELL, "Waste per meal increased after the canteen let guests choose.", Unsupported),
    (FELL, "Waste per meal fell by 13 %.", Unsupported),
    (NOT, "Customers complained about the deposit.", Unsupported),
    (NOT, "Customers asked for compensation and complained about the deposit.", Unsupported),
    (LOAN, "A jacket costs $2.70 per loan.", Unsupported),
    (LOAN, "A jacket costs £7.20 per loan.", Unsupported),
    (RENT, "Die Firma vermietet Werkzeuge für 21 Euro im Monat.", Unsupported),
    (RENT, "Kunden holen keine Werkzeuge im Supermarkt ab.", Unsupported),
    (VRAC, "Les ventes en vrac ont diminué de 9 %.", Unsupported),
    (VRAC, "Les ventes en vrac ont augmenté de 19 %.", Unsupported),
    // Something else altogether.
    (TINS, "Drones deliver fresh flowers to hospitals.", Unsupported),
    (KEYS, "Artificial intelligence writes menus for restaurants.", Unsupported),
    (LYON, "Electric ferries cross the fjord every hour.", Unsupported),
    (FELL, "Banks let teenagers trade bonds.", Unsupported),
    (NOT, "Solar roofs power the harbour cranes.", Unsupported),
    (LOAN, "Robots harvest strawberries at night.", Unsupported),
    (RENT, "Roboter ernten nachts Erdbeeren.", Unsupported),
    (VRAC, "Des drones livrent des fleurs aux hôpitaux.", Unsupported),
];

fn material(quotes: &[String], profile: &[String]) -> Material<'static> {
    Material::new(quotes, profile, Vec::new(), &mut Library::default())
}

#[test]
fn the_planted_set_is_judged_right() {
    let mut wrong = Vec::new();
    let (mut right, mut caught, mut false_claims) = (0, 0, 0);
    for (quote, claim, expected) in PAIRS {
        let verdict = material(&[(*quote).to_owned()], &[]).judge(claim);
        right += usize::from(verdict == *expected);
        if *expected == Unsupported {
            false_claims += 1;
            caught += usize::from(verdict != Supported);
        }
        if verdict != *expected {
            wrong.push(format!("{expected:?} judged {verdict:?}: {claim}"));
        }
    }
    let figures = format!("{right} of {} right, {caught} of {false_claims} false claims caught", PAIRS.len());
    assert!(right * 100 >= PAIRS.len() * 90, "{figures}\n{}", wrong.join("\n"));
    assert_eq!(caught, false_claims, "{figures}\n{}", wrong.join("\n"));
}

#[test]
fn nothing_supports_without_quotes() {
    assert_eq!(material(&[], &[]).judge("A claim"), Unsupported);
}

#[test]
fn a_profile_carries_claims_on_the_brand() {
    let profile = ["The dairy sells kefir in 42 towns".to_owned()];
    let tins = material(&[TINS.to_owned()], &profile);
    assert_eq!(tins.judge("Its kefir in 42 towns could come in tins with a deposit."), Supported);
}

/// The support of a summary whose item quotes one other sentence of the document.
fn of_summary(document: &str, summary: &str) -> Support {
    let quote = "A shop in Lyon fills bottles.";
    let page = Page { number: 1, text: format!("{quote} {document}"), ..Page::default() };
    let document = Document { pages: vec![page], ..Document::default() };
    let inspiration = Inspiration {
        id: "I1".into(),
        title: "Refill".into(),
        summary: summary.into(),
        mechanism: "A shop fills bottles.".into(),
        key_elements: Vec::new(),
        evidence: vec![Evidence { status: Some(QuoteStatus::Verbatim), ..Evidence::cited(quote, 1) }],
    };
    let output = StageOutput::InputProcessing(InputProcessing { inspirations: vec![inspiration] });
    let mut grounding = StageGrounding::default();
    check(&output, &Outputs::default(), &PageIndex::new(&document), &brand(), &mut grounding);
    grounding.claims.iter().find(|claim| claim.field == "summary").unwrap().support
}

#[test]
fn sentences_of_the_document_support_themselves() {
    let document =
        "Guests return their empty jars on Monday. Deposits rose to 40 cents.\n\nMost visitors like it.";
    let own = "Guests return their empty jars on Monday. Deposits rose to 40 cents.";
    assert_eq!(of_summary(document, own), Supported);
    assert_ne!(of_summary(document, &own.replace("40", "45")), Supported);
    assert_ne!(of_summary(document, "Guests throw away their empty jars on Monday."), Supported);
    let denied = "Nobody believes that guests return their empty jars on Monday.";
    assert_ne!(of_summary(denied, "Guests return their empty jars on Monday."), Supported);
}
