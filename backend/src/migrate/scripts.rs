//! The migrations that this binary contains, and their checksums.

use pipeline::record::sha256_hex;

/// One migration: a folder of `prisma/migrations/`.
#[derive(Debug, Clone, Copy)]
pub struct Migration<'a> {
    pub name: &'a str,
    pub sql: &'static str,
}

macro_rules! migrations {
    ($($name:literal),+ $(,)?) => {
        &[$(Migration {
            name: $name,
            sql: include_str!(concat!("../../../prisma/migrations/", $name, "/migration.sql")),
        }),+]
    };
}

/// All migrations in the order of their names, which is the order of their application. A test compares this
/// list with the folder.
pub const MIGRATIONS: &[Migration<'static>] = migrations![
    "20251022123459_init",
    "20251022130135_add_document_model",
    "20251022130947_add_document_model",
    "20251029043929_add_stage_outputs_and_report",
    "20261121100000_add_run_execution",
    "20261121100100_index_claimable_runs",
    "20261121100200_index_claimable_runs_by_user",
    "20261121100300_index_leased_runs",
    "20261121100400_index_unsynced_runs",
    "20261121100500_index_runs_by_age",
    "20261121100600_index_runs_by_brand",
    "20261121100700_index_runs_by_status",
    "20261121110000_add_webhook_deliveries",
    "20261121110100_index_conflicted_runs",
    "20261130120000_add_files_missing_stages",
    "20261130120100_index_files_missing_stages",
    "20261130120200_drop_run_events",
    "20261130130000_add_run_waiting",
    "20261201100000_add_control_plane",
    "20261201100100_add_run_principal",
    "20261201100200_index_runs_by_principal",
    "20261202130000_add_answer_cache",
    "20261202140000_add_batches",
    "20261202150000_add_alerts",
    "20261202160000_add_deployments",
    "20261202170000_index_runs_by_error_code",
    "20261202180000_add_bulk_operations",
];

/// How many migrations were live before this service had its own. A database with tables and without a record
/// of migrations is assumed to hold these.
pub(super) const LIVE_BEFORE_US: usize = 3;

impl Migration<'_> {
    /// The checksum that Prisma records: SHA-256 of the script's bytes, in lowercase hex.
    #[must_use]
    pub fn checksum(&self) -> String {
        sha256_hex(self.sql.as_bytes())
    }

    /// Whether a recorded checksum is this script's, with any line ends, as Prisma compares it.
    #[must_use]
    pub fn has_checksum(&self, recorded: &str) -> bool {
        let unix = self.sql.replace("\r\n", "\n");
        let windows = unix.replace('\n', "\r\n");
        [self.sql, &unix, &windows].iter().any(|text| sha256_hex(text.as_bytes()) == recorded)
    }

    /// The index that a failed `CREATE INDEX CONCURRENTLY` leaves behind, invalid.
    #[must_use]
    pub fn concurrent_index(&self) -> Option<&'static str> {
        let (_, rest) = self.sql.split_once("CREATE INDEX CONCURRENTLY \"")?;
        rest.split_once('"').map(|(name, _)| name)
    }
}

/// The migration with this name.
pub(super) fn find(name: &str) -> Option<&'static Migration<'static>> {
    MIGRATIONS.iter().find(|migration| migration.name == name)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn the_list_is_the_folder() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../prisma/migrations");
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        let embedded: Vec<_> = MIGRATIONS.iter().map(|migration| migration.name).collect();
        assert_eq!(embedded, names);
    }

    #[test]
    fn a_concurrent_index_has_its_own_script() {
        // Only a single statement escapes the implicit transaction, in which PostgreSQL refuses a concurrent
        // build.
        for migration in MIGRATIONS.iter().filter(|migration| migration.sql.contains("CONCURRENTLY")) {
            let statements =
                migration.sql.lines().filter(|line| !line.starts_with("--") && !line.trim().is_empty());
            assert_eq!(statements.count(), 1, "{}", migration.name);
            assert!(migration.concurrent_index().is_some(), "{}", migration.name);
        }
    }

    #[test]
    fn line_ends_make_no_difference() {
        let migration = MIGRATIONS.first().unwrap();
        assert!(migration.has_checksum(&migration.checksum()));
        let windows = sha256_hex(migration.sql.replace('\n', "\r\n").as_bytes());
        assert!(migration.has_checksum(&windows));
        assert!(!migration.has_checksum(&sha256_hex(b"another script")));
    }
}
