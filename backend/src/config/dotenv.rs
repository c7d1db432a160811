//! Reads `.env` on a developer's machine. It adds variables that the environment lacks.

use std::{collections::BTreeMap, path::Path};

use super::reader::{Problem, Problems};

/// Adds the file's variables that the environment lacks. A missing file is not a problem.
pub(super) fn fill_in(path: &Path, variables: &mut BTreeMap<String, String>) -> Result<(), Problems> {
    let entries = match dotenvy::from_path_iter(path) {
        Ok(entries) => entries,
        Err(error) if error.not_found() => return Ok(()),
        Err(_) => return Err(unreadable("it cannot be read")),
    };
    for (number, entry) in entries.enumerate() {
        // The error's own text quotes the line, which may hold a secret.
        let (name, value) =
            entry.map_err(|_| unreadable(&format!("entry {} is not NAME=value", number + 1)))?;
        variables.entry(name).or_insert(value);
    }
    Ok(())
}

fn unreadable(what: &str) -> Problems {
    Problems(vec![Problem { variable: ".env", what: what.to_owned(), example: "PORT=8000" }])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, environment: &[(&str, &str)]) -> Result<BTreeMap<String, String>, Problems> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let mut variables: BTreeMap<String, String> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        fill_in(file.path(), &mut variables)?;
        Ok(variables)
    }

    #[test]
    fn the_environment_goes_over_the_file() {
        let variables = read("# mine\nPORT=9000\nHOST=\"127.0.0.1\"\n", &[("PORT", "8001")]).unwrap();
        assert_eq!(variables["PORT"], "8001");
        assert_eq!(variables["HOST"], "127.0.0.1");
        assert!(fill_in(Path::new("/no/such/.env"), &mut BTreeMap::new()).is_ok());
    }

    #[test]
    fn a_bad_line_is_named_and_not_shown() {
        let problems = read("PORT=9000\nthis is s3cret\n", &[]).unwrap_err().to_string();
        assert!(problems.contains("entry 2") && !problems.contains("s3cret"), "{problems}");
    }
}
