//! Stage 4: what one brand could do with the lessons.
//!
//! A pitch says what the brand could do (a template of the lesson's kind, on a product of the profile) and what
//! the document reports of the case behind it (a quote). Nothing else is claimed.

use super::{
    analysis::{Analysis, Sentence},
    brand_context,
    citations::{self, inner_quotes},
    inspirations,
    lexicon::{Role, lexicon},
    matching::{self, Match, Subject},
    mechanisms, ranking, risks, sentences, words,
};
use crate::{
    brand::BrandProfile,
    stages::{
        BrandContextualization, Effort, Evidence, Horizon, OPPORTUNITIES, Opportunity, Outputs, ProfileField,
        ProfileLink,
    },
};

const RISK_QUOTES_MAX: usize = 2;
const RISK_CHARS_MAX: usize = 440;
const RESULT_CHARS_MAX: usize = 640;
const CASE_CHARS_MAX: usize = 70;
/// So many first differ as far as the profile allows.
const DIFFERENT: usize = 3;
/// Openings that lean on the sentence before and can be quoted all the same.
const OBJECTING_OPENINGS: [&str; 4] = ["However, ", "But ", "Nevertheless, ", "Some "];
/// Beyond the third, matches below this share of the best one's score come last.
const SCORE_SHARE_MIN: f64 = 0.30;

pub(super) fn answer(analysis: &Analysis, earlier: &Outputs, brand: &BrandProfile) -> BrandContextualization {
    let subjects = matching::subjects(analysis, earlier);
    let chosen = choose(&matching::matches(&subjects, brand));
    let mut told = Told::default();
    let mut opportunities: Vec<Opportunity> = Vec::new();
    for (order, found) in chosen.iter().enumerate() {
        let (Some(subject), Some(entry)) =
            (subjects.get(found.subject), brand.product_portfolio.get(found.product))
        else {
            continue;
        };
        let writer = Writer { analysis, subject, brand, entry, found, order };
        opportunities.push(writer.opportunity(&mut told));
    }
    let brand_context = brand_context::write(&opportunities, &subjects, &chosen, brand);
    BrandContextualization { brand_context, opportunities }
}

/// The best matches: other lessons and other products each time, as far as there are any, until there are as many as a
/// run yields.
fn choose(matches: &[Match]) -> Vec<Match> {
    let mut chosen: Vec<Match> = Vec::new();
    let best = matches.first().map_or(0.0, |found| found.score);
    let passes = [
        (Pass::AllNew, OPPORTUNITIES, true),
        (Pass::NewKind, DIFFERENT, true),
        (Pass::NewPair, DIFFERENT, true),
        (Pass::AllNew, OPPORTUNITIES, false),
        (Pass::NewKind, OPPORTUNITIES, false),
        (Pass::NewPair, OPPORTUNITIES, false),
        (Pass::NewTitle, OPPORTUNITIES, false),
    ];
    for (pass, wanted, is_strict) in passes {
        for found in matches {
            let weak = is_strict && chosen.len() >= DIFFERENT && found.score < best * SCORE_SHARE_MIN;
            if chosen.len() >= wanted || weak {
                break;
            }
            let same_lesson = chosen.iter().any(|other| other.subject == found.subject);
            let same_product = chosen.iter().any(|other| other.product == found.product);
            let same_kind = found.mechanism.kind != mechanisms::GENERIC
                && chosen.iter().any(|other| other.mechanism.kind == found.mechanism.kind);
            let clash = match pass {
                Pass::AllNew => same_lesson || same_product || same_kind,
                Pass::NewKind => {
                    same_product || same_kind || same_lesson && found.mechanism.kind == mechanisms::GENERIC
                }
                Pass::NewPair => same_product && (same_lesson || same_kind),
                Pass::NewTitle => false,
            };
            // A title is made of the template and the product.
            let same_title = chosen
                .iter()
                .any(|other| (other.product, other.variant.title) == (found.product, found.variant.title));
            let clash = clash || same_title;
            if !clash {
                chosen.push(*found);
            }
        }
    }
    chosen
}

/// How strictly opportunities must differ, the strictest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// Another lesson, product and kind.
    AllNew,
    /// Another product and kind, and no fallback for a lesson that has been used.
    NewKind,
    /// Not the same product with the same lesson or kind.
    NewPair,
    /// Another product, or something else to do with it.
    NewTitle,
}

