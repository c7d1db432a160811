//! The emergency rollback: another storage mode in one step, also while the database is away.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use storage::{
    control_plane::AuditRecord,
    files::NoteFolder,
    mode::Mode,
    router::{FileAcceptance, forecast},
};

use crate::audit::Actor;

use super::{
    control::{FlagControl, FlagError},
    definitions::{DATABASE_WRITES, FILE_FALLBACK},
    order::{Order, flags_of},
    sync::ReplicaNote,
    value::Value,
};

/// How long an answer waits for the replicas. Each looks for orders every two seconds.
const WAIT: Duration = Duration::from_secs(6);

/// How often the notes of the replicas are read meanwhile.
const NOTES_EVERY: Duration = Duration::from_millis(500);

/// A rollback, as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollback {
    pub to: Mode,
    pub reason: String,
    /// Also to a mode that stops acceptance or keeps outputs on an ephemeral disk alone.
    pub force: bool,
}

/// The behaviour of one replica in the mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReplicaForecast {
    pub replica: String,
    /// Whether it will accept runs.
    pub accepts: bool,
    /// The reason, as a sentence.
    pub detail: String,
}

/// The effects of a rollback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RollbackPlan {
    /// The mode to go to.
    pub to: String,
    pub database_is_reachable: bool,
    pub replicas: Vec<ReplicaForecast>,
    /// Why it takes `force`. Empty if it takes none.
    pub objections: Vec<String>,
}

/// Whether one replica has followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReplicaAnswer {
    pub replica: String,
    pub acknowledged: bool,
    /// The source of its storage flags, if it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// The result of a rollback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RollbackReport {
    pub plan: RollbackPlan,
    /// The revision in the database. Missing if an order was given instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// The order in the file storage, until the database is back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    pub replicas: Vec<ReplicaAnswer>,
    /// Whether every replica that is known has acknowledged.
    pub acknowledged: bool,
}

impl FlagControl {
    /// Says what each replica will accept in a mode.
    pub async fn plan(&self, to: Mode) -> RollbackPlan {
        let database_is_reachable = self.refresh().await.is_ok();
        let replicas = self.known_replicas(database_is_reachable).await;
        if self.replica.is_none() {
            // A command is no replica, and sees how many there are.
            self.presence.set_has_peers(replicas.len() > 1);
            // It proves what a running replica has proved already.
            let _ = self.files.check_create_if_absent().await;
        }
        let by_file = if self.files.has_shared_create_if_absent() {
            FileAcceptance::SharedStore
        } else {
            self.presence.standing()
        };
        let by_file = match by_file {
            standing
                if standing.is_allowed() && standing != FileAcceptance::SharedStore && replicas.len() > 1 =>
            {
                FileAcceptance::OtherReplicas
            }
            standing => standing,
        };
        let (accepts, detail) = forecast(to, database_is_reachable, by_file);
        let mut objections = Vec::new();
        if !accepts {
            objections.push(format!("in {to} no run is accepted: {detail}"));
        }
        if to.keeps_files_alone() && self.is_ephemeral {
            objections.push(format!(
                "in {to} outputs are on the disks of the containers alone, and the next deploy deletes them"
            ));
        }
        let replicas = replicas.into_iter();
        let replicas =
            replicas.map(|replica| ReplicaForecast { replica, accepts, detail: detail.to_owned() }).collect();
        RollbackPlan { to: to.as_str().to_owned(), database_is_reachable, replicas, objections }
    }

    /// Does what was planned: by a change in the database, or by an order while the database is away.
    ///
    /// # Errors
    ///
    /// [`FlagError::Refused`] if it takes `force`. [`FlagError::NoSecret`] if an order cannot be signed.
    /// [`FlagError::Unavailable`] if neither the database nor the file storage takes it.
    pub async fn rollback(
        &self,
        plan: RollbackPlan,
        rollback: &Rollback,
        by: &Actor,
    ) -> Result<RollbackReport, FlagError> {
        let Some(flags) = flags_of(rollback.to) else { return Err(FlagError::SwitchedOff) };
        if !plan.objections.is_empty() && !rollback.force {
            let objections = plan.objections.join("; ");
            return Err(FlagError::Refused(format!(
                "{objections}; to do it all the same: --force, or \"force\": true"
            )));
        }
        if plan.database_is_reachable {
            let [database, files] = flags.map(|(_, is_on)| Some(Value::Boolean(is_on)));
            let edits = [(&DATABASE_WRITES, database), (&FILE_FALLBACK, files)];
            match self.edit(&edits, "flag.rollback", &rollback.reason, None, None, by).await {
                Ok(changes) => {
                    let revision = changes.last().map_or(0, |change| change.revision);
                    return Ok(self.report_by_database(plan, revision).await);
                }
                // It went away meanwhile.
                Err(FlagError::Unavailable(error)) if error.is_outage() => {}
                Err(error) => return Err(error),
            }
        }
        self.store()?;
        self.give_order(plan, &rollback.reason, &flags, by).await
    }

