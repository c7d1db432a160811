//! The page as a browser's parser reads it: html5ever's tokens, and not strings.

use html5ever::{
    buffer_queue::BufferQueue,
    tendril::StrTendril,
    tokenizer::{Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts},
};
use std::cell::RefCell;

use super::*;
use crate::{
    document::Format,
    record::{BrandFacts, DocumentFacts, StageRecord},
    report::tests::{brand, document, grounding, records},
    run::RunId,
};

/// The tags of a page, and its text.
#[derive(Default)]
struct Seen {
    tags: RefCell<Vec<Tag>>,
    text: RefCell<String>,
}

impl TokenSink for Seen {
    type Handle = ();

    fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
        match token {
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => self.tags.borrow_mut().push(tag),
            Token::CharacterTokens(text) => self.text.borrow_mut().push_str(&text),
            Token::CommentToken(comment) => panic!("a comment: {comment}"),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

fn parsed(html: &str) -> Seen {
    let queue = BufferQueue::default();
    queue.push_back(StrTendril::from(html));
    let tokenizer = Tokenizer::new(Seen::default(), TokenizerOpts::default());
    let _ = tokenizer.feed(&queue);
    tokenizer.end();
    tokenizer.sink
}

fn values(seen: &Seen, name: &str) -> Vec<String> {
    let tags = seen.tags.borrow();
    let attributes = tags.iter().flat_map(|tag| &tag.attrs);
    attributes
        .filter(|attribute| &*attribute.name.local == name)
        .map(|found| found.value.to_string())
        .collect()
}

fn html_of(records: &[StageRecord], document: &DocumentFacts, brand: &BrandFacts) -> String {
    let run = RunId::parse("run-1").unwrap();
    let input = ReportInput { run: &run, document, brand, records };
    page(&input, SourceLinks::default(), "nonce").unwrap()
}

fn html(text: impl Fn(&str) -> String + Copy) -> String {
    html_of(&records(text, "maker", [grounding(2, 1), grounding(2, 2)]), &document(text), &brand(text))
}

#[test]
fn every_link_has_its_target() {
    let seen = parsed(&html(str::to_owned));
    let ids = values(&seen, "id");
    let links: Vec<String> = values(&seen, "href");
    for link in &links {
        let target = link.strip_prefix('#').unwrap();
        assert_eq!(ids.iter().filter(|id| *id == target).count(), 1, "{link}");
    }
    for anchor in ["#E1", "#E2", "#O1", "#L1", "#T1", "#I1"] {
        assert!(links.iter().any(|link| link == anchor), "{anchor}: {links:?}");
    }
}

#[test]
fn hostile_text_stays_text() {
    let names = |html: &str| -> Vec<(String, Vec<String>)> {
        let seen = parsed(html);
        let tags = seen.tags.borrow();
        let of = |tag: &Tag| {
            let attributes = tag.attrs.iter().map(|attribute| attribute.name.local.to_string()).collect();
            (tag.name.to_string(), attributes)
        };
        tags.iter().map(of).collect()
    };
    let tame = names(&html(str::to_owned));
    for hostile in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' onload='x",
        "<!-- x",
        "</style></bdi></html>",
        "&lt;b&gt;&#60;b>",
        "<svg><title></title><a href='javascript:x'>",
        "]]><?php",
    ] {
        let page = html(|name: &str| format!("{hostile} {name} {hostile}"));
        assert_eq!(names(&page), tame, "{hostile}");
        assert!(
            parsed(&page).text.borrow().contains(&format!("{hostile} Milk on tap {hostile}")),
            "{hostile}"
        );
    }
}

#[test]
fn the_quotes_that_no_reader_finds_stay_away() {
    let page = html(str::to_owned);
    assert!(!page.contains("INVENTED"));
    assert!(parsed(&page).text.borrow().contains("1 quote that could not be found there was left out."));
}

#[test]
fn names_of_pages_stand_in_citations() {
    for (format, label, place) in [
        (Format::Xlsx, "Sales", "sheet Sales"),
        (Format::Epub, "Refill", "chapter 7 “Refill”"),
        (Format::Pptx, "", "slide 7"),
        (Format::Pdf, "iv", "p. iv"),
    ] {
        let mut records = records(str::to_owned, "maker", [grounding(2, 1), grounding(2, 2)]);
        if !label.is_empty() {
            records[1].payload["trends"][0]["evidence"][1]["label"] = label.into();
        }
        let document = DocumentFacts { format, ..document(str::to_owned) };
        let seen = parsed(&html_of(&records, &document, &brand(str::to_owned)));
        let text = seen.text.borrow();
        assert!(text.contains(place), "{place}: {text}");
        assert_eq!(text.contains("(page 7 of the file)"), format == Format::Pdf);
        let run = RunId::parse("run-1").unwrap();
        let input =
            ReportInput { run: &run, document: &document, brand: &brand(str::to_owned), records: &records };
        let markdown = crate::report::render(&input).unwrap();
        assert!(markdown.contains(&format!("**E2** ({place})")), "{markdown}");
    }
}

#[test]
fn a_run_without_opportunities_has_a_page() {
    let mut records = records(str::to_owned, "maker", [grounding(0, 0), grounding(0, 0)]);
    for (record, field) in records.iter_mut().zip(["inspirations", "trends", "lessons", "opportunities"]) {
        record.payload[field] = serde_json::json!([]);
    }
    let seen = parsed(&html_of(&records, &document(str::to_owned), &brand(str::to_owned)));
    let text = seen.text.borrow();
    assert!(
        text.contains("The document yielded no opportunity for")
            && text.contains("There is no usable quote.")
    );
}

#[test]
fn forty_opportunities_share_a_cell() {
    let mut records = records(str::to_owned, "maker", [grounding(2, 1), grounding(2, 2)]);
    let one = records[3].payload["opportunities"][0].clone();
    let all = (1..=40).map(|number| {
        let mut item = one.clone();
        item["id"] = format!("O{number}").into();
        item
    });
    records[3].payload["opportunities"] = all.collect();
    let seen = parsed(&html_of(&records, &document(str::to_owned), &brand(str::to_owned)));
    assert!(seen.text.borrow().contains("+32"), "eight marks, and the number of the others");
    assert_eq!(values(&seen, "id").iter().filter(|id| id.starts_with('O')).count(), 40);
}