/// What an opportunity before has named, and the next one should not.
#[derive(Debug, Default)]
struct Told {
    sentences: Vec<usize>,
    constraints: Vec<String>,
    innovations: Vec<String>,
}

/// Everything that one opportunity is written from.
struct Writer<'a> {
    analysis: &'a Analysis,
    subject: &'a Subject<'a>,
    brand: &'a BrandProfile,
    entry: &'a str,
    found: &'a Match,
    order: usize,
}

impl Writer<'_> {
    fn opportunity(&self, told: &mut Told) -> Opportunity {
        let links = self.links(told);
        let effort = self.found.variant.effort;
        let result = self.result();
        Opportunity {
            id: String::new(),
            title: words::clipped(&words::capitalised(&self.filled(self.found.variant.title)), 160),
            pitch: words::clipped(&self.pitch(result), 1_450),
            why_this_brand: words::clipped(&self.why(&links), 1_450),
            target_customers: self.customers(),
            first_steps: self.steps(result),
            risks: self.risks(told),
            effort,
            horizon: self.horizon(effort, &links),
            lessons: vec![self.subject.lesson.id.clone()],
            profile_links: links.into_iter().map(|(field, entry)| ProfileLink { field, entry }).collect(),
        }
    }

    /// A template with its slots filled, for a text that stands alone.
    fn filled(&self, template: &str) -> String {
        self.filled_with(template, &format!("{}’s", self.brand.brand_name))
    }

    /// `owner` comes before a product that is called by a common noun ("Northwind’s boots", "its boots").
    fn filled_with(&self, template: &str, owner: &str) -> String {
        let product = matching::owned_name(self.entry, owner);
        template
            .replace("{product}", &product)
            .replace("{case}", &self.case_in_quotes())
            .replace("{brand}", &self.brand.brand_name)
    }

    /// The case's name in quotation marks, or the lesson's where it has none.
    fn case_in_quotes(&self) -> String {
        let name = self.case_name().unwrap_or_else(|| self.subject.lesson.title.clone());
        format!("“{}”", words::clipped(&inner_quotes(&name), CASE_CHARS_MAX))
    }

    /// What the document measured of the case behind the lesson.
    fn result(&self) -> Option<&Sentence> {
        let topic = self.subject.topic?;
        let evidence: Vec<&Evidence> = self.subject.inspirations.iter().flat_map(|i| &i.evidence).collect();
        // Its figures must stand on a page that the lesson's inspirations cite.
        let own = self
            .analysis
            .of_topic(topic)
            .filter(|(_, s)| s.quotable && evidence.iter().any(|e| e.page == s.page));
        let mut best: Option<(f64, &Sentence)> = None;
        for (_, s) in own {
            let cited = if evidence.iter().any(|e| e.quote == s.text) { 1.0 } else { 0.0 };
            if let Some(value) = inspirations::result_value(s).map(|value| value + cited)
                && best.is_none_or(|(best, _)| value.total_cmp(&best).is_gt())
            {
                best = Some((value, s));
            }
        }
        best.map(|(_, s)| s)
    }

    fn case_name(&self) -> Option<String> {
        let topic = self.analysis.topics.get(self.subject.topic?)?;
        let heading = || topic.named_by_document.then(|| topic.heading.clone());
        topic.case.clone().or_else(|| topic.name.clone()).or_else(heading)
    }

    fn pitch(&self, result: Option<&Sentence>) -> String {
        let mut pitch = self.filled_with(self.found.variant.pitch, "its");
        if let Some(result) = result {
            let case = self.case_name().map_or_else(String::new, |case| format!(" ({case})"));
            let opening = match self.order % 3 {
                0 => format!("The document reports of its case{case}:"),
                1 => format!("The case behind it{case} is described so:"),
                _ => format!("What the document found there{case}:"),
            };
            let quoted = citations::part(self.analysis, &result.text, result.page, RESULT_CHARS_MAX);
            pitch.push_str(&format!(" {opening} {quoted}"));
        }
        pitch
    }

    /// Text that the choice of profile entries is made by: what would be done, to what, for what reason.
    fn theme(&self) -> String {
        format!(
            "{} {} {} {} {}",
            self.filled(self.found.variant.title),
            self.filled(self.found.variant.pitch),
            self.subject.lesson.title,
            self.found.mechanism.serves,
            self.entry
        )
    }

    /// A narrower text, for entries that must have to do with the product itself.
    fn matter(&self) -> String {
        format!("{} {} {}", self.filled(self.found.variant.title), self.found.mechanism.serves, self.entry)
    }

    fn links(&self, told: &mut Told) -> Vec<(ProfileField, String)> {
        let mut links = vec![(ProfileField::ProductPortfolio, self.entry.to_owned())];
        let (theme, matter) = (self.theme(), self.matter());
        let brand = self.brand;
        let innovations = told.innovations.clone();
        let known: Vec<&str> = innovations.iter().map(String::as_str).collect();
        let lists = [
            (ProfileField::StrategicPriorities, &brand.strategic_priorities, &theme, 1.4, 0),
            (ProfileField::RecentInnovations, &brand.recent_innovations, &matter, 1.7, 1),
            (ProfileField::BrandValues, &brand.brand_values, &theme, 1.4, 0),
            (ProfileField::TargetCustomers, &brand.target_customers, &matter, 1.7, 0),
        ];
        for (field, entries, text, needed, words_min) in lists {
            if let Some((value, entry)) = matching::nearest_entry(entries, text, &known, words_min)
                && value >= needed
            {
                if field == ProfileField::RecentInnovations {
                    told.innovations.push(entry.to_owned());
                }
                links.push((field, entry.to_owned()));
            }
        }
        links.iter_mut().for_each(|(_, entry)| *entry = entry.chars().take(500).collect());
        links
    }

    fn why(&self, links: &[(ProfileField, String)]) -> String {
        let find = |wanted: ProfileField| {
            links.iter().find(|(field, _)| *field == wanted).map(|(_, entry)| entry.trim_end_matches('.'))
        };
        let brand = &self.brand.brand_name;
        let product = matching::short_name(self.entry);
        let described = self
            .entry
            .get(product.len()..)
            .unwrap_or_default()
            .trim_start_matches([' ', '-', '–', '—', ':'])
            .trim_end_matches('.');
        let mut text = if described.is_empty() || product.ends_with('…') {
            format!("{brand} has “{}” in its portfolio.", self.entry)
        } else {
            match self.order % 3 {
                0 => format!(
                    "{brand} would not need a new product for it: its profile lists {product}, “{described}”."
                ),
                1 => {
                    format!("The portfolio of {brand} offers a fitting start with {product} (“{described}”).")
                }
                _ => format!("With {product} (“{described}”), {brand} would not start from nothing."),
            }
        };
        if let Some(priority) = find(ProfileField::StrategicPriorities) {
            text.push_str(&match self.order % 3 {
                0 => format!(" The nearest of its stated priorities is “{priority}”."),
                1 => {
                    format!(" Among its priorities stands “{priority}”.")
                }
                _ => format!(" The profile names as a priority: “{priority}”."),
            });
        }
        if let Some(innovation) = find(ProfileField::RecentInnovations) {
            text.push_str(&match self.order % 2 {
                0 => format!(" Of its recent innovations, the nearest is “{innovation}”."),
                _ => format!(" A recent innovation touches the same ground: “{innovation}”."),
            });
        }
        if let Some(value) = find(ProfileField::BrandValues) {
            text.push_str(&match self.order % 2 {
                0 => format!(" It is in keeping with a value that the brand names: “{value}”."),
                _ => format!(" Among its values, it answers to “{value}”."),
            });
        }
        text
    }

    fn customers(&self) -> Vec<String> {
        let lesson = self.subject.lesson;
        let theme = format!("{} {} {}", self.theme(), lesson.principle, lesson.job_to_be_done.functional);
        let theme = citations::without_places(&theme, self.analysis.format);
        // Who uses the product comes before who might care for the lesson.
        let users = matching::nearest_entry(&self.brand.target_customers, self.entry, &[], 1);
        let mut chosen: Vec<&str> = users.map(|(_, entry)| entry).into_iter().collect();
        while let Some((value, entry)) =
            matching::nearest_entry(&self.brand.target_customers, &theme, &chosen, 0)
        {
            if chosen.len() >= 2 || (!chosen.is_empty() && value < 2.0) {
                break;
            }
            chosen.push(entry);
        }
        if chosen.is_empty() {
            chosen.extend(self.brand.target_customers.first().map(String::as_str));
        }
        chosen.into_iter().map(|entry| entry.chars().take(300).collect()).collect()
    }

    fn steps(&self, result: Option<&Sentence>) -> Vec<String> {
        let mut steps: Vec<String> =
            self.found.variant.steps.iter().map(|step| words::clipped(&self.filled(step), 500)).collect();
        // What a case of another field measured is no measure for this one.
        let near = !self.subject.is_foreign_to(self.entry, self.brand);
        let yardstick = result
            .filter(|_| near)
            .map(|s| sentences::main_clause(&s.text))
            .filter(|clause| !words::figures(clause).is_empty());
        if let Some(clause) = yardstick {
            let clause = inner_quotes(clause);
            let step = match self.order % 3 {
                0 => format!(
                    "Fix the figure that decides before the start; the document’s own case reports: “{clause}”."
                ),
                1 => format!("Take the document’s result as the yardstick, not as a promise: “{clause}”."),
                _ => format!(
                    "Agree how far from the reported case the result may fall before the trial ends: “{clause}”."
                ),
            };
            steps.push(words::clipped(&step, 500));
        }
        steps.truncate(6);
        steps
    }

    /// Counter-signals of the document that no opportunity before has named, and the profile's own limits.
    fn risks(&self, told: &mut Told) -> Vec<String> {
        let mut risks: Vec<String> = Vec::new();
        let counters: Vec<usize> = self
            .analysis
            .sentences
            .iter()
            .enumerate()
            .filter(|(_, s)| {
                // "However, …" leans, but says by itself that it objects.
                s.quotable
                    && risks::warns(s)
                    && (!s.leans || OBJECTING_OPENINGS.iter().any(|opening| s.text.starts_with(opening)))
                    && self.concerns(s)
                    && s.text.chars().count() < 420
            })
            .map(|(index, _)| index)
            .collect();
        let product = words::content_stems(&self.theme());
        // One that was named before is better than none.
        let fresh: Vec<usize> =
            counters.iter().copied().filter(|index| !told.sentences.contains(index)).collect();
        let (from, count) = if fresh.is_empty() { (&counters, 1) } else { (&fresh, RISK_QUOTES_MAX) };
        let chosen = ranking::pick(self.analysis, from, count, &[], |s| {
            let near = s.stems.iter().filter(|stem| product.contains(stem)).count().min(4) as f64 * 0.1;
            let under_heading = if s.role == Role::Counter { 0.5 } else { 0.0 };
            near + under_heading
                + f64::from(lexicon().marker_weight("counter", &s.plain).min(9)) * 0.08
                + s.score * 0.3
        });
        for index in chosen {
            if let Some(s) = self.analysis.sentence(index) {
                let opening = if self.subject.is_foreign_to(self.entry, self.brand) {
                    "Of its own case, in another field, the document warns"
                } else {
                    "The document warns"
                };
                let quoted = citations::part(self.analysis, &s.text, s.page, RISK_CHARS_MAX);
                risks.push(format!("{opening}: {quoted}"));
                told.sentences.push(index);
            }
        }
        let theme = format!("{} {}", self.theme(), self.found.variant.steps.join(" "));
        let known: Vec<&str> = told.constraints.iter().map(String::as_str).collect();
        let limit = matching::nearest_entry(&self.brand.constraints, &theme, &known, 0)
            .filter(|(value, _)| *value >= 1.0 || risks.is_empty())
            .map(|(_, constraint)| constraint.to_owned());
        if let Some(constraint) = limit {
            let limit = constraint.trim_end_matches('.');
            risks.push(words::clipped(&format!("A limit from the brand’s own profile: {limit}."), 500));
            told.constraints.push(constraint);
        }
        if risks.is_empty() {
            risks.push(
                "The document names no risk of this case; what speaks against it must still be found out."
                    .to_owned(),
            );
        }
        risks
    }

    /// Whether a counter-signal speaks of the lesson's case. In a document of one story, each does.
    fn concerns(&self, s: &Sentence) -> bool {
        self.subject.topic.is_none_or(|topic| {
            let one_story = self.analysis.topics.get(topic).is_some_and(|topic| !topic.named_by_document);
            one_story || s.topic == Some(topic)
        })
    }

    /// The rule that the brand context states.
    fn horizon(&self, effort: Effort, links: &[(ProfileField, String)]) -> Horizon {
        let prepared = links.iter().any(|(field, _)| *field == ProfileField::RecentInnovations);
        match (effort, prepared) {
            (Effort::Low, _) | (Effort::Medium, true) => Horizon::Now,
            (Effort::Medium, false) | (Effort::High, true) => Horizon::Next,
            (Effort::High, false) => Horizon::Later,
        }
    }
}
