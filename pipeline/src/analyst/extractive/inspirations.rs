//! Stage 1: what in the document is worth transferring.

use super::{
    analysis::{Analysis, Sentence},
    clusters,
    lexicon::{Role, lexicon},
    phrases, ranking, sentences,
    topics::Topic,
    words,
};
use crate::{
    analyst::AnalystError,
    stages::{Evidence, InputProcessing, Inspiration},
};

/// Character limits of the schema, with room to spare.
const TITLE_CHARS_MAX: usize = 160;
const SUMMARY_CHARS_MAX: usize = 1_400;
const MECHANISM_CHARS_MAX: usize = 950;
const ELEMENT_CHARS_MAX: usize = 200;
const WHOLE_CHARS_MAX: usize = 90;
const ELEMENTS_MAX: usize = 8;
/// Quotes of one inspiration.
const QUOTES_MAX: usize = 4;

/// Two to five inspirations, or an error when the document does not hold two.
pub(super) fn answer(analysis: &Analysis) -> Result<InputProcessing, AnalystError> {
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
        quotes.iter().filter_map(|index| quote(analysis, *index)).take(QUOTES_MAX).collect();
    let elements = key_elements(analysis, topics, &quotes);
    let title = words::clipped(&title(analysis, topics), TITLE_CHARS_MAX);
    let summary = prose(analysis, &summary, SUMMARY_CHARS_MAX);
    let mechanism = prose(analysis, &mechanism, MECHANISM_CHARS_MAX);
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

/// What explains a topic's case: one or two sentences that stand next to each other.
pub(super) fn explanation(analysis: &Analysis, topic: usize) -> Vec<usize> {
    Parts::of(analysis, topic).mechanism(analysis, false)
}

/// A sentence as evidence.
pub(super) fn quote(analysis: &Analysis, index: usize) -> Option<Evidence> {
    let sentence = analysis.sentence(index).filter(|sentence| sentence.quotable)?;
    Some(Evidence { quote: sentence.text.clone(), page: sentence.page.clamp(1, 2000), status: None })
}

/// Whole sentences in document order, as many as fit.
pub(super) fn prose(analysis: &Analysis, indexes: &[usize], chars_max: usize) -> String {
    let mut text = String::new();
    for sentence in indexes.iter().filter_map(|index| analysis.sentence(*index)) {
        let length = text.chars().count() + sentence.text.chars().count() + 1;
        if length > chars_max {
            break;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&sentence.text);
    }
    text
}

/// A topic's sentences by what they are good for.
struct Parts {
    usable: Vec<usize>,
}

impl Parts {
    fn of(analysis: &Analysis, topic: usize) -> Self {
        let usable = analysis
            .of_topic(topic)
            .filter(|(_, s)| {
                s.quotable
                    && !s.objects
                    && !matches!(s.role, Role::Matter | Role::Counter | Role::Outlook | Role::Aside)
            })
            .map(|(index, _)| index)
            .collect();
        Self { usable }
    }

    fn best(
        &self,
        analysis: &Analysis,
        taken: &[usize],
        value: impl Fn(&Sentence) -> Option<f64>,
    ) -> Option<usize> {
        let mut best: Option<(f64, usize)> = None;
        for index in self.usable.iter().filter(|index| !taken.contains(index)) {
            let Some(value) = analysis.sentence(*index).and_then(&value) else {
                continue;
            };
            if best.is_none_or(|(best, _)| value.total_cmp(&best).is_gt()) {
                best = Some((value, *index));
            }
        }
        best.map(|(_, index)| index)
    }

    /// What explains the case: one or two sentences that stand next to each other.
    fn mechanism(&self, analysis: &Analysis, short: bool) -> Vec<usize> {
        let first_under_heading = self
            .usable
            .iter()
            .copied()
            .find(|index| analysis.sentence(*index).is_some_and(|s| s.role == Role::Mechanism));
        let value = |index: usize, s: &Sentence| {
            let role = match s.role {
                Role::Mechanism => 0.5,
                Role::Reason => 0.3,
                Role::Context => -0.2,
                _ => 0.0,
            };
            // "In the spring of 2023 …" tells when, not how.
            let timed = ["In ", "At ", "Since ", "From ", "By ", "After "]
                .iter()
                .any(|start| s.text.starts_with(start));
            let role = if timed { role - 0.25 } else { role };
            let opens = if Some(index) == first_under_heading { 0.6 } else { 0.0 };
            let named = if s.names.is_empty() { 0.0 } else { -0.25 };
            let figures = if s.figures.is_empty() { 0.0 } else { -0.2 };
            let leans = if s.leans { -0.6 } else { 0.0 };
            let quoted = if is_spoken(s) { -0.5 } else { 0.0 };
            role + opens + named + figures + leans + quoted + f64::from(s.cause.min(8)) * 0.08 + s.score * 0.5
        };
        let mut best: Option<(f64, usize)> = None;
        for index in &self.usable {
            let Some(sentence) = analysis.sentence(*index) else {
                continue;
            };
            let value = value(*index, sentence);
            if best.is_none_or(|(best, _)| value.total_cmp(&best).is_gt()) {
                best = Some((value, *index));
            }
        }
        let Some((_, first)) = best else { return Vec::new() };
        let mut chosen = vec![first];
        let words = analysis.sentence(first).map_or(0, |s| s.word_count);
        let next = analysis.sentence(first + 1).filter(|_| analysis.adjoins(first, first + 1));
        let room = if short { 14 } else { 26 };
        if next.is_some_and(|s| s.quotable && (words < room || s.leans) && s.word_count + words < 75) {
            chosen.push(first + 1);
        }
        chosen
    }

    /// Two to four sentences: what it is, what was done, what came of it.
    fn summary(&self, analysis: &Analysis, short: bool, explained: &[usize]) -> Vec<usize> {
        let standing = |s: &Sentence| (!s.leans && !is_spoken(s)).then_some(s.score);
        let lead = self.best(analysis, explained, |s| (s.role == Role::Lead).then(|| standing(s)).flatten());
        let mut chosen: Vec<usize> = Vec::new();
        // What introduces the case by name is told, even if it explains too.
        let introduces = |index: &usize| {
            explained.contains(index)
                && analysis.sentence(*index).is_some_and(|s| s.role == Role::Lead && !s.names.is_empty())
        };
        chosen.extend(self.usable.first().copied().filter(introduces));
        if !short || self.result(analysis, explained).is_none() {
            chosen.extend(lead);
            if let Some(lead) = lead.filter(|lead| analysis.adjoins(*lead, lead + 1)) {
                let follows = analysis
                    .sentence(lead + 1)
                    .is_some_and(|s| s.quotable && s.leans && s.role == Role::Lead);
                if follows && !explained.contains(&(lead + 1)) {
                    chosen.push(lead + 1);
                }
            }
        }
        let taken: Vec<usize> = chosen.iter().chain(explained).copied().collect();
        let case = self.best(analysis, &taken, |s| {
            let introduces = if s.names.is_empty() { 0.0 } else { 0.5 };
            (s.role == Role::Case || s.role == Role::Context)
                .then(|| standing(s).map(|v| v + introduces))
                .flatten()
        });
        // The first sentence about the case introduces its name; a later one may take it for granted.
        let introduction = self.usable.iter().copied().find(|index| {
            !taken.contains(index)
                && analysis.sentence(*index).is_some_and(|s| s.role == Role::Case && !s.leans)
        });
        chosen.extend(introduction.or(case));
        let taken: Vec<usize> = chosen.iter().chain(explained).copied().collect();
        chosen.extend(self.result(analysis, &taken));
        if chosen.is_empty() {
            let apart = self.best(analysis, explained, standing);
            chosen.extend(apart.or_else(|| self.best(analysis, &[], |s| Some(s.score))));
        }
        chosen.sort_unstable();
        chosen.dedup();
        chosen
    }

    fn result(&self, analysis: &Analysis, taken: &[usize]) -> Option<usize> {
        self.best(analysis, taken, result_value)
    }

    fn quotes(&self, analysis: &Analysis, short: bool, told: &[usize], explained: &[usize]) -> Vec<usize> {
        let mut chosen: Vec<usize> = Vec::new();
        chosen.extend(self.result(analysis, &[]));
        chosen.extend(explained.first());
        let count = if short { 2 } else { QUOTES_MAX };
        let with_figures =
            told.iter().filter(|index| analysis.sentence(**index).is_some_and(|s| !s.figures.is_empty()));
        chosen.extend(with_figures);
        chosen.extend(told);
        let mut unique: Vec<usize> = Vec::new();
        for index in chosen {
            if !unique.contains(&index) && unique.len() < count {
                unique.push(index);
            }
        }
        if unique.len() < count {
            let more = ranking::pick(analysis, &self.usable, count - unique.len(), &unique, |s| s.score);
            unique.extend(more);
        }
        unique
    }
}

/// Somebody's own words: they colour a story, and explain nothing alone.
fn is_spoken(s: &Sentence) -> bool {
    s.text.starts_with(['“', '"', '‘'])
        || ["I ", "We ", "My ", "Our "].iter().any(|start| s.text.starts_with(start))
}

/// How well a sentence states what came of a case: a measured outcome, best with its reason.
pub(super) fn result_value(s: &Sentence) -> Option<f64> {
    let outcome = lexicon().marker_weight("result", &s.plain);
    let quoted = s.text.starts_with(['“', '"', '‘']);
    (outcome > 0
        && !s.figures.is_empty()
        && !s.leans
        && !s.objects
        && !quoted
        && !matches!(s.role, Role::Aside | Role::Counter | Role::Outlook | Role::Matter))
    .then(|| {
        let reason = if s.cause > 0 { 0.35 } else { 0.0 };
        let named = if s.names.is_empty() { 0.0 } else { 0.15 };
        let place = if matches!(s.role, Role::Case | Role::Result) { 0.3 } else { 0.0 };
        s.score + reason + named + place + f64::from(outcome.min(9)) * 0.03
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

/// What a heading says after its name: "Halden: a boat for an hour" → "A boat for an hour".
fn named_thing(topic: &Topic) -> Option<String> {
    let rest = topic.heading.strip_prefix(topic.name.as_deref()?)?.strip_prefix(": ")?;
    Some(words::capitalised(rest)).filter(|rest| rest.chars().count() >= 3)
}

/// Who, what, and how much: names, key phrases, and clauses with figures.
fn key_elements(analysis: &Analysis, topics: &[usize], quotes: &[usize]) -> Vec<String> {
    let mut elements: Vec<String> = Vec::new();
    for topic in topics {
        let own =
            |s: &&Sentence| !matches!(s.role, Role::Aside | Role::Counter | Role::Outlook | Role::Matter);
        let texts: Vec<&Sentence> =
            analysis.of_topic(*topic).map(|(_, s)| s).filter(|s| s.quotable).filter(own).collect();
        let topic = analysis.topics.get(*topic);
        elements.extend(topic.and_then(|topic| topic.name.clone()));
        elements.extend(phrases::principal_name(&texts));
        elements.extend(topic.and_then(|topic| topic.case.as_deref()).map(words::capitalised));
        elements.extend(topic.and_then(named_thing));
        let count = if topics.len() > 1 { 2 } else { 4 };
        let phrases = phrases::key_phrases(texts.iter().map(|s| s.text.as_str()), &analysis.rarity, count);
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
