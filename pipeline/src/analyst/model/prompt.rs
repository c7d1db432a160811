//! Builds a stage's prompt: the delimited material first, the task last.
//!
//! Order matters twice. Text that several requests share stands first, in the same bytes, so that the provider's cache can serve
//! it: the rules, then the document (stages 1 and 2) or the earlier outputs (stage 4 of several brands), then what is the
//! request's own. The task stands behind all untrusted text, so that the text cannot override it.

use std::sync::LazyLock;

use serde_json::Value;

use super::{
    context_window::{self, Fitted, Sheet},
    options::ModelOptions,
    untrusted_text::{Delimiters, defused, enclose},
};
use crate::{
    analyst::{AnalystError, StageInput},
    brand::BrandProfile,
    document::Document,
    grounding::collapsed,
    llm::PromptBlock,
    record::sha256_hex,
    run::Stage,
    stages::{Evidence, GeneralTranslation, InputProcessing, QuoteStatus, SignalAmplification, schema},
};

const RULES: &str = include_str!("../../prompts/rules.md");
const AGAIN: &str = include_str!("../../prompts/again.md");

/// A prompt, with warnings for the reader of its answer.
#[derive(Debug)]
pub(super) struct Prompt {
    pub(super) system: String,
    pub(super) blocks: Vec<PromptBlock>,
    pub(super) warnings: Vec<String>,
    /// Whether the untrusted text holds the keys of an answer.
    pub(super) holds_answer_keys: bool,
}

/// The stage's task, with the schema that will be checked.
fn task(stage: Stage) -> &'static str {
    static TASKS: LazyLock<[String; 4]> = LazyLock::new(|| {
        Stage::ALL.map(|stage| {
            let text = match stage {
                Stage::InputProcessing => include_str!("../../prompts/input_processing.md"),
                Stage::SignalAmplification => include_str!("../../prompts/signal_amplification.md"),
                Stage::GeneralTranslation => include_str!("../../prompts/general_translation.md"),
                Stage::BrandContextualization => include_str!("../../prompts/brand_contextualization.md"),
            };
            text.replace("{{schema}}", &schema::of(stage).checked.to_string())
        })
    });
    of(stage, &TASKS)
}

/// The hash of everything in a stage's prompt that does not depend on the run.
pub(super) fn version(stage: Stage) -> &'static str {
    static VERSIONS: LazyLock<[String; 4]> = LazyLock::new(|| {
        Stage::ALL.map(|stage| {
            let mut hash = sha256_hex(format!("{RULES}\n{}\n{AGAIN}", task(stage)).as_bytes());
            hash.truncate(16);
            hash
        })
    });
    of(stage, &VERSIONS)
}

