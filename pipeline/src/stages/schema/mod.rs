//! The two JSON Schemas of each stage's answer, made from one source: the Rust types.
//!
//! * The schema that is **sent** to providers uses only keywords that every strict mode accepts. It has no
//!   bounds.
//! * The schema that is **checked** is the same with bounds. It also stands in the prompt.

mod render;
mod violation;

use std::sync::{Arc, LazyLock};

use schemars::JsonSchema;
use serde_json::Value;

use super::{
    brand_contextualization::BrandContextualization, general_translation::GeneralTranslation,
    input_processing::InputProcessing, signal_amplification::SignalAmplification,
};
use crate::run::Stage;

/// The most violations that a refusal names. A model that is asked again can use a few, not hundreds.
const VIOLATIONS_MAX: usize = 12;

/// The schemas of one stage's answer.
#[derive(Debug)]
pub struct StageSchema {
    pub name: &'static str,
    /// For the provider.
    pub sent: Arc<Value>,
    /// For the prompt, and for the check of the answer.
    pub checked: Arc<Value>,
    validator: Option<jsonschema::Validator>,
}

impl StageSchema {
    /// Checks a value against the schema with its bounds.
    ///
    /// # Errors
    ///
    /// Every violation, up to a limit, as `path: problem`. A violated bound comes with the bound and the
    /// value's length.
    pub fn check(&self, value: &Value) -> Result<(), Vec<String>> {
        let Some(validator) = &self.validator else {
            return Err(vec!["the stage's schema does not compile".to_owned()]);
        };
        // A list of a million wrong items would yield a million errors.
        let too_long = violation::lists_too_long(&self.checked, value, VIOLATIONS_MAX);
        if !too_long.is_empty() {
            return Err(too_long);
        }
        let violations: Vec<String> = validator
            .iter_errors(value)
            .take(VIOLATIONS_MAX)
            .map(|error| violation::describe(&error))
            .collect();
        if violations.is_empty() { Ok(()) } else { Err(violations) }
    }

    /// Whether the value satisfies the schema with its bounds.
    #[must_use]
    pub fn accepts(&self, value: &Value) -> bool {
        self.validator.as_ref().is_some_and(|validator| validator.is_valid(value))
    }
}

/// The schemas of a stage's answer.
#[must_use]
pub fn of(stage: Stage) -> &'static StageSchema {
    static SCHEMAS: LazyLock<[StageSchema; 4]> = LazyLock::new(|| {
        [
            build::<InputProcessing>("input_processing"),
            build::<SignalAmplification>("signal_amplification"),
            build::<GeneralTranslation>("general_translation"),
            build::<BrandContextualization>("brand_contextualization"),
        ]
    });
    let [first, second, third, fourth] = &*SCHEMAS;
    match stage {
        Stage::InputProcessing => first,
        Stage::SignalAmplification => second,
        Stage::GeneralTranslation => third,
        Stage::BrandContextualization => fourth,
    }
}

fn build<T: JsonSchema>(name: &'static str) -> StageSchema {
    let normal = render::normal_form::<T>();
    let checked = render::checked(&normal);
    StageSchema {
        name,
        sent: Arc::new(render::sent(&normal)),
        validator: jsonschema::validator_for(&checked).ok(),
        checked: Arc::new(checked),
    }
}

#[cfg(test)]
mod tests;
