//! The folder of brand profiles: `brand-profiles/{id}.yaml` and optional `brand-research/{id}.md`.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use parking_lot::{Mutex, MutexGuard};
use pipeline::{
    brand::{BrandId, BrandProfile, FILE_BYTES_MAX, NOTES_BYTES_MAX},
    failure::{FailureCode, RunFailure},
};

use foundation::safe_read;
use storage::frontend_rows::company_name;

/// The most brands that are listed. A folder with more is a mistake.
const BRANDS_MAX: usize = 1_000;

/// Reads profiles from `data/`. It reads each profile once until its files change, so that all runs of a
/// brand share it.
#[derive(Debug, Clone)]
pub struct BrandFolder {
    profiles: PathBuf,
    research: PathBuf,
    read: Arc<Mutex<HashMap<BrandId, Read>>>,
}

/// A cached profile with the state of its two files.
#[derive(Debug)]
struct Read {
    stamps: [Stamp; 2],
    profile: Arc<BrandProfile>,
}

/// A file's time of change and its length. None for a missing file.
type Stamp = Option<(SystemTime, u64)>;

fn stamp(path: &Path) -> Stamp {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

impl BrandFolder {
    /// The brands in a base directory.
    #[must_use]
    pub fn new(base_dir: &Path) -> Self {
        let data = base_dir.join("data");
        Self {
            profiles: data.join("brand-profiles"),
            research: data.join("brand-research"),
            read: Arc::default(),
        }
    }

    /// The ids of all profiles, sorted.
    ///
    /// # Errors
    ///
    /// The folder cannot be read.
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

    /// Finds the brand by the frontend's company name. It matches a profile's name or id, in any case.
    #[must_use]
    pub fn of_company(&self, company: &str) -> Option<BrandId> {
        let wanted = company.trim().to_lowercase();
        let is_meant = |id: &BrandId| {
            let profile = self.load(id).ok();
            let names =
                profile.iter().flat_map(|profile| [profile.brand_name.clone(), company_name(profile)]);
            // An invalid profile is found by its id, and becomes the run's error.
            id.as_str() == wanted
                || id.as_str() == wanted.replace(' ', "-")
                || names.into_iter().any(|name| name.to_lowercase() == wanted)
        };
        self.ids().ok()?.into_iter().find(is_meant)
    }

    /// The folder of the profiles, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.profiles
    }

    /// Loads one profile and checks it.
    ///
    /// # Errors
    ///
    /// A [`RunFailure`] with `BRAND_NOT_FOUND` or `BRAND_INVALID`.
    pub fn load(&self, id: &BrandId) -> Result<Arc<BrandProfile>, RunFailure> {
        // A `BrandId` has no separator and no dot, so the paths stay inside the folders.
        let path = self.profiles.join(format!("{id}.yaml"));
        let research_path = self.research.join(format!("{id}.md"));
        // Take the stamps before the files are read. If a file changes meanwhile, the next load reads it
        // again.
        let stamps = [stamp(&path), stamp(&research_path)];
        if let Some(read) = self.lock().get(id).filter(|read| read.stamps == stamps) {
            return Ok(read.profile.clone());
        }
        let profile = Arc::new(self.read(id, &path, &research_path)?);
        self.lock().insert(id.clone(), Read { stamps, profile: profile.clone() });
        Ok(profile)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<BrandId, Read>> {
        self.read.lock()
    }

    fn read(&self, id: &BrandId, path: &Path, research_path: &Path) -> Result<BrandProfile, RunFailure> {
        let yaml = match read_text(path, FILE_BYTES_MAX) {
            Ok(yaml) => yaml,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(RunFailure::new(FailureCode::BrandNotFound, None, self.not_found(id), false));
            }
            Err(error) => return Err(unreadable(path, &error)),
        };
        let research = match read_text(research_path, NOTES_BYTES_MAX) {
            Ok(notes) => Some(notes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(unreadable(research_path, &error)),
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
    let bytes = safe_read::read(path, bytes_max)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_cached_until_its_file_changes() {
        let base = tempfile::tempdir().unwrap();
        let profiles = base.path().join("data/brand-profiles");
        std::fs::create_dir_all(&profiles).unwrap();
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/brand-profiles/decathlon.yaml");
        let yaml = std::fs::read_to_string(ours).unwrap();
        let file = profiles.join("decathlon.yaml");
        std::fs::write(&file, &yaml).unwrap();
        let (folder, id) = (BrandFolder::new(base.path()), BrandId::parse("decathlon").unwrap());
        let first = folder.load(&id).unwrap();
        assert!(Arc::ptr_eq(&first, &folder.clone().load(&id).unwrap()), "clones share it");
        std::fs::write(&file, yaml.replace("country: ", "country: New ")).unwrap();
        let second = folder.load(&id).unwrap();
        assert!(second.country.starts_with("New "), "{}", second.country);
        let research = base.path().join("data/brand-research");
        std::fs::create_dir(&research).unwrap();
        std::fs::write(research.join("decathlon.md"), "A note.").unwrap();
        assert_eq!(folder.load(&id).unwrap().research_notes.as_deref(), Some("A note."));
        for company in ["Decathlon", " DECATHLON ", "decathlon"] {
            assert_eq!(folder.of_company(company), Some(id.clone()), "{company}");
        }
        assert_eq!(folder.of_company("Deca"), None);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(folder.load(&id).unwrap_err().code, FailureCode::BrandNotFound);
    }
}
