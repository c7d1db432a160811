//! The runs of one user of the frontend, by their manifests.

use pipeline::run::RunId;

use crate::{
    control_plane::UserRun,
    error::StorageError,
    files::{
        layout::{MANIFEST_FILE, in_run},
        run_files::RunFiles,
        store::FileStore,
    },
};

impl FileStore {
    /// Finds the runs of a user among these. A run that was deleted is among them as long as its manifest is there. The
    /// caller passes a page of the runs, because each costs a read.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn runs_of_user(&self, user: &str, among: &[RunId]) -> Result<Vec<UserRun>, StorageError> {
        let (user, among) = (user.to_owned(), among.to_vec());
        self.whole(move |files| files.runs_of_user(&user, &among)).await
    }
}

impl RunFiles {
    fn runs_of_user(&self, user: &str, among: &[RunId]) -> Result<Vec<UserRun>, StorageError> {
        let names: Vec<String> = among.iter().map(|run| in_run(run, MANIFEST_FILE)).collect();
        let mut found = Vec::new();
        for (run, stored) in among.iter().zip(self.io.backend.read_all(&names)) {
            let Some(stored) = stored.map_err(|error| self.io.fault(run.as_str(), &error))? else { continue };
            let Some(manifest) = self.manifests.parse(run, stored)? else { continue };
            if manifest.request.user_id.as_deref() == Some(user) {
                found.push(UserRun { id: run.clone(), status: manifest.status });
            }
        }
        Ok(found)
    }
}
