//! The deployments of this service: in the database, and while it is away in notes of the file storage.

use std::{sync::Arc, time::Duration};

use pipeline::clock::Clock;
use storage::{
    StorageError, StorageErrorKind,
    control_plane::{
        AuditRecord, Deployment, DeploymentPatch, DeploymentProcess, DeploymentScope, Deployments, RunSamples,
    },
    files::NoteFolder,
    router::Router,
};
use tokio::time::timeout;

/// How long the database may take. A look must not wait for a dead one.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The most deployments that one question reads: a week of busy days, and the last ten of a quiet year.
pub(super) const LISTED_MAX: usize = 200;

/// Deployments as they are known now.
#[derive(Debug, Clone, Default)]
pub struct Listed {
    /// The newest first.
    pub deployments: Vec<Deployment>,
    /// Why the database's are missing. None if they were read, or if there is no database.
    pub database_error: Option<String>,
}

/// Reads and writes deployments. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DeploymentLog {
    /// None without a database.
    pub store: Option<Arc<dyn Deployments>>,
    pub router: Arc<Router>,
    pub clock: Arc<dyn Clock>,
    pub scope: DeploymentScope,
}

impl DeploymentLog {
    /// The newest deployments: those of the database, and over them what only a note says.
    pub async fn list(&self) -> Listed {
        let (stored, notes) =
            tokio::join!(self.in_database(|store| store.list(&self.scope, LISTED_MAX)), self.notes());
        let (mut deployments, database_error) = match stored {
            Some(Ok(deployments)) => (deployments, None),
            Some(Err(error)) => (Vec::new(), Some(error.to_string())),
            None if self.store.is_none() => (Vec::new(), None),
            None => (Vec::new(), Some("the database is away".to_owned())),
        };
        for note in notes {
            match deployments.iter_mut().find(|known| known.id == note.id) {
                Some(known) if known.verdict.is_none() && note.verdict.is_some() => *known = note,
                Some(_) => {}
                None => deployments.push(note),
            }
        }
        deployments
            .sort_by_key(|deployment| std::cmp::Reverse((deployment.started_at, deployment.id.clone())));
        deployments.truncate(LISTED_MAX);
        Listed { deployments, database_error }
    }

    /// Records a deployment and one process of it in the database, or else in a note. Returns whether the database has it.
    ///
    /// # Errors
    ///
    /// The error of the files, if neither store takes it.
    pub async fn report(
        &self,
        deployment: &Deployment,
        process: &DeploymentProcess,
    ) -> Result<bool, StorageError> {
        match self.in_database(|store| store.report(deployment, process)).await {
            Some(Ok(())) => Ok(true),
            Some(Err(error)) => {
                tracing::debug!(event = "deployment_in_file", %error, "the database did not take the deployment");
                self.write_note_if_new(deployment).await.map(|()| false)
            }
            None => self.write_note_if_new(deployment).await.map(|()| false),
        }
    }

    async fn write_note_if_new(&self, deployment: &Deployment) -> Result<(), StorageError> {
        let notes = self.notes().await;
        let known = notes.iter().find(|note| note.id == deployment.id);
        let is_news =
            known.is_none_or(|note| note.completed_at.is_none() && deployment.completed_at.is_some());
        if !is_news {
            return Ok(());
        }
        let merged = known.map(|note| Deployment { completed_at: deployment.completed_at, ..note.clone() });
        self.write_note(merged.as_ref().unwrap_or(deployment)).await
    }

    /// Keeps a deployment in the file storage.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Indeterminate` if the files cannot be written.
    pub async fn write_note(&self, deployment: &Deployment) -> Result<(), StorageError> {
        let bytes = serde_json::to_vec(deployment)
            .map_err(|error| StorageError::new(StorageErrorKind::Invalid, error.to_string()))?;
        self.router.files().write_note(NoteFolder::Deployments, &note_name(&deployment.id), bytes).await
    }