    async fn report_by_database(&self, plan: RollbackPlan, revision: u64) -> RollbackReport {
        let waited = self.wait(revision, WAIT).await;
        let replicas: Vec<_> = match waited {
            Ok(outcome) => outcome
                .replicas
                .into_iter()
                .map(|ack| ReplicaAnswer {
                    acknowledged: !outcome.missing.contains(&ack.replica),
                    replica: ack.replica,
                    source: ack.source,
                })
                .collect(),
            Err(_) => plan.replicas.iter().map(|known| silent(&known.replica)).collect(),
        };
        let acknowledged = replicas.iter().all(|replica| replica.acknowledged);
        RollbackReport { plan, revision: Some(revision), order_id: None, replicas, acknowledged }
    }

    async fn give_order(
        &self,
        plan: RollbackPlan,
        reason: &str,
        flags: &[(&'static str, bool)],
        by: &Actor,
    ) -> Result<RollbackReport, FlagError> {
        let secret = self.secret.as_ref().ok_or(FlagError::NoSecret)?;
        if !(1..=500).contains(&reason.trim().chars().count()) {
            return Err(FlagError::NoReason);
        }
        let order = Order {
            id: uuid::Uuid::now_v7().to_string(),
            at: self.clock.now(),
            flags: flags.iter().map(|(key, is_on)| ((*key).to_owned(), *is_on)).collect(),
            base_revision: self.source.effective().database_revision,
            actor: by.name.clone(),
            role: by.role.clone(),
            address: by.address.map(|address| address.to_string()),
            reason: reason.trim().to_owned(),
            request_id: by.request_id.clone(),
            deployment: self.deployment.clone(),
        };
        let signed = order.sign(secret).ok_or(FlagError::NoSecret)?;
        // The import leaves a record of each flag that it changes. This one says who gave the order, also if it never counts.
        self.files.add_audit(&given(&order)).await?;
        self.files.write_note(NoteFolder::FlagOrders, &order.id, signed).await?;
        tracing::warn!(
            event = "flag_order_given",
            order = order.id,
            actor = by.name,
            reason,
            "the database is away: an order to change the storage flags was given in the file storage"
        );
        self.changed.notify_one();
        let replicas = self.await_notes(&plan, &order.id).await;
        let acknowledged = !replicas.is_empty() && replicas.iter().all(|replica| replica.acknowledged);
        Ok(RollbackReport { plan, revision: None, order_id: Some(order.id), replicas, acknowledged })
    }

    /// Waits for the notes of all replicas that are known.
    async fn await_notes(&self, plan: &RollbackPlan, order: &str) -> Vec<ReplicaAnswer> {
        let began = self.clock.monotonic();
        loop {
            let notes = self.notes().await;
            let mut answers: Vec<_> = plan.replicas.iter().map(|known| silent(&known.replica)).collect();
            for note in notes {
                let answer = ReplicaAnswer {
                    acknowledged: note.order_id.as_deref() == Some(order),
                    replica: note.replica,
                    source: Some(note.source),
                };
                match answers.iter_mut().find(|known| known.replica == answer.replica) {
                    Some(known) => *known = answer,
                    None => answers.push(answer),
                }
            }
            let is_over = self.clock.monotonic().saturating_sub(began) >= WAIT;
            if is_over || (!answers.is_empty() && answers.iter().all(|answer| answer.acknowledged)) {
                return answers;
            }
            tokio::time::sleep(NOTES_EVERY).await;
        }
    }

    /// The replicas of the database's registry, of the last good look at it, and of the notes in the file storage.
    async fn known_replicas(&self, database_is_reachable: bool) -> Vec<String> {
        let listed = match &self.store {
            Some(store) if database_is_reachable => store.acknowledgements().await.ok(),
            _ => None,
        };
        let mut known: Vec<String> = match listed {
            Some(replicas) => replicas.into_iter().map(|ack| ack.replica).collect(),
            None => {
                let last = self.source.standing().replicas.into_iter().map(|ack| ack.replica);
                last.chain(self.notes().await.into_iter().map(|note| note.replica)).collect()
            }
        };
        known.extend(self.replica.clone());
        known.sort();
        known.dedup();
        known
    }

    async fn notes(&self) -> Vec<ReplicaNote> {
        let notes = self.files.notes(NoteFolder::FlagAcks).await.unwrap_or_default();
        let now = self.clock.now();
        let notes = notes.iter().filter_map(|note| serde_json::from_slice::<ReplicaNote>(&note.bytes).ok());
        notes.filter(|note| note.is_live(now)).collect()
    }
}

/// The record of an order, as it is given.
fn given(order: &Order) -> AuditRecord {
    AuditRecord {
        action: "flag.order".to_owned(),
        target: order.id.clone(),
        new: Some(json!(order.flags)),
        ..order.record()
    }
}

fn silent(replica: &str) -> ReplicaAnswer {
    ReplicaAnswer { replica: replica.to_owned(), acknowledged: false, source: None }
}
