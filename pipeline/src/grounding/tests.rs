use proptest::prelude::*;

mod forged;
mod forgeries;
mod properties;

use super::{
    finding::{Cited, Finding},
    normalise::Skeleton,
    page_index::{JOINT_BYTES, end_of, start_of},
    *,
};
use crate::{
    brand::BrandId,
    document::{Document, Format, Page},
    stages::{Evidence, InputProcessing, Inspiration, QuoteStatus},
};

fn document(pages: &[&str]) -> Document {
    Document {
        source_name: "test".to_owned(),
        format: Format::Text,
        title: None,
        pages: (1..)
            .zip(pages)
            .map(|(number, text)| Page { number, text: (*text).to_owned(), readable: 1.0, ..Page::default() })
            .collect(),
        warnings: Vec::new(),
        ..Document::default()
    }
}

fn find(pages: &[&str], quote: &str, page: u32) -> Finding {
    let index = PageIndex::new(&document(pages));
    search::locate(&index, &[Cited { quote, page }]).remove(0)
}

/// The slice that is stored for a quote.
fn slice(pages: &[&str], quote: &str, page: u32) -> Option<String> {
    find(pages, quote, page).slice.map(|slice| slice.text)
}

fn status(pages: &[&str], quote: &str, page: u32) -> QuoteStatus {
    find(pages, quote, page).status
}

const PAGE: &str = "Shoppers want less sugar.\nIn 2024, 31% of them bought a “light” drink; sales of non-\n\
    alcoholic beer rose by 1,000 hectolitres. The ef\u{fb01}cient bottle isn\u{2019}t heavy \u{2014} it is \
    develop\u{ad}ed for refills and re\u{ad}\nturns.";
const OTHER: &str = "Nothing to see on this page but filler about the weather in the north.";

#[test]
fn verbatim_up_to_layout() {
    for quote in [
        "31% of them bought a “light” drink",
        "31% of them  bought\na \"light\" drink",
        "“In 2024, 31 % of them bought a 'light' drink…”",
        "sales of non-alcoholic beer rose",
        "sales of nonalcoholic beer rose",
        "sales of non-\nalcoholic beer rose",
        "sales of non- alcoholic beer rose",
        "The efficient bottle isn't heavy – it is developed for refills",
        "The ef\u{fb01}cient bottle isn\u{2019}t heavy\u{2014}it is developed",
        "refills and returns",
        "refills and re-turns",
        "Shoppers",
    ] {
        assert_eq!(status(&[OTHER, PAGE], quote, 2), QuoteStatus::Verbatim, "{quote:?}");
    }
}

#[test]
fn parts_of_words_and_numbers_are_not_quotes() {
    let page = "It grew by 25% to 2.5 million, or 1,250 sites; no table is alike, and 10-15 remain.";
    for quote in
        ["5%", "25% to 2", "5 million", "250 sites", "row by", "notable is alike", "1015 remain", "to 2,5"]
    {
        assert_eq!(status(&[page], quote, 1), QuoteStatus::Absent, "{quote:?}");
    }
    for quote in ["25%", "2.5 million", "1,250 sites", "no table", "10-15 remain", "10–15 remain"] {
        assert_eq!(status(&[page], quote, 1), QuoteStatus::Verbatim, "{quote:?}");
    }
}

#[test]
fn overlapping_places_are_found() {
    assert_eq!(status(&["In row 1 11 of 5 were red"], "11 of 5", 1), QuoteStatus::Verbatim);
    assert_eq!(status(&["column 1 11"], "11", 1), QuoteStatus::Verbatim);
}

#[test]
fn repetitive_documents_do_not_stop_the_search() {
    let page = "on and on and ".repeat(200_000);
    let quote = "on and on and on and on and no and on and on and on and on and no and on and on";
    assert_eq!(status(&[&page], quote, 1), QuoteStatus::Absent);
}

