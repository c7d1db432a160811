//! Cached answers in files, where no database is used. An entry is created once. Empty files beside it name the runs that use it,
//! so that one listing finds what goes with a run.

use std::{collections::BTreeSet, io, time::Duration};

use pipeline::{clock::Timestamp, record::sha256_hex, run::RunId};
use serde::{Deserialize, Serialize};

use crate::{
    control_plane::{AnswerQuestion, StoredAnswer},
    error::StorageError,
    files::{
        layout::{ANSWERS_FOLDER, answer_file, answer_use},
        limits::ATTEMPT_TIMEOUT,
        run_files::RunFiles,
        store::FileStore,
    },
};

/// The most names of the folder, at about five an entry. A sweep removes entries beyond it: 4,000 answers fill at most 4 GB, and
/// usually 100 MB.
const NAMES_MAX: usize = 20_000;

/// An entry as a file holds it.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    answered_at: Timestamp,
    text: String,
    sha256: String,
}

/// The file name of a question's entry, without its ending.
fn id(question: &AnswerQuestion) -> String {
    sha256_hex(format!("{}\n{}", question.principal.as_str(), question.key).as_bytes())
}

impl FileStore {
    /// Finds an answer that was given after a time, and notes that the run uses it.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn find_answer(
        &self,
        question: &AnswerQuestion,
        after: Timestamp,
    ) -> Result<Option<StoredAnswer>, StorageError> {
        let question = question.clone();
        self.guarded("find_answer", ANSWERS_FOLDER, ATTEMPT_TIMEOUT, move |files| {
            files.find_answer(&question, after)
        })
        .await
    }

    /// Keeps an answer, unless there is one. A crash may lose it.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    pub async fn keep_answer(
        &self,
        question: &AnswerQuestion,
        answer: &StoredAnswer,
        at: Timestamp,
    ) -> Result<(), StorageError> {
        let (question, answer) = (question.clone(), answer.clone());
        self.guarded("keep_answer", ANSWERS_FOLDER, ATTEMPT_TIMEOUT, move |files| {
            files.keep_answer(&question, answer, at)
        })
        .await
    }

    /// Removes an answer that was not usable.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    pub async fn reject_answer(&self, question: &AnswerQuestion) -> Result<(), StorageError> {
        let name = answer_file(&id(question));
        self.guarded("remove_answer", ANSWERS_FOLDER, ATTEMPT_TIMEOUT, move |files| {
            files.remove_answer(&name)
        })
        .await
    }

    /// Removes what is stored of a deleted run, and the answers that no other run uses.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    pub async fn forget_answers(&self, run: &RunId) -> Result<(), StorageError> {
        let run = run.clone();
        self.whole(move |files| files.forget_answers(&run)).await
    }

    /// Removes answers of before a time, answers that no run uses, and those beyond the limit. Returns how many.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    pub async fn expire_answers(&self, keep: Duration) -> Result<usize, StorageError> {
        self.whole(move |files| files.expire_answers(keep)).await
    }
}

impl RunFiles {
    fn find_answer(
        &self,
        question: &AnswerQuestion,
        after: Timestamp,
    ) -> Result<Option<StoredAnswer>, StorageError> {
        let id = id(question);
        let name = answer_file(&id);
        let Some(entry) = self.read_answer(&name)? else { return Ok(None) };
        if entry.answered_at < after {
            // The next answer takes its name.
            self.remove_answer(&name)?;
            return Ok(None);
        }
        self.note_use(&id, &question.run)?;
        Ok(Some(StoredAnswer { text: entry.text, sha256: entry.sha256 }))
    }

    /// A damaged entry is removed, and counts as absent: it was not flushed before a crash.
    fn read_answer(&self, name: &str) -> Result<Option<Entry>, StorageError> {
        let stored = self.io.backend.read(name).map_err(|error| self.io.fault(name, &error))?;
        let Some(stored) = stored else { return Ok(None) };
        let entry = serde_json::from_slice(&stored.bytes).ok();
        if entry.is_none() {
            self.remove_answer(name)?;
        }
        Ok(entry)
    }

    fn keep_answer(
        &self,
        question: &AnswerQuestion,
        answer: StoredAnswer,
        at: Timestamp,
    ) -> Result<(), StorageError> {
        let id = id(question);
        let name = answer_file(&id);
        let entry = Entry { answered_at: at, text: answer.text, sha256: answer.sha256 };
        let bytes = self.io.json_bytes(&entry, &name)?;
        match self.io.backend.create_unflushed(&name, &bytes) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => created.map_err(|error| self.io.fault(&name, &error))?,
        }
        self.note_use(&id, &question.run)
    }

    fn note_use(&self, id: &str, run: &RunId) -> Result<(), StorageError> {
        let name = answer_use(id, run);
        self.io.backend.touch(&name).map_err(|error| self.io.fault(&name, &error))
    }

    fn remove_answer(&self, name: &str) -> Result<(), StorageError> {
        self.io.backend.remove(name).map_err(|error| self.io.fault(name, &error))
    }

    fn answer_names(&self) -> Result<Vec<String>, StorageError> {
        let names = self.io.backend.names(ANSWERS_FOLDER);
        names.map_err(|error| self.io.fault(ANSWERS_FOLDER, &error))
    }

    fn forget_answers(&self, run: &RunId) -> Result<(), StorageError> {
        let names = self.answer_names()?;
        let (mut used, mut gone) = (BTreeSet::new(), BTreeSet::new());
        for name in &names {
            match name.split_once('.') {
                Some((id, user)) if user == run.as_str() => _ = gone.insert(id),
                Some((id, user)) if user != "json" => _ = used.insert(id),
                _ => {}
            }
        }
        for id in gone {
            if !used.contains(id) {
                self.remove_answer(&answer_file(id))?;
            }
            // Last, so that a repetition finds the entry.
            self.remove_answer(&answer_use(id, run))?;
        }
        Ok(())
    }

    fn expire_answers(&self, keep: Duration) -> Result<usize, StorageError> {
        let names = self.answer_names()?;
        let keep = chrono::TimeDelta::from_std(keep).unwrap_or(chrono::TimeDelta::MAX);
        let after = self.io.clock.now().checked_sub_signed(keep).unwrap_or(Timestamp::MIN_UTC);
        let mut used = BTreeSet::new();
        for name in &names {
            let Some((id, user)) = name.split_once('.').filter(|(_, user)| *user != "json") else { continue };
            match RunId::parse(user) {
                Ok(run) if self.io.has_run(&run)? => _ = used.insert(id.to_owned()),
                _ => self.remove_answer(&format!("{ANSWERS_FOLDER}/{name}"))?,
            }
        }
        let (mut removed, mut left) = (0, names.len());
        for id in names.iter().filter_map(|name| name.strip_suffix(".json")) {
            let name = answer_file(id);
            let is_kept = left <= NAMES_MAX
                && used.contains(id)
                && self.read_answer(&name)?.is_some_and(|entry| entry.answered_at >= after);
            if !is_kept {
                self.remove_answer(&name)?;
                removed += 1;
                left = left.saturating_sub(1);
            }
        }
        Ok(removed)
    }
}
