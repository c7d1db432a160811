//! Advisories against dependencies, as `cargo deny --format json` tells them: one JSON object a line on stderr, a summary at the end
//! of a check that ran (<https://embarkstudios.github.io/cargo-deny/>). Its database comes from GitHub, so a script speaks for it.

use std::{os::unix::fs::PermissionsExt as _, path::Path};

use super::{report, type_next};
use crate::support::service::TestEnv;

/// Knows an advisory until the crate is updated, and needs the database.
const CARGO: &str = r#"#!/bin/sh
case "$1" in
update) touch "updated-$2" ;;
deny)
    test -e database || { echo '{"type":"log","fields":{"level":"ERROR","message":"failed to load advisory database"}}' >&2; exit 1; }
    if test -e updated-old-crate; then
        echo '{"type":"summary","fields":{"advisories":{"errors":0,"warnings":0,"notes":0,"helps":0}}}' >&2
        exit 0
    fi
    echo '{"type":"diagnostic","fields":{"severity":"error","code":"vulnerability","message":"reads beyond its end","graphs":[],"labels":[],"notes":[],"advisory":{"id":"RUSTSEC-2026-0001","package":"old-crate"}}}' >&2
    echo '{"type":"summary","fields":{"advisories":{"errors":1,"warnings":0,"notes":0,"helps":0}}}' >&2
    exit 1 ;;
esac
"#;

#[tokio::test]
async fn a_vulnerable_dependency_fails_until_its_update() {
    let env = TestEnv::files_only().await;
    let cargo = env.folder.path().join("cargo");
    std::fs::write(&cargo, CARGO).unwrap();
    std::fs::set_permissions(&cargo, std::fs::Permissions::from_mode(0o755)).unwrap();
    let ours = Path::new(env!("CARGO_BIN_EXE_innovation")).parent().unwrap();
    let path = format!("{}:{}:/usr/bin:/bin", env.folder.path().display(), ours.display());
    let with_cargo = [("PATH", path.as_str())];
    let seen = report(&env, &with_cargo, "audit security");
    assert_eq!(seen.verdict("dependencies"), "could_not_check", "without the database");
    std::fs::write(env.folder.path().join("database"), "").unwrap();
    let seen = report(&env, &with_cargo, "audit security");
    let check = seen.check("dependencies");
    assert_eq!(seen.verdict("dependencies"), "fail", "{check}");
    assert!(check["evidence"].as_str().unwrap().contains("RUSTSEC-2026-0001"), "{check}");
    type_next(&env, &with_cargo, check);
    assert_eq!(report(&env, &with_cargo, "audit security").verdict("dependencies"), "ok");
}