#[test]
fn a_wrong_page_becomes_the_nearest_right_one() {
    let pages = ["The same words here.", OTHER, OTHER, OTHER, "The same words here."];
    assert_eq!(find(&pages, "the very same", 2).status, QuoteStatus::Absent);
    let found = find(&pages, "The same words", 4);
    assert_eq!((found.status, found.page), (QuoteStatus::WrongPage, 5));
    assert_eq!(find(&pages, "The same words", 2).page, 1);
    assert_eq!(find(&pages, "The same words", 99).page, 5);
}

#[test]
fn a_typing_mistake_is_near() {
    let quote = "shoppers want less sugr. In 2024, 31% of tham bought a “light” drink";
    assert_eq!(status(&[OTHER, PAGE], quote, 2), QuoteStatus::Near);
    let sentence = "Shoppers want less sugar.\nIn 2024, 31% of them bought a “light” drink; sales of non-\n\
        alcoholic beer rose by 1,000 hectolitres.";
    assert_eq!(slice(&[OTHER, PAGE], quote, 2).as_deref(), Some(sentence));
    let elsewhere = find(&[OTHER, PAGE], "The efficient bottel isn't heavy", 1);
    assert_eq!((elsewhere.status, elsewhere.page), (QuoteStatus::Near, 2));
    let hyphenated = slice(&[PAGE], "sales of nonalcoolic beer rose by 1,000 hectoliters", 1).unwrap();
    assert!(hyphenated.ends_with("sales of non-\nalcoholic beer rose by 1,000 hectolitres."), "{hyphenated}");
}

#[test]
fn planted_fakes_are_absent() {
    for quote in [
        // Altered numbers, otherwise right or nearly so.
        "In 2024, 13% of them bought a “light” drink",
        "In 2025, 31% of them bought a “light” drink",
        "sales of non-alcoholic beer rose by 10,000 hectolitres",
        "sales of non-alcoholic beer rose by 1,000,000 hectolitres",
        "In 2024, 1% of them bought a “light” drink",
        "In 2024, most of them bought a “light” drink",
        // A word more, less or other.
        "Shoppers never want less sugar. In 2024, 31% of them",
        "Shoppers want more sugar. In 2024, 31% of them",
        "The efficient bottle is heavy",
        // Invented, or too far off.
        "Refillable bottles will replace every can within a decade",
        "Shoppers want much more sugar and salt",
        // Too short to be near.
        "les sugar",
        // Nothing.
        "",
        " \n\t",
        "… — “”",
        "\u{200b}",
    ] {
        assert_eq!(status(&[OTHER, PAGE], quote, 2), QuoteStatus::Absent, "{quote:?}");
    }
}

#[test]
fn quotes_may_span_a_page_border() {
    let mut document = document(&[
        "Trend report\nThe last sentence of this page goes on over",
        "Trend report\nthe border to the next one.\n2",
    ]);
    for page in &mut document.pages {
        page.running_header_lines = vec![0];
    }
    let index = PageIndex::new(&document);
    let at = |quote, page| search::locate(&index, &[Cited { quote, page }]).remove(0);
    for cited in [1, 2] {
        let found = at("sentence of this page goes on over the border to the next one", cited);
        assert_eq!((found.status, found.page), (QuoteStatus::Verbatim, 1), "the larger piece");
        let slice = found.slice.unwrap();
        assert_eq!(slice.text, "The last sentence of this page goes on over");
        assert!(slice.is_fragment);
    }
    let found = at("goes on over the border to the next one", 1);
    assert_eq!(found.slice.unwrap().text, "the border to the next one.");
    assert_eq!(found.page, 2);
    let near = at("sentence of this pagge goes on over the border to the next one", 1);
    assert_eq!((near.status, near.page), (QuoteStatus::Near, 1));
}

