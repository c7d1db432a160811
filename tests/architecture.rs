//! The arrows of ARCHITECTURE.md, checked by reading the code: who may use whom.

use std::{fs, path::Path};

use crate::support::{code_lines, rust_files};

/// One rule: files below `scope` (except those below `except`) never contain any of `forbidden`.
struct Rule {
    scope: &'static str,
    except: &'static [&'static str],
    forbidden: &'static [&'static str],
    why: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        scope: "pipeline/src",
        except: &[],
        forbidden: &[
            "backend::",
            "axum",
            "sqlx",
            "reqwest",
            "std::env",
            "std::fs",
            "std::net",
            "std::process",
            "SystemTime",
            "Instant::now",
            "tokio::time",
            "tokio::net",
            "tokio::fs",
        ],
        why: "the pipeline is pure: the world comes in through its seams",
    },
    Rule {
        scope: "backend/src/http",
        except: &[],
        forbidden: &["sqlx", "storage::postgres"],
        why: "handlers speak to use cases, not to a database",
    },
    Rule {
        scope: "backend/src/cli",
        except: &[],
        forbidden: &["sqlx", "storage::postgres"],
        why: "commands speak to use cases, not to a database",
    },
    Rule {
        scope: "backend/src/llm",
        except: &[],
        forbidden: &[
            "crate::http",
            "crate::cli",
            "crate::app",
            "storage::router",
            "storage::files",
            "storage::postgres::PostgresStore",
            "crate::documents",
        ],
        why: "the model's client is a leaf behind its seam",
    },
    Rule {
        scope: "backend/src/documents",
        except: &[],
        forbidden: &[
            "crate::http",
            "crate::cli",
            "crate::app",
            "storage::router",
            "storage::files",
            "storage::postgres::PostgresStore",
            "crate::llm",
        ],
        why: "documents are a leaf behind their seam",
    },
    Rule {
        scope: "backend/src/migrate",
        except: &[],
        forbidden: &[
            "crate::http",
            "crate::cli",
            "crate::app",
            "storage::router",
            "storage::files",
            "storage::postgres::PostgresStore",
            "crate::llm",
            "crate::documents",
        ],
        why: "migrations know the database and nothing else",
    },
    Rule {
        scope: "backend/src",
        except: &["backend/src/config"],
        forbidden: &["env::var(", "env::var_os(", "env::vars("],
        why: "only config/ reads the environment",
    },
    Rule {
        scope: "backend/src",
        except: &["backend/src/app.rs", "backend/src/llm"],
        forbidden: &[
            "ExtractiveAnalyst",
            "ModelAnalyst",
            "FallbackAnalyst",
            "OpenRouter::new",
            "FileStore::new",
            "FileStore::of",
            "PostgresStore::new",
        ],
        why: "only app.rs names concrete adapters",
    },
];

#[test]
fn the_arrows_point_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut violations = Vec::new();
    for rule in RULES {
        let files = rust_files(&root.join(rule.scope));
        assert!(!files.is_empty(), "{} holds no code: the rule has become empty", rule.scope);
        for path in files {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            if rule.except.iter().any(|except| name.starts_with(except)) {
                continue;
            }
            for (number, line) in code_lines(&fs::read_to_string(&path).unwrap()) {
                if let Some(found) = rule.forbidden.iter().find(|forbidden| line.contains(*forbidden)) {
                    violations.push(format!("{name}:{number}: `{found}`: {}", rule.why));
                }
            }
        }
    }
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}
