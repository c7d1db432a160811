//! The sentences of a topic, by what they are good for: mechanism, summary, result, quotes.

use crate::analyst::extractive::{
    analysis::{cues, ranking, result::Analysis, sentence::Sentence},
    text::role::Role,
};

/// The most quotes of one inspiration.
pub(crate) const QUOTES_MAX: usize = 4;

/// The sentences of one topic that an inspiration may use.
pub(crate) struct Parts {
    usable: Vec<usize>,
}

impl Parts {
    pub(crate) fn of(analysis: &Analysis, topic: usize) -> Self {
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

    /// The sentences that explain the case: one, or two that follow each other.
    pub(crate) fn mechanism(&self, analysis: &Analysis, short: bool) -> Vec<usize> {
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
            let quoted = if cues::is_spoken(s) { -0.5 } else { 0.0 };
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

    /// The sentences of the summary, two to four: the idea, the case, and its result.
    pub(crate) fn summary(&self, analysis: &Analysis, short: bool, explained: &[usize]) -> Vec<usize> {
        let standing = |s: &Sentence| (!s.leans && !cues::is_spoken(s)).then_some(s.score);
        let lead = self.best(analysis, explained, |s| (s.role == Role::Lead).then(|| standing(s)).flatten());
        let mut chosen: Vec<usize> = Vec::new();
        // A sentence that introduces the case by name belongs to the summary, even if it also explains.
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
        self.best(analysis, taken, cues::result_value)
    }

    pub(crate) fn quotes(
        &self,
        analysis: &Analysis,
        short: bool,
        told: &[usize],
        explained: &[usize],
    ) -> Vec<usize> {
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

/// The sentences that explain a topic's case: one, or two that follow each other.
pub(crate) fn explanation(analysis: &Analysis, topic: usize) -> Vec<usize> {
    Parts::of(analysis, topic).mechanism(analysis, false)
}