#[test]
fn a_joint_is_cut_between_words() {
    let long = "word ".repeat(2_000);
    let tail = end_of(&long);
    assert!(tail.len() <= JOINT_BYTES && tail.trim_start().starts_with("word "));
    assert!(start_of(&long).ends_with("word"));
    assert_eq!(end_of("short"), "short");
    assert_eq!(start_of(&"é".repeat(5_000)), "");
}

fn inspiration(summary: &str, evidence: &[(&str, u32)]) -> Inspiration {
    Inspiration {
        id: String::new(),
        title: "A title".to_owned(),
        summary: summary.to_owned(),
        mechanism: "It works".to_owned(),
        key_elements: vec!["One".to_owned()],
        evidence: evidence.iter().map(|(quote, page)| Evidence::cited(*quote, *page)).collect(),
    }
}

pub(super) fn brand() -> BrandProfile {
    BrandProfile::from_yaml(
        BrandId::parse("acme").unwrap(),
        "brand_name: Acme\ncountry: Norway\nindustry: Food\npositioning: In 42 towns\n\
         product_portfolio: [A, B, C]\ntarget_customers: [A, B]\nrecent_innovations: [A, B]\n\
         strategic_priorities: [A, B, C]\nbrand_values: [A, B, C]\nfounded: 1884\n",
        None,
    )
    .unwrap()
}

fn grounded(inspirations: Vec<Inspiration>) -> (StageOutput, StageGrounding, Vec<String>) {
    let mut output = StageOutput::InputProcessing(InputProcessing { inspirations });
    output.assign_ids();
    let index = PageIndex::new(&document(&[OTHER, PAGE]));
    let (grounding, warnings) = ground(&mut output, &Outputs::default(), &index, &brand());
    (output, grounding, warnings)
}

#[test]
fn counts_statuses_and_warnings_agree() {
    let (mut output, grounding, warnings) = grounded(vec![
        inspiration(
            "Sales rose by 1000 hectolitres in 2024",
            &[("31% of them bought", 2), ("Shoppers want less sugar", 1), ("An invented line, it is", 2)],
        ),
        inspiration("12% said 12 percent in 2024", &[("The efficient bottel isn't heavy", 2)]),
    ]);
    let expected = StageGrounding {
        claims: grounding.claims.clone(),
        quotes: 4,
        verbatim: 1,
        near: 1,
        wrong_page: 1,
        absent: 1,
        unsupported_numbers: 1,
        share: Some(0.75),
        ..StageGrounding::default()
    };
    assert_eq!(grounding, expected);
    assert_eq!(
        warnings,
        [
            "I1: its quote 3, cited from page 2, stands nowhere in the document and is left out of the report.",
            "I2: the number 12% in its summary does not stand on the cited page (2).",
        ]
    );
    let evidence = output.evidence_mut();
    assert_eq!(evidence[1].page, 2, "corrected");
    assert!(evidence.iter().all(|evidence| evidence.status.is_some()));
    assert_eq!(run_share(&[grounding, StageGrounding::default()]), Some(0.75));
    assert_eq!(run_share(&[StageGrounding::default()]), None);
}

#[test]
fn missing_quotes_give_the_first_warning() {
    for evidence in [&[][..], &[("Never written anywhere in here", 1)][..]] {
        let (_, grounding, warnings) = grounded(vec![inspiration("Nothing to count", evidence)]);
        assert_eq!(grounding.share, Some(0.0));
        assert!(warnings[0].starts_with("NO QUOTE OF THIS STAGE STANDS"), "{warnings:?}");
    }
}