    /// The deployments that the files have. A note that cannot be read is none.
    pub async fn notes(&self) -> Vec<Deployment> {
        let notes = self.router.files().notes(NoteFolder::Deployments).await.unwrap_or_default();
        let all = notes.iter().filter_map(|note| serde_json::from_slice::<Deployment>(&note.bytes).ok());
        all.filter(|note| self.is_ours(note)).collect()
    }

    fn is_ours(&self, deployment: &Deployment) -> bool {
        deployment.environment == self.scope.environment && deployment.service == self.scope.service
    }

    /// Brings the notes to the database, and removes them. Returns how many.
    ///
    /// # Errors
    ///
    /// The error of the database. The rest stays for the next time.
    pub async fn import_notes(&self) -> Result<usize, StorageError> {
        let mut imported = 0;
        for note in self.notes().await {
            let process = DeploymentProcess {
                deployment: note.id.clone(),
                process: "file".to_owned(),
                replica: "file".to_owned(),
                started_at: note.started_at,
                ready_at: note.completed_at,
                left_at: Some(note.completed_at.unwrap_or(note.started_at)),
                report: None,
                silent_seconds: 0.0,
            };
            let Some(recorded) = self.in_database(|store| store.report(&note, &process)).await else {
                return Ok(imported);
            };
            recorded?;
            let patch = DeploymentPatch {
                status: Some(note.status),
                health_score: note.health_score,
                error_count: Some(note.error_count),
                rollback_reason: note.rollback_reason.clone(),
                rolled_back_to: note.rolled_back_to.clone(),
                verdict: note.verdict,
                verdict_reason: note.verdict_reason.clone(),
                verdict_at: note.verdict_at,
                fault_at: note.fault_at,
                mode: note.mode.clone(),
                figures: note.figures.clone(),
                progress: note.progress.clone(),
                ..DeploymentPatch::default()
            };
            if note.verdict.is_some() {
                self.patch(&note.id, &patch, true, None).await?;
            }
            self.router.files().remove_note(NoteFolder::Deployments, &note_name(&note.id)).await?;
            imported += 1;
        }
        Ok(imported)
    }

    /// The processes of a deployment. None while the database is away.
    pub async fn processes(&self, deployment: &str) -> Option<Vec<DeploymentProcess>> {
        self.in_database(|store| store.processes(deployment)).await?.ok()
    }

    /// Takes or renews the right to judge. The outer None: the database is away.
    pub async fn hold(&self, deployment: &str, arbiter: &str, seconds: u32) -> Option<Option<Deployment>> {
        self.in_database(|store| store.hold(deployment, arbiter, seconds)).await?.ok()
    }

    /// Changes a deployment in the database.
    ///
    /// # Errors
    ///
    /// `Unavailable` while the database is away, and its errors.
    pub async fn patch(
        &self,
        deployment: &str,
        patch: &DeploymentPatch,
        undecided_only: bool,
        audit: Option<&AuditRecord>,
    ) -> Result<bool, StorageError> {
        let done = self.in_database(|store| store.patch(deployment, patch, undecided_only, audit)).await;
        done.unwrap_or_else(|| Err(StorageError::new(StorageErrorKind::Unavailable, "the database is away")))
    }

    /// The newest runs of the last day. None while the database is away.
    pub async fn run_samples(&self, limit: usize) -> Option<RunSamples> {
        self.in_database(|store| store.run_samples(limit)).await?.ok()
    }

    /// Calls the database within the limit. None without one, or while it is known to be away.
    async fn in_database<'a, T, F>(
        &'a self,
        call: impl FnOnce(&'a dyn Deployments) -> F,
    ) -> Option<Result<T, StorageError>>
    where
        F: Future<Output = Result<T, StorageError>>,
    {
        let store = self.store.as_deref()?;
        // A mode without the database opens no connection to it.
        if !self.router.is_database_open() {
            return None;
        }
        let late = || StorageError::new(StorageErrorKind::Indeterminate, "the database does not answer");
        Some(timeout(TIMEOUT, call(store)).await.unwrap_or_else(|_| Err(late())))
    }
}

/// The name of a deployment's note. A platform's id is a UUID; anything else becomes one word.
fn note_name(id: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' };
    let name: String = id.chars().take(90).map(plain).collect();
    format!("{name}.json")
}
