//! The rules of ARCHITECTURE.md, checked by reading the code: which code may use and read what.

mod circles;

use std::{fs, path::Path};

use crate::support::{code_lines, root, rust_files};

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
        scope: "backend/src/console",
        except: &[],
        forbidden: &["sqlx", "storage::postgres", "FileStore"],
        why: "pages speak to use cases, not to a store",
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
        except: &["backend/src/app", "backend/src/llm"],
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
    Rule {
        scope: "backend",
        except: &["backend/foundation/src/clock.rs"],
        forbidden: &["Instant::now", "SystemTime::now", "Utc::now", "Local::now"],
        why: "time is a parameter: only foundation/src/clock.rs reads it",
    },
    Rule {
        scope: "backend",
        except: &["backend/storage/src/mode.rs", "backend/storage/src/router"],
        forbidden: &[
            "Mode::DatabaseOnly",
            "Mode::DualWrite",
            "Mode::FileOnly",
            "Mode::Invalid",
            ".has_database()",
            ".has_files()",
        ],
        why: "the router alone decides by the storage mode",
    },
    Rule {
        scope: "backend",
        except: &["backend/src/documents/child.rs"],
        forbidden: &["document::extract("],
        why: "only a confined process parses documents",
    },
    Rule {
        scope: "backend",
        except: &["backend/src/documents/pictures/child.rs", "backend/src/documents/ocr/picture.rs"],
        forbidden: &["PagePainter::open("],
        why: "only a confined process draws pages",
    },
    Rule {
        scope: "backend",
        except: &["backend/sandbox/src/unsafe_calls.rs"],
        forbidden: &["unsafe {", "unsafe fn", "unsafe impl", "allow(unsafe_code"],
        why: "one reviewed file holds all unsafe code",
    },
    Rule {
        scope: "backend/storage/src",
        except: &[],
        forbidden: &["env::var(", "env::var_os(", "env::vars(", "axum"],
        why: "the storage is a library: its settings are parameters",
    },
];

#[test]
fn rules_hold_where_they_apply() {
    let mut problems = Vec::new();
    for rule in RULES {
        let files = rust_files(&root().join(rule.scope));
        assert!(!files.is_empty(), "{} holds no code: the rule has become empty", rule.scope);
        for path in files {
            let name = name_of(&path);
            if rule.except.iter().any(|except| name.starts_with(except)) {
                continue;
            }
            for (number, line) in code_lines(&fs::read_to_string(&path).unwrap()) {
                if let Some(found) = rule.forbidden.iter().find(|forbidden| line.contains(*forbidden)) {
                    problems.push(format!("{name}:{number}: `{found}`: {}", rule.why));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// A file's path below the repository.
fn name_of(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned()
}