#[test]
fn opportunities_may_use_evidence_and_profile_numbers() {
    let (first, _, _) = grounded(vec![inspiration("Less sugar", &[("Shoppers want less sugar", 2)])]);
    let mut earlier = Outputs::default();
    earlier.insert(first);
    earlier.insert(
        StageOutput::from_json(
            Stage::GeneralTranslation,
            serde_json::json!({"lessons": [{
                "id": "L1", "title": "Less is more", "principle": "Take 31% away", "why_it_works": "It is light",
                "job_to_be_done": {"functional": "Drink", "emotional": null, "social": null},
                "transfers_to": ["Food"], "constraints_removed": [], "inspirations": ["I1"], "trends": []
            }]}),
        )
        .unwrap(),
    );
    let mut output = StageOutput::from_json(
        Stage::BrandContextualization,
        serde_json::json!({"brand_context": "Since 1884 in 42 towns", "opportunities": [{
            "id": "O1", "title": "Light", "pitch": "For 31% of 77 shoppers", "why_this_brand": "In 42 towns",
            "profile_links": [], "target_customers": ["A"], "first_steps": ["In 90 days"], "risks": ["8% cost"],
            "effort": "LOW", "horizon": "NOW", "lessons": ["L1"]
        }]}),
    )
    .unwrap();
    let index = PageIndex::new(&document(&[OTHER, PAGE]));
    let (grounding, warnings) = ground(&mut output, &earlier, &index, &brand());
    assert_eq!(
        warnings,
        ["O1: the number 77 in its pitch does not stand on the cited page (2) or in the brand's profile."]
    );
    assert_eq!((grounding.quotes, grounding.share, grounding.unsupported_numbers), (0, None, 1));
}

/// Pages of words as documents have them, with punctuation, ligatures and non-Latin scripts.
fn page_strategy() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[a-zA-Zéßñ\u{fb01}ÅжΩ0-9]{1,9}[,.;:!?)%’]{0,1}", 8..60)
}

proptest! {
    #[test]
    fn any_five_words_are_verbatim(
        words in page_strategy(),
        start in 0usize..50,
        length in 5usize..20,
        spaces in prop::collection::vec("[ \t\n\u{a0}]{1,3}", 60),
        page_spaces in prop::collection::vec("[ \n]{1,2}", 60),
    ) {
        let join = |words: &[String], spaces: &[String]| {
            words.iter().zip(spaces).map(|(word, space)| format!("{word}{space}")).collect::<String>()
        };
        let start = start.min(words.len() - 5);
        let end = (start + length).min(words.len());
        let quote = join(&words[start..end], &spaces);
        let page = join(&words, &page_spaces);
        // A quote whose first word is cut off a number by its own comma (`1, 5`) stands on its own.
        prop_assert_eq!(status(&[OTHER, &page], &quote, 2), QuoteStatus::Verbatim, "{:?} in {:?}", quote, page);
    }

    #[test]
    fn nothing_panics_and_offsets_lead_back(pages in prop::collection::vec("\\PC{0,60}|(?s).{0,60}", 1..4), quote in "(?s).{0,40}", page in 0u32..5) {
        let pages: Vec<&str> = pages.iter().map(String::as_str).collect();
        let found = find(&pages, &quote, page);
        prop_assert!(found.page == page || (1..=pages.len()).contains(&(found.page as usize)));
        for text in &pages {
            let skeleton = Skeleton::new(text);
            let mut covered = 0;
            for (at, c) in skeleton.text.char_indices() {
                let range = skeleton.original_range(text, at, at + c.len_utf8());
                let original = text.get(range.clone());
                prop_assert!(original.is_some_and(|original| !original.is_empty()), "{range:?} of {text:?}");
                prop_assert!(range.start >= covered, "in order");
                covered = range.start;
                let again = Skeleton::new(original.unwrap_or_default());
                prop_assert!(again.text.contains(c), "{c:?} comes from {original:?}");
            }
        }
    }

    #[test]
    fn one_wrong_letter_is_near(words in prop::collection::vec("[bcdfghjkl]{5,9}", 12..30), at in 0usize..12) {
        let page = words.join(" ");
        let mut altered = words.clone();
        altered[at].replace_range(2..3, "z");
        let found = find(&[OTHER, &page], &altered.join(" "), 2);
        prop_assert_eq!(found.status, QuoteStatus::Near);
        prop_assert_eq!(found.slice.map(|slice| slice.text), Some(page));
    }
}
