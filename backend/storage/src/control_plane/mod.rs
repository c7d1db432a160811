//! Holds what operators keep beside the runs: who owns a run, roles, keys and the audit, and what checks
//! remember. The tables lie in the PostgreSQL schema `innovation`, the files in folders of the storage root that begin with a
//! dot.

mod alerts;
mod answers;
mod audit;
mod baselines;
mod bulk;
mod deployments;
mod evidence;
mod flags;
mod inspection;
mod keys;
mod principal;
mod role;
mod usage;
mod user_runs;
mod waivers;

pub use self::{
    alerts::{
        AlertExchange, AlertFacts, AlertReport, AlertStore, LevelCounts, ServiceLevels, SharedAlerts, Silence,
    },
    answers::{
        AnswerClaim, AnswerLease, AnswerPurge, AnswerQuestion, AnswerStats, AnswerStore, HeldQuestion,
        StoredAnswer,
    },
    audit::{AuditFilter, AuditLog, AuditRecord},
    baselines::{Baseline, Baselines},
    bulk::{
        BULK_OPERATIONS_MAX, BULK_PROBLEMS_MAX, BULK_RUNS_MAX, BulkAction, BulkActor, BulkBatch, BulkCount,
        BulkFilter, BulkItem, BulkLease, BulkOperation, BulkOperations, BulkOrder, BulkOutcome, BulkPreview,
        BulkProblem, BulkResult, BulkStart, BulkStatus, UnknownAction,
    },
    deployments::{
        Deployment, DeploymentPatch, DeploymentProcess, DeploymentScope, DeploymentStatus, Deployments,
        RunSample, RunSamples, Verdict,
    },
    evidence::{Evidence, EvidenceLog},
    flags::{FlagChange, FlagEdit, FlagEdits, FlagStore, ReplicaAck, StoredFlag, StoredFlags},
    inspection::{
        DatabaseInspection, ForeignGrant, GrantFacts, IndexFact, IndexFacts, OldKey, RunFacts, ServerFacts,
    },
    keys::{ADMIN_LASTS_MIN, ApiKey, ApiKeys, KEYS_MAX, KeyChange, KeyDigest, Quotas, StoredKey, Successor},
    principal::{Principal, PrincipalError},
    role::{Permission, Role, UnknownPermission, UnknownRole},
    usage::{Spending, Usage, UsageStore},
    user_runs::{UserRun, UserRuns},
    waivers::{Waiver, Waivers},
};