fn of(stage: Stage, [first, second, third, fourth]: &'static [String; 4]) -> &'static str {
    match stage {
        Stage::InputProcessing => first,
        Stage::SignalAmplification => second,
        Stage::GeneralTranslation => third,
        Stage::BrandContextualization => fourth,
    }
}

/// Builds the prompt of a stage.
pub(super) fn build(
    stage: Stage,
    input: &StageInput<'_>,
    options: &ModelOptions,
) -> Result<Prompt, AnalystError> {
    let mut prompt = Prompt {
        system: RULES.trim_end().to_owned(),
        blocks: Vec::new(),
        warnings: Vec::new(),
        holds_answer_keys: false,
    };
    let earlier = input.earlier.outputs()?;
    match stage {
        Stage::InputProcessing => prompt.add_document(&input.document.decompress()?, options)?,
        Stage::SignalAmplification => {
            prompt.add_document(&input.document.decompress()?, options)?;
            prompt.add(inspirations(options, earlier.inspirations)?);
        }
        Stage::GeneralTranslation => {
            prompt.add(inspirations(options, earlier.inspirations)?);
            prompt.add_shared(trends(options, earlier.trends)?);
        }
        Stage::BrandContextualization => {
            prompt.add(inspirations(options, earlier.inspirations)?);
            prompt.add_shared(trends(options, earlier.trends)?);
            prompt.add_shared(lessons(options, earlier.lessons)?);
            prompt.add_brand(input.brand, options)?;
        }
    }
    let holds = |text: &str| prompt.blocks.iter().any(|block| block.text.contains(text));
    // A key may be written with escapes.
    prompt.holds_answer_keys = answer_keys(stage).all(|key| holds(&key)) || holds("\\u");
    prompt.add(task(stage).trim_end().to_owned());
    Ok(prompt)
}

/// The keys of a stage's answer as JSON writes them.
fn answer_keys(stage: Stage) -> impl Iterator<Item = String> {
    let properties = schema::of(stage).checked.get("properties").and_then(Value::as_object);
    properties.into_iter().flat_map(|properties| properties.keys()).map(|key| format!("\"{key}\""))
}

impl Prompt {
    fn add(&mut self, text: String) {
        self.blocks.push(PromptBlock { text, cacheable: false });
    }

    /// Adds a text up to which other requests send the same: another stage, another brand, or the second question.
    fn add_shared(&mut self, text: String) {
        self.blocks.push(PromptBlock { text, cacheable: true });
    }

    /// Adds the refused answer and its violations behind the same prompt, for the second and last try.
    pub(super) fn add_refusal(&mut self, options: &ModelOptions, answer: &str, violations: &[String]) {
        // This holds the longest answer that satisfies a schema. More would only cost money.
        const ANSWER_CHARS_MAX: usize = 48_000;
        let answer: String = answer.chars().take(ANSWER_CHARS_MAX).collect();
        self.add(format!(
            "{}\n\n{}\n\n{}",
            enclose(&options.fence_secret, "previous-answer", &answer),
            enclose(&options.fence_secret, "checker-findings", &violations.join("\n")),
            AGAIN.trim_end()
        ));
    }

    fn add_document(&mut self, document: &Document, options: &ModelOptions) -> Result<(), AnalystError> {
        let title = document.title.as_deref().unwrap_or_default();
        let fitted = context_window::fit(title, sheets(document), options.document_tokens_max);
        if !fitted.sheets.iter().any(|sheet| sheet.text.contains(char::is_alphanumeric)) {
            return Err(AnalystError::TooLittleText("no page has any words".to_owned()));
        }
        self.warn_of_omissions(&fitted, options.document_tokens_max);
        self.add_shared(document_block(document, &fitted, options));
        Ok(())
    }

    fn warn_of_omissions(&mut self, fitted: &Fitted, budget_tokens: usize) {
        if !fitted.left_out.is_empty() {
            self.warnings.push(format!(
                "The document is longer than the {budget_tokens} tokens a model may be sent: {} of its {} pages with \
                 text were chosen by relevance, and pages {} were not read.",
                fitted.sheets.len(),
                fitted.sheets.len() + fitted.left_out.len(),
                context_window::page_list(&fitted.left_out),
            ));
        }
        if !fitted.shortened.is_empty() {
            self.warnings.push(format!(
                "Only the beginning of page {} was read, because it alone is longer than the {budget_tokens} tokens \
                 a model may be sent.",
                context_window::page_list(&fitted.shortened),
            ));
        }
    }

    fn add_brand(&mut self, brand: &BrandProfile, options: &ModelOptions) -> Result<(), AnalystError> {
        let mut profile = to_json(brand)?;
        if let Value::Object(fields) = &mut profile {
            fields.remove("research_notes");
        }
        self.add(format!(
            "# The brand's profile\n\n{}",
            enclose(&options.fence_secret, "brand-profile", &pretty(&profile)?)
        ));
        let Some(notes) = brand.research_notes.as_deref().filter(|notes| !notes.trim().is_empty()) else {
            return Ok(());
        };
        let kept = paragraphs_within(notes, options.notes_tokens_max);
        if kept.len() < notes.trim_end().len() {
            self.warnings.push(format!(
                "The brand's research notes are longer than {} tokens; only their beginning was read.",
                options.notes_tokens_max
            ));
        }
        self.add(format!(
            "# Research notes on the brand\n\n{}",
            enclose(&options.fence_secret, "research-notes", kept)
        ));
        Ok(())
    }
}

/// The pages as they are sent: as Markdown, without running headers and footers, and without anything that looks
/// like a delimiter.
fn sheets(document: &Document) -> Vec<Sheet> {
    document
        .pages
        .iter()
        .map(|page| Sheet { number: page.number, text: defused(&page.markdown()).trim().to_owned() })
        .filter(|sheet| !sheet.text.is_empty())
        .collect()
}

fn document_block(document: &Document, fitted: &Fitted, options: &ModelOptions) -> String {
    let one_line = |text: &str| defused(text).split_whitespace().collect::<Vec<_>>().join(" ");
    let mut head = vec![format!("Source: {}", one_line(&document.source_name))];
    head.extend(document.title.as_ref().map(|title| format!("Title: {}", one_line(title))));
    let texts = fitted.sheets.iter().map(|sheet| sheet.text.as_str());
    let material: Vec<&str> = head.iter().map(String::as_str).chain(texts).collect();
    let delimiters = Delimiters::new(&options.fence_secret, "document", &material.join("\n"));
    let mut lines = vec!["# The document".to_owned(), String::new(), delimiters.open()];
    lines.extend(head);
    for sheet in &fitted.sheets {
        lines.push(delimiters.page(sheet.number));
        lines.push(sheet.text.clone());
    }
    lines.push(delimiters.close());
    if !fitted.left_out.is_empty() {
        lines.push(format!(
            "\nPages {} of the document are not shown. Do not cite them.",
            context_window::page_list(&fitted.left_out)
        ));
    }
    lines.join("\n")
}

fn inspirations(options: &ModelOptions, found: Option<InputProcessing>) -> Result<String, AnalystError> {
    let mut found = found.ok_or_else(|| missing(Stage::InputProcessing))?;
    found.inspirations.iter_mut().for_each(|item| keep_found_quotes(&mut item.evidence));
    Ok(format!(
        "# The inspirations found in the document\n\n{}",
        enclose(&options.fence_secret, "inspirations", &pretty(&to_json(&found)?)?)
    ))
}

fn trends(options: &ModelOptions, found: Option<SignalAmplification>) -> Result<String, AnalystError> {
    let mut found = found.ok_or_else(|| missing(Stage::SignalAmplification))?;
    found.trends.iter_mut().for_each(|item| keep_found_quotes(&mut item.evidence));
    Ok(format!(
        "# The trends behind them\n\n{}",
        enclose(&options.fence_secret, "trends", &pretty(&to_json(&found)?)?)
    ))
}

fn lessons(options: &ModelOptions, found: Option<GeneralTranslation>) -> Result<String, AnalystError> {
    let found = found.ok_or_else(|| missing(Stage::GeneralTranslation))?;
    Ok(format!("# The lessons\n\n{}", enclose(&options.fence_secret, "lessons", &pretty(&to_json(&found)?)?)))
}

/// Drops quotes that no reader finds in the document, so that nothing is built on them. Drops what the pipeline
/// knows of the others as well, so that no model learns to write it.
fn keep_found_quotes(evidence: &mut Vec<Evidence>) {
    evidence.retain(|item| item.status.is_none_or(QuoteStatus::is_verified));
    for item in evidence {
        *item = Evidence::cited(collapsed(&item.quote), item.page);
    }
}

/// The longest beginning of `text` with at most `tokens_max` tokens that ends with a paragraph. Only a first
/// paragraph that is too long is cut inside.
fn paragraphs_within(text: &str, tokens_max: usize) -> &str {
    let text = text.trim_end();
    let Some((limit, _)) = text.char_indices().nth(tokens_max * 4) else {
        return text;
    };
    let start = text.get(..limit).unwrap_or(text);
    start.rfind("\n\n").and_then(|end| start.get(..end)).unwrap_or(start)
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<Value, AnalystError> {
    serde_json::to_value(value).map_err(|error| internal(&error))
}

fn pretty(value: &Value) -> Result<String, AnalystError> {
    serde_json::to_string_pretty(value).map_err(|error| internal(&error))
}

fn internal(error: &serde_json::Error) -> AnalystError {
    AnalystError::Internal(format!("an earlier result cannot be written as JSON: {error}"))
}

fn missing(stage: Stage) -> AnalystError {
    AnalystError::Internal(format!("the result of {stage} is missing"))
}
