//! Compares the real schema with Prisma's: the record of migrations says what ran, not what is there now.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sqlx::PgConnection;

use super::{error::MigrateError, scripts::Migration, session::unreachable};

const PRISMA: &str = include_str!("../../../prisma/schema.prisma");

/// A table or a column that is not as `prisma/schema.prisma` says. Additions of others are no difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Difference {
    MissingTable { table: String },
    MissingColumn { table: String, column: String, wanted: String },
    OtherType { table: String, column: String, wanted: String, found: String },
}

impl Difference {
    pub(super) fn table(&self) -> &str {
        match self {
            Self::MissingTable { table }
            | Self::MissingColumn { table, .. }
            | Self::OtherType { table, .. } => table,
        }
    }

    pub(super) fn column(&self) -> Option<&str> {
        match self {
            Self::MissingTable { .. } => None,
            Self::MissingColumn { column, .. } | Self::OtherType { column, .. } => Some(column),
        }
    }

    /// Whether a script that has not run yet may account for it: the script names it.
    fn is_explained_by(&self, migration: &Migration<'_>) -> bool {
        migration.sql.contains(&format!("\"{}\"", self.column().unwrap_or_else(|| self.table())))
    }

    /// The statement that removes the difference, if it loses nothing.
    pub(super) fn repair(&self) -> Option<String> {
        let Self::MissingColumn { table, column, wanted } = self else { return None };
        Some(format!("ALTER TABLE \"{table}\" ADD COLUMN \"{column}\" {}", sql_type(wanted)))
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::MissingTable { table } => write!(f, "table {table} is missing"),
            Self::MissingColumn { table, column, wanted } => {
                write!(f, "column {table}.{column} is missing ({wanted})")
            }
            Self::OtherType { table, column, wanted, found } => {
                write!(f, "column {table}.{column} has type {found} instead of {wanted}")
            }
        }
    }
}

/// How a statement names a type of the catalogue.
fn sql_type(name: &str) -> String {
    let quoted = |name: &str| {
        if name.chars().any(char::is_uppercase) { format!("\"{name}\"") } else { name.to_owned() }
    };
    match name.strip_prefix('_') {
        Some(element) => format!("{}[]", quoted(element)),
        None => quoted(name),
    }
}

/// Table → column → the name of its type in the catalogue.
type Tables = BTreeMap<String, BTreeMap<String, String>>;

/// The tables of `schema.prisma`.
fn wanted() -> Tables {
    let declared = |keyword: &str| -> BTreeSet<&str> {
        PRISMA.lines().filter_map(|line| line.strip_prefix(keyword)?.split_whitespace().next()).collect()
    };
    let (models, enums) = (declared("model "), declared("enum "));
    let mut tables = Tables::new();
    let mut table = None;
    for line in PRISMA.lines() {
        if let Some(rest) = line.strip_prefix("model ") {
            table = rest.split_whitespace().next().map(str::to_owned);
        } else if line.starts_with('}') {
            table = None;
        } else if let Some(table) = &table
            && let Some((column, kind)) = column(line, &models, &enums)
        {
            tables.entry(table.clone()).or_default().insert(column, kind);
        }
    }
    tables
}

/// The column that a line of a model declares. None for comments, indexes and relations.
fn column(line: &str, models: &BTreeSet<&str>, enums: &BTreeSet<&str>) -> Option<(String, String)> {
    let mut words = line.split_whitespace();
    let (name, declared) = (words.next()?, words.next()?);
    if name.starts_with("//") || name.starts_with("@@") {
        return None;
    }
    let base = declared.trim_end_matches('?').trim_end_matches("[]");
    if models.contains(base) {
        return None;
    }
    let kind = match base {
        "String" => "text",
        "Int" => "int4",
        "Float" => "float8",
        "Boolean" => "bool",
        "Json" => "jsonb",
        "DateTime" if line.contains("@db.Timestamptz") => "timestamptz",
        "DateTime" => "timestamp",
        other => enums.get(other)?,
    };
    let array = if declared.ends_with("[]") { "_" } else { "" };
    Some((name.to_owned(), format!("{array}{kind}")))
}

/// The differences that no pending migration accounts for.
pub(super) async fn differences(
    connection: &mut PgConnection,
    pending: &[&Migration<'_>],
) -> Result<Vec<Difference>, MigrateError> {
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT c.relname::text, a.attname::text, t.typname::text
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
         JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped",
    )
    .persistent(false)
    .fetch_all(connection)
    .await
    .map_err(|error| unreachable(&error))?;
    let mut found = Tables::new();
    for (table, column, kind) in rows {
        found.entry(table).or_default().insert(column, kind);
    }
    let mut all = compare(&wanted(), &found);
    all.retain(|difference| !pending.iter().any(|migration| difference.is_explained_by(migration)));
    Ok(all)
}

fn compare(wanted: &Tables, found: &Tables) -> Vec<Difference> {
    let mut all = Vec::new();
    for (table, columns) in wanted {
        let Some(present) = found.get(table) else {
            all.push(Difference::MissingTable { table: table.clone() });
            continue;
        };
        for (column, wanted) in columns {
            let (table, column, wanted) = (table.clone(), column.clone(), wanted.clone());
            match present.get(&column) {
                None => all.push(Difference::MissingColumn { table, column, wanted }),
                // Both are read as text.
                Some(found) if *found == wanted || (wanted == "text" && found == "varchar") => {}
                Some(found) => {
                    all.push(Difference::OtherType { table, column, wanted, found: found.clone() });
                }
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prismas_types_are_the_catalogues() {
        let tables = wanted();
        let of = |table: &str, column: &str| tables[table].get(column).map(String::as_str);
        assert_eq!(of("PipelineRun", "stage1Output"), Some("jsonb"));
        assert_eq!(of("PipelineRun", "createdAt"), Some("timestamp"));
        assert_eq!(of("PipelineRun", "leaseUntil"), Some("timestamptz"));
        assert_eq!(of("PipelineRun", "unsyncedStages"), Some("_int4"));
        assert_eq!(of("PipelineRun", "status"), Some("RunStatus"));
        assert_eq!(of("PipelineRun", "user"), None, "a relation is no column");
        assert_eq!(compare(&tables, &tables), []);
    }
}
