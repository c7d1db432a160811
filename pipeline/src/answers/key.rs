//! Names a question by everything that its answer depends on.

use std::{fmt, sync::LazyLock};

use serde::Serialize;

use crate::{
    brand::BrandProfile,
    compressed::CompressError,
    document::{CompressedDocument, Format},
    prior_outputs::PriorOutputs,
    record::{hex, sha256_canonical, sha256_hex},
    run::Stage,
    stages::schema,
};

/// The version of the key. A release that derives keys differently raises it, so that no old entry answers.
const KEY_VERSION: u32 = 1;

/// The version of the documents' readers. Raise it when a reader's text gets a new meaning without changing, such as other
/// numbers for the same pages.
pub const READER_VERSION: u32 = 1;

/// SHA-256 (hex) of a question. Equal questions of different principals have equal keys: the cache separates principals.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AnswerKey(String);

impl AnswerKey {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AnswerKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The settings of an analyst that its answers depend on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AnswerSettings {
    /// `model`, or another analyst's name.
    pub analyst: String,
    /// The address of the endpoint.
    pub endpoint: String,
    /// The models, the first choice first.
    pub models: Vec<String>,
    pub structured_output: String,
    /// The constraints on privacy, providers, prices and reasoning.
    pub routing: String,
    /// The most tokens of the document, of the research notes, and of the answer.
    pub limits: [u64; 3],
}

/// Everything that an answer depends on. Its canonical form is hashed, so no ingredient can pass for another.
#[derive(Debug, Serialize)]
struct Ingredients<'a> {
    version: u32,
    stage: Stage,
    reader: u32,
    /// The document's name, format and title, and the digest of its pages and hidden text.
    document: (&'a str, Format, Option<&'a str>, String),
    /// The digests of the earlier stages' payloads.
    earlier: Vec<(Stage, String)>,
    /// The profile with its research notes, where the stage reads it.
    brand: Option<&'a BrandProfile>,
    /// Rules, task, the schema with bounds, and the text of a second question.
    prompt: &'a str,
    /// The schema that is sent.
    schema: &'a str,
    settings: &'a AnswerSettings,
}

impl AnswerKey {
    /// The key of a stage's question. The signature keeps the run, its time and its user out of it.
    ///
    /// # Errors
    ///
    /// [`CompressError`] if the document or an earlier output cannot be read, which is a defect.
    pub fn new(
        stage: Stage,
        document: &CompressedDocument,
        earlier: &PriorOutputs,
        brand: &BrandProfile,
        prompt: &str,
        settings: &AnswerSettings,
    ) -> Result<Self, CompressError> {
        let ingredients = Ingredients {
            version: KEY_VERSION,
            stage,
            reader: READER_VERSION,
            document: (
                &document.source_name,
                document.format,
                document.title.as_deref(),
                hex(&document.parts_sha256),
            ),
            earlier: earlier.digests()?,
            brand: (stage == Stage::BrandContextualization).then_some(brand),
            prompt,
            schema: schema_sha256(stage),
            settings,
        };
        let json = serde_json::to_vec(&ingredients).map_err(std::io::Error::other)?;
        Ok(Self(sha256_hex(&json)))
    }
}

/// SHA-256 (hex) of the schema that is sent.
fn schema_sha256(stage: Stage) -> &'static str {
    // A schema has a canonical form: its numbers are small.
    static SENT: LazyLock<[String; 4]> = LazyLock::new(|| {
        Stage::ALL.map(|stage| sha256_canonical(&*schema::of(stage).sent).unwrap_or_default())
    });
    let [first, second, third, fourth] = &*SENT;
    match stage {
        Stage::InputProcessing => first,
        Stage::SignalAmplification => second,
        Stage::GeneralTranslation => third,
        Stage::BrandContextualization => fourth,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        brand::BrandId,
        document::{Document, Page},
        stages::{Outputs, StageOutput},
        testing::example_answer,
    };

    /// A question, each of whose ingredients a test may change.
    #[derive(Clone)]
    struct Asked {
        stage: Stage,
        document: Document,
        brand: BrandProfile,
        earlier: Outputs,
        prompt: String,
        settings: AnswerSettings,
    }

    impl Asked {
        fn new(stage: Stage) -> Self {
            let yaml = include_str!("../../../data/brand-profiles/decathlon.yaml");
            let brand = BrandProfile::from_yaml(BrandId::parse("decathlon").unwrap(), yaml, None).unwrap();
            let mut earlier = Outputs::default();
            for before in Stage::ALL.into_iter().filter(|before| *before < stage) {
                earlier.insert(StageOutput::from_json(before, example_answer(before)).unwrap());
            }
            let pages =
                vec![Page { number: 1, text: "Shoppers bring it back.".to_owned(), ..Page::default() }];
            Self {
                stage,
                document: Document { pages, source_name: "a.md".to_owned(), ..Document::default() },
                brand,
                earlier,
                prompt: "prompt".to_owned(),
                settings: AnswerSettings {
                    analyst: "model".to_owned(),
                    endpoint: "https://x.y".to_owned(),
                    models: vec!["a/b".to_owned()],
                    structured_output: "auto".to_owned(),
                    routing: String::new(),
                    limits: [1, 2, 3],
                },
            }
        }

        fn key(&self) -> AnswerKey {
            let document = CompressedDocument::new(self.document.clone()).unwrap();
            let earlier = PriorOutputs::new(self.earlier.clone()).unwrap();
            AnswerKey::new(self.stage, &document, &earlier, &self.brand, &self.prompt, &self.settings)
                .unwrap()
        }

        fn changed(&self, change: impl FnOnce(&mut Self)) -> AnswerKey {
            let mut other = self.clone();
            change(&mut other);
            other.key()
        }
    }

    #[test]
    fn each_ingredient_changes_the_key() {
        let asked = Asked::new(Stage::BrandContextualization);
        let changed = [
            asked.key(),
            asked.changed(|it| it.stage = Stage::GeneralTranslation),
            asked.changed(|it| it.document.pages[0].text.push('!')),
            asked.changed(|it| it.document.pages[0].number = 2),
            asked.changed(|it| it.document.title = Some("Title".to_owned())),
            asked.changed(|it| it.document.source_name.push('x')),
            asked.changed(|it| it.earlier.lessons = None),
            asked.changed(|it| {
                let inspirations = it.earlier.inspirations.as_mut().unwrap();
                inspirations.inspirations[0].title.push('!');
            }),
            asked.changed(|it| it.brand.industry.push('!')),
            asked.changed(|it| it.brand.research_notes = Some("A note.".to_owned())),
            asked.changed(|it| it.prompt.push('!')),
            asked.changed(|it| it.settings.analyst.push('!')),
            asked.changed(|it| it.settings.endpoint.push('!')),
            asked.changed(|it| it.settings.models.push("c/d".to_owned())),
            asked.changed(|it| it.settings.structured_output.push('!')),
            asked.changed(|it| it.settings.routing.push('!')),
            asked.changed(|it| it.settings.limits[0] += 1),
        ];
        let distinct: std::collections::BTreeSet<_> = changed.iter().collect();
        assert_eq!(distinct.len(), changed.len());
    }

    #[test]
    fn only_stage_four_depends_on_the_brand() {
        for stage in Stage::ALL {
            let asked = Asked::new(stage);
            let other = asked.changed(|it| it.brand.brand_name.push('!'));
            assert_eq!(other != asked.key(), stage == Stage::BrandContextualization, "{stage}");
        }
    }
}
