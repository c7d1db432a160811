//! Runs read from memory.

use async_trait::async_trait;
use pipeline::run::RunId;

use crate::{
    error::StorageError,
    memory::MemoryStore,
    ports::listing::{Listing, RunPage, RunQueries, RunSummary},
    run::{RunRecord, StoredIn, StoredStage},
};

#[async_trait]
impl RunQueries for MemoryStore {
    async fn load(&self, run: &RunId) -> Result<Option<RunRecord>, StorageError> {
        let runs = self.up()?;
        let is_deleted = self.lock_buried().contains_key(run);
        let Some(entry) = runs.get(run).filter(|_| !is_deleted) else { return Ok(None) };
        let stages = entry.stages.iter().map(|(stage, (record, sha256))| {
            let stored_in = StoredIn::DATABASE;
            (*stage, StoredStage { record: record.clone(), sha256: sha256.clone(), stored_in })
        });
        Ok(Some(RunRecord {
            id: run.clone(),
            request: Some(entry.new.request.clone()),
            principal: entry.new.request.principal.clone(),
            status: entry.status,
            generation: entry.generation,
            epoch: entry.epoch,
            accepted_at: Some(entry.new.accepted_at),
            finished_at: entry.finished_at,
            stages: stages.collect(),
            report: entry.report.clone(),
            failure: entry.failure.clone(),
            lost_usd: entry.lost_usd,
            is_leased: !entry.is_free() && entry.waiting.is_none_or(|waiting| waiting.until.is_none()),
            waiting: entry.waiting,
            stored_in: StoredIn::DATABASE,
        }))
    }

    async fn list(&self, listing: &Listing) -> Result<RunPage, StorageError> {
        let runs = self.up()?;
        let buried = self.lock_buried();
        let wanted = runs.values().filter(|entry| {
            let request = &entry.new.request;
            let is_wanted = listing.wants(entry.status, Some(&request.brand_id), &request.principal);
            !buried.contains_key(&entry.new.id) && is_wanted
        });
        let mut all: Vec<RunSummary> = wanted
            .map(|entry| RunSummary {
                id: entry.new.id.clone(),
                status: entry.status,
                generation: entry.generation,
                source: entry.new.request.source.clone(),
                brand_id: Some(entry.new.request.brand_id.clone()),
                principal: entry.new.request.principal.clone(),
                created_at: entry.new.accepted_at,
                finished_at: entry.finished_at,
                stages: entry.stages.len(),
                failure: entry.failure.clone(),
            })
            .collect();
        all.sort_by_key(|run| std::cmp::Reverse(run.position()));
        Ok(RunPage::of(all, listing, StoredIn::DATABASE))
    }
}
