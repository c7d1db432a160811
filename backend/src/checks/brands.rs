//! The brand profiles.

use serde_json::json;

use super::{
    check::{Check, Finding, Severity},
    deps::CheckDeps,
    files::word,
};

/// How many invalid profiles the evidence names.
const NAMED_MAX: usize = 5;

pub(super) fn valid(deps: &CheckDeps) -> Check {
    let deps = deps.clone();
    Check::new("brands", "Every brand profile is valid", Severity::Major, move || {
        let (brands, set_base) = (deps.brands.clone(), set_base(&deps));
        async move {
            let path = brands.path().to_owned();
            let folder = path.display().to_string();
            let read = tokio::task::spawn_blocking(move || {
                let ids = brands.ids().map_err(|error| error.to_string())?;
                let failures: Vec<_> = ids
                    .iter()
                    .filter_map(|id| brands.load(id).err().map(|failure| (id.to_string(), failure.message)))
                    .collect();
                Ok::<_, String>((ids.len(), failures))
            });
            let (count, failures) = match read.await {
                Ok(Ok(read)) => read,
                Ok(Err(error)) => {
                    return Finding::fail(format!("{folder} cannot be read: {error}")).next(set_base);
                }
                Err(_) => return Finding::could_not_check(format!("{folder} cannot be read")),
            };
            if count == 0 {
                return Finding::fail(format!("{folder} holds no profile")).next(set_base);
            }
            if failures.is_empty() {
                return Finding::ok(format!("all {count} profiles are valid"));
            }
            let named: Vec<String> =
                failures.iter().take(NAMED_MAX).map(|(id, message)| format!("{id}: {message}")).collect();
            // No run can use such a profile, so none loses it.
            let put_away = failures.iter().take(NAMED_MAX).map(|(id, _)| {
                let file = word(&path.join(format!("{id}.yaml")));
                format!("mv {file} {file}.invalid")
            });
            Finding::fail(format!("{} of {count} profiles are invalid: {}", failures.len(), named.join("; ")))
                .with(json!({ "invalid": failures.iter().map(|(id, _)| id).collect::<Vec<_>>() }))
                .next_all(put_away)
        }
    })
}

/// The line that names a folder with profiles: that of the command, or else that of the image.
fn set_base(deps: &CheckDeps) -> &'static str {
    if deps.folder.join("data/brand-profiles").is_dir() {
        "APP_BASE_DIR=\"$PWD\""
    } else {
        "APP_BASE_DIR=/app"
    }
}
