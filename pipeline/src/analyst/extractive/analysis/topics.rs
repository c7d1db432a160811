//! Which topics carry the document: by their headings, or by position where headings do not help.

use crate::{
    analyst::extractive::{
        analysis::{naming, result::Analysis, sentence::Sentence, topic::Topic, vectors},
        stop::{Stop, Stopped},
        text::role::Role,
    },
    stages::Strength,
};

/// The fewest quotable sentences of a major topic.
const TOPIC_SENTENCES_MIN: usize = 5;
/// The fewest in a section that names somebody and measures something.
const CASE_SENTENCES_MIN: usize = 3;
/// The most major topics.
const TOPICS_MAX: usize = 8;

/// Weighs the topics and chooses the major ones. Where the headings give fewer than two, positions make
/// topics.
pub(crate) fn choose_major(analysis: &mut Analysis, stop: &Stop) -> Result<(), Stopped> {
    weigh(analysis, stop)?;
    if analysis.topics.iter().filter(|topic| topic.major).count() < 2 {
        by_position(analysis);
        weigh(analysis, stop)?;
    }
    let mut order: Vec<(f64, usize)> = analysis
        .topics
        .iter()
        .enumerate()
        .filter(|(_, topic)| topic.major)
        .map(|(i, topic)| (topic.weight, i))
        .collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    for (_, index) in order.into_iter().skip(TOPICS_MAX) {
        if let Some(topic) = analysis.topics.get_mut(index) {
            topic.major = false;
        }
    }
    Ok(())
}

fn weigh(analysis: &mut Analysis, stop: &Stop) -> Result<(), Stopped> {
    for index in 0..analysis.topics.len() {
        stop.check()?;
        let mut scores: Vec<f64> = Vec::new();
        let mut stems: Vec<String> = Vec::new();
        let mut evidence = 0_u32;
        for (_, sentence) in analysis.of_topic(index).filter(|(_, sentence)| sentence.role != Role::Aside) {
            stems.extend_from_slice(&sentence.stems);
            if sentence.quotable {
                scores.push(sentence.score);
                evidence += u32::from(!sentence.figures.is_empty()) + u32::from(sentence.cause > 0);
            }
        }
        let vector = vectors::vector(&stems, &analysis.rarity);
        scores.sort_by(|a, b| b.total_cmp(a));
        // A short section is a case of its own if it names somebody and measures something.
        let own: Vec<&Sentence> = analysis.of_topic(index).map(|(_, s)| s).filter(|s| s.quotable).collect();
        let short_case = own.len() >= CASE_SENTENCES_MIN
            && own.iter().any(|s| !s.names.is_empty())
            && own.iter().any(|s| !s.figures.is_empty())
            && evidence >= 2;
        let positional = analysis.topics.get(index).is_some_and(|topic| !topic.named_by_document);
        if let Some(topic) = analysis.topics.get_mut(index) {
            topic.major = scores.len() >= TOPIC_SENTENCES_MIN && evidence >= 2
                || short_case
                || positional && scores.len() >= 2;
            let strength = match topic.labels.strength {
                Some((Strength::High, _)) => 1.0,
                Some((Strength::Medium, _)) => 0.5,
                _ => 0.0,
            };
            topic.weight = scores.iter().take(6).sum::<f64>() + f64::from(evidence.min(8)) * 0.1 + strength;
            topic.vector = vector;
        }
    }
    Ok(())
}

/// Cuts the usable text into two or three stretches of equal length, and makes a topic of each.
fn by_position(analysis: &mut Analysis) {
    let usable: Vec<usize> = analysis
        .usable()
        .filter(|(_, sentence)| !matches!(sentence.role, Role::Counter | Role::Outlook))
        .map(|(index, _)| index)
        .collect();
    // Fewer than four quotable sentences cannot make two topics, and one story rarely holds more than three.
    let count = (usable.len() / 14).clamp(2, 3);
    if usable.len() < 4 {
        return;
    }
    let first = analysis.topics.len();
    for topic in &mut analysis.topics {
        topic.major = false;
    }
    let share = usable.len().div_ceil(count);
    let starts: Vec<usize> = usable.chunks(share).filter_map(|chunk| chunk.first().copied()).collect();
    for (index, sentence) in analysis.sentences.iter_mut().enumerate() {
        let stretch = starts.iter().filter(|start| **start <= index).count().saturating_sub(1);
        sentence.topic = (sentence.role != Role::Matter).then_some(first + stretch);
    }
    analysis.index_topics();
    for stretch in 0..starts.len() {
        let heading = naming::heading_from(analysis, first + stretch);
        analysis.topics.push(Topic { heading, ..Topic::default() });
    }
}
