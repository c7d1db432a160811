//! The folder of brand profiles: `brand-profiles/{id}.yaml` and, where there are any,
//! `brand-research/{id}.md`.

use std::{
    io,
    path::{Path, PathBuf},
};

use pipeline::{
    brand::{BrandId, BrandProfile, FILE_BYTES_MAX, NOTES_BYTES_MAX},
    failure::{FailureCode, RunFailure},
};

use crate::regular_file;

/// The most brands that are listed. A folder with more is a mistake.
const BRANDS_MAX: usize = 1_000;

/// Reads profiles from `data/`.
#[derive(Debug, Clone)]
pub struct BrandFolder {
    profiles: PathBuf,
    research: PathBuf,
}

impl BrandFolder {
    /// The brands under a base directory.
    #[must_use]
    pub fn new(base_dir: &Path) -> Self {
        let data = base_dir.join("data");
        Self { profiles: data.join("brand-profiles"), research: data.join("brand-research") }
    }

    /// The ids of all profiles, sorted.
    pub fn ids(&self) -> io::Result<Vec<BrandId>> {
        let mut ids: Vec<BrandId> = std::fs::read_dir(&self.profiles)?
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let is_yaml = path.extension().is_some_and(|extension| extension == "yaml");
                is_yaml.then(|| BrandId::parse(path.file_stem()?.to_str()?).ok()).flatten()
            })
            .take(BRANDS_MAX)
            .collect();
        ids.sort();
        Ok(ids)
    }

    /// Where the profiles lie, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.profiles
    }

    /// Reads and checks one profile.
    pub fn load(&self, id: &BrandId) -> Result<BrandProfile, RunFailure> {
        // A `BrandId` has no separator and no dot, so the path stays inside the folder.
        let path = self.profiles.join(format!("{id}.yaml"));
        let yaml = match read_text(&path, FILE_BYTES_MAX) {
            Ok(yaml) => yaml,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(RunFailure::new(FailureCode::BrandNotFound, None, self.not_found(id), false));
            }
            Err(error) => return Err(unreadable(&path, &error)),
        };
        let research_path = self.research.join(format!("{id}.md"));
        let research = match read_text(&research_path, NOTES_BYTES_MAX) {
            Ok(notes) => Some(notes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(unreadable(&research_path, &error)),
        };
        BrandProfile::from_yaml(id.clone(), &yaml, research).map_err(|problems| {
            RunFailure::new(FailureCode::BrandInvalid, None, format!("{}: {problems}", path.display()), false)
        })
    }

    fn not_found(&self, id: &BrandId) -> String {
        let known = self.ids().unwrap_or_default();
        let known = known.iter().map(BrandId::as_str).collect::<Vec<_>>().join(", ");
        if known.is_empty() {
            format!(
                "there are no brand profiles in {}; set APP_BASE_DIR to the folder that holds data/",
                self.profiles.display()
            )
        } else {
            format!("there is no brand {id} in {}; known brands: {known}", self.profiles.display())
        }
    }
}

fn read_text(path: &Path, bytes_max: usize) -> io::Result<String> {
    let bytes = regular_file::read(path, bytes_max)?;
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

fn unreadable(path: &Path, error: &io::Error) -> RunFailure {
    RunFailure::new(
        FailureCode::BrandInvalid,
        None,
        format!("{} cannot be read: {error}", path.display()),
        true,
    )
}
