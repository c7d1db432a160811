//! Stage 1: the cases of the document that are worth transferring.

use crate::{
    analyst::{
        AnalystError,
        extractive::{
            analysis::{clusters, naming, result::Analysis, sentence::Sentence, topic::Topic},
            stages::{
                evidence,
                parts::{self, Parts},
            },
            text::{key_phrases, role::Role, sentences, words},
        },
    },
    stages::{Evidence, InputProcessing, Inspiration},
};

/// Character limits of the schema, with room to spare.
const TITLE_CHARS_MAX: usize = 160;
const SUMMARY_CHARS_MAX: usize = 1_400;
const MECHANISM_CHARS_MAX: usize = 950;
const ELEMENT_CHARS_MAX: usize = 200;
const WHOLE_CHARS_MAX: usize = 90;
const ELEMENTS_MAX: usize = 8;

/// Two to five inspirations, or an error when the document does not hold two.
pub(crate) fn answer(analysis: &Analysis) -> Result<InputProcessing, AnalystError> {
    let mut inspirations: Vec<Inspiration> =
        clusters::clusters(analysis).iter().filter_map(|topics| inspiration(analysis, topics)).collect();
    inspirations.truncate(clusters::INSPIRATIONS_MAX);
    if inspirations.len() < 2 {
        let usable = analysis.usable().count();
        return Err(AnalystError::TooLittleText(format!(
            "{} of it can be quoted, which is not enough for two inspirations",
            words::counted(usable, "sentence", "sentences")
        )));
    }
    Ok(InputProcessing { inspirations })
}

fn inspiration(analysis: &Analysis, topics: &[usize]) -> Option<Inspiration> {
    let several = topics.len() > 1;
    let mut summary: Vec<usize> = Vec::new();
    let mut mechanism: Vec<usize> = Vec::new();
    let mut quotes: Vec<usize> = Vec::new();
    for topic in topics {
        let parts = Parts::of(analysis, *topic);
        let explained = parts.mechanism(analysis, several);
        let told = parts.summary(analysis, several, &explained);
        quotes.extend(parts.quotes(analysis, several, &told, &explained));
        summary.extend(told);
        mechanism.extend(explained);
    }
    quotes.sort_unstable();
    quotes.dedup();
    let evidence: Vec<Evidence> =
        quotes.iter().filter_map(|index| evidence::quote(analysis, *index)).take(parts::QUOTES_MAX).collect();
    let elements = key_elements(analysis, topics, &quotes);
    let title = words::clipped(&title(analysis, topics), TITLE_CHARS_MAX);
    let summary = evidence::prose(analysis, &summary, SUMMARY_CHARS_MAX);
    let mechanism = evidence::prose(analysis, &mechanism, MECHANISM_CHARS_MAX);
    let complete =
        title.chars().count() >= 3 && summary.chars().count() >= 10 && mechanism.chars().count() >= 10;
    (complete && !evidence.is_empty() && !elements.is_empty()).then_some(Inspiration {
        id: String::new(),
        title,
        summary,
        mechanism,
        key_elements: elements,
        evidence,
    })
}

fn title(analysis: &Analysis, topics: &[usize]) -> String {
    let names: Vec<String> = topics
        .iter()
        .filter_map(|index| analysis.topics.get(*index))
        .map(|topic| match &topic.case {
            Some(case) => format!("{} ({case})", topic.heading),
            None => topic.heading.clone(),
        })
        .collect();
    let full = words::listed(&names);
    if full.chars().count() <= TITLE_CHARS_MAX {
        return full;
    }
    let bare: Vec<&str> = topics
        .iter()
        .filter_map(|index| analysis.topics.get(*index))
        .map(|topic| topic.heading.as_str())
        .collect();
    words::listed(&bare)
}

/// The heading without its name: "Halden: a boat for an hour" → "A boat for an hour".
fn named_thing(topic: &Topic) -> Option<String> {
    let rest = topic.heading.strip_prefix(topic.name.as_deref()?)?.strip_prefix(": ")?;
    Some(words::capitalised(rest)).filter(|rest| rest.chars().count() >= 3)
}

/// The key elements: names, key phrases, and clauses with figures.
fn key_elements(analysis: &Analysis, topics: &[usize], quotes: &[usize]) -> Vec<String> {
    let mut elements: Vec<String> = Vec::new();
    for topic in topics {
        let own =
            |s: &&Sentence| !matches!(s.role, Role::Aside | Role::Counter | Role::Outlook | Role::Matter);
        let texts: Vec<&Sentence> =
            analysis.of_topic(*topic).map(|(_, s)| s).filter(|s| s.quotable).filter(own).collect();
        let topic = analysis.topics.get(*topic);
        elements.extend(topic.and_then(|topic| topic.name.clone()));
        elements.extend(naming::principal_name(&texts));
        elements.extend(topic.and_then(|topic| topic.case.as_deref()).map(words::capitalised));
        elements.extend(topic.and_then(named_thing));
        let count = if topics.len() > 1 { 2 } else { 4 };
        let phrases =
            key_phrases::key_phrases(texts.iter().map(|s| s.text.as_str()), &analysis.rarity, count);
        elements.extend(phrases.iter().map(|phrase| words::capitalised(phrase)));
    }
    let clauses = quotes
        .iter()
        .filter_map(|index| analysis.sentence(*index))
        .filter(|s| !s.figures.is_empty())
        .filter_map(|s| {
            let clause = sentences::main_clause(&s.text);
            // A whole sentence is an element only where it is short.
            let whole = clause == s.text.trim_end_matches('.');
            let length = clause.chars().count();
            let fits = length <= if whole { WHOLE_CHARS_MAX } else { ELEMENT_CHARS_MAX };
            (fits && !words::figures(clause).is_empty() && !clause.starts_with(['“', '"']))
                .then(|| clause.to_owned())
        });
    elements.extend(clauses.take(2));
    if elements.is_empty() {
        let name =
            quotes.iter().filter_map(|index| analysis.sentence(*index)).flat_map(|s| s.names.iter()).next();
        elements.extend(name.cloned().or_else(|| {
            let topic = analysis.topics.get(*topics.first()?)?;
            Some(topic.heading.clone()).filter(|heading| !heading.is_empty())
        }));
    }
    let mut unique: Vec<String> = Vec::new();
    for element in elements.iter().map(|element| words::clipped(element, ELEMENT_CHARS_MAX)) {
        if !unique.iter().any(|other| other.contains(element.as_str())) && unique.len() < ELEMENTS_MAX {
            unique.push(element);
        }
    }
    unique
}
