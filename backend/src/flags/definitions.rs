//! Every flag: what it switches, its values, and who answers for it. A flag stands here only if it switches real behaviour.

use schemars::JsonSchema;
use serde::Serialize;

use super::value::Value;

/// The subject of a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Category {
    Storage,
    Security,
    Performance,
    Database,
    Observability,
    Operations,
}

/// The values that a flag has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// On or off.
    Boolean,
    /// On for this share of the runs, 0 to 100. A run stays on its side.
    Percentage,
}

/// One flag.
#[derive(Debug, PartialEq, Eq)]
pub struct Definition {
    pub key: &'static str,
    /// Its variable in the environment.
    pub variable: &'static str,
    pub kind: Kind,
    pub default: Value,
    pub category: Category,
    pub description: &'static str,
    /// The part of the team that answers for it.
    pub owner: &'static str,
    /// The first version that has it.
    pub since: &'static str,
}

/// `ENABLE_DATABASE_WRITES`
pub static DATABASE_WRITES: Definition = Definition {
    key: "ENABLE_DATABASE_WRITES",
    variable: "ENABLE_DATABASE_WRITES",
    kind: Kind::Boolean,
    default: Value::Boolean(true),
    category: Category::Storage,
    description: "Runs and stage outputs go to the database. Off: the database is neither written nor read.",
    owner: "storage",
    since: "0.1.0",
};

/// `ENABLE_FILE_FALLBACK`
pub static FILE_FALLBACK: Definition = Definition {
    key: "ENABLE_FILE_FALLBACK",
    variable: "ENABLE_FILE_FALLBACK",
    kind: Kind::Boolean,
    default: Value::Boolean(true),
    category: Category::Storage,
    description: "Runs and stage outputs go to files too. Off: the database alone holds them.",
    owner: "storage",
    since: "0.1.0",
};

/// `OPERATIONS_PAUSE_CLAIMS`
pub static PAUSE_CLAIMS: Definition = Definition {
    key: "OPERATIONS_PAUSE_CLAIMS",
    variable: "FEATURE_FLAG_OPERATIONS_PAUSE_CLAIMS",
    kind: Kind::Boolean,
    default: Value::Boolean(false),
    category: Category::Operations,
    description: "Workers start no further run. Runs under way finish, and accepted runs wait.",
    owner: "operations",
    since: "0.1.0",
};

/// `OPERATIONS_PAUSE_ACCEPTANCE`
pub static PAUSE_ACCEPTANCE: Definition = Definition {
    key: "OPERATIONS_PAUSE_ACCEPTANCE",
    variable: "FEATURE_FLAG_OPERATIONS_PAUSE_ACCEPTANCE",
    kind: Kind::Boolean,
    default: Value::Boolean(false),
    category: Category::Operations,
    description: "POST /run answers 503 with the code acceptance_paused. Accepted runs go on.",
    owner: "operations",
    since: "0.1.0",
};

/// `PERFORMANCE_EXTRACTION_POOL`
pub static EXTRACTION_POOL: Definition = Definition {
    key: "PERFORMANCE_EXTRACTION_POOL",
    variable: "FEATURE_FLAG_PERFORMANCE_EXTRACTION_POOL",
    kind: Kind::Percentage,
    default: Value::Percentage(100),
    category: Category::Performance,
    description: "The share of runs whose document is read by a forked child of the confined server. The others start a \
                  process for their document.",
    owner: "documents",
    since: "0.1.0",
};

/// `PERFORMANCE_ANSWER_CACHE`
pub static ANSWER_CACHE: Definition = Definition {
    key: "PERFORMANCE_ANSWER_CACHE",
    variable: "FEATURE_FLAG_PERFORMANCE_ANSWER_CACHE",
    kind: Kind::Percentage,
    default: Value::Percentage(100),
    category: Category::Performance,
    description: "The share of runs that use the model's answers to earlier runs of the same owner, and leave theirs. \
                  ANSWER_CACHE=off switches the cache off altogether.",
    owner: "pipeline",
    since: "0.1.0",
};

/// `OBSERVABILITY_TRACING`
pub static TRACING: Definition = Definition {
    key: "OBSERVABILITY_TRACING",
    variable: "FEATURE_FLAG_OBSERVABILITY_TRACING",
    kind: Kind::Percentage,
    default: Value::Percentage(100),
    category: Category::Observability,
    description: "The share of runs that are traced, each from its request to its webhook, and of requests without a run. \
                  Only where OTEL_EXPORTER_OTLP_ENDPOINT is set.",
    owner: "operations",
    since: "0.1.0",
};

/// `DATABASE_WRITE_BATCHING`
pub static WRITE_BATCHING: Definition = Definition {
    key: "DATABASE_WRITE_BATCHING",
    variable: "FEATURE_FLAG_DATABASE_WRITE_BATCHING",
    kind: Kind::Percentage,
    default: Value::Percentage(100),
    category: Category::Database,
    description: "The share of runs whose database writes may share a statement with those of other runs. The others \
                  send each write alone.",
    owner: "storage",
    since: "0.1.0",
};

/// `SECURITY_STRICT_ORIGIN`
pub static STRICT_ORIGIN: Definition = Definition {
    key: "SECURITY_STRICT_ORIGIN",
    variable: "FEATURE_FLAG_SECURITY_STRICT_ORIGIN",
    kind: Kind::Boolean,
    default: Value::Boolean(false),
    category: Category::Security,
    description: "A page of another site changes nothing, even with a key in a header, and neither does another page of \
                  the same site. Pages of ALLOWED_ORIGINS still may.",
    owner: "security",
    since: "0.1.0",
};

/// All flags.
pub static ALL: [&Definition; 9] = [
    &DATABASE_WRITES,
    &FILE_FALLBACK,
    &PAUSE_CLAIMS,
    &PAUSE_ACCEPTANCE,
    &EXTRACTION_POOL,
    &ANSWER_CACHE,
    &TRACING,
    &WRITE_BATCHING,
    &STRICT_ORIGIN,
];

/// The flag with this key.
#[must_use]
pub fn find(key: &str) -> Option<&'static Definition> {
    ALL.into_iter().find(|definition| definition.key == key)
}

impl Definition {
    #[must_use]
    pub fn is_storage(&self) -> bool {
        self.category == Category::Storage
    }
}

impl Category {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Storage => "STORAGE",
            Self::Security => "SECURITY",
            Self::Performance => "PERFORMANCE",
            Self::Database => "DATABASE",
            Self::Observability => "OBSERVABILITY",
            Self::Operations => "OPERATIONS",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_category() {
        for flag in ALL {
            if flag.is_storage() {
                assert_eq!(flag.key, flag.variable);
            } else {
                assert!(flag.key.starts_with(&format!("{}_", flag.category.as_str())), "{}", flag.key);
                assert_eq!(flag.variable, format!("FEATURE_FLAG_{}", flag.key));
            }
            assert_eq!(find(flag.key), Some(flag), "two flags have the key {}", flag.key);
            let fits = matches!(
                (flag.kind, flag.default),
                (Kind::Boolean, Value::Boolean(_)) | (Kind::Percentage, Value::Percentage(0..=100))
            );
            assert!(fits, "{}", flag.key);
        }
    }
}
