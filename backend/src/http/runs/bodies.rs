//! The types of all answers about runs. Answers and documentation use the same types.

use std::{borrow::Cow, marker::PhantomData};

use pipeline::{
    brand::BrandId,
    clock::Timestamp,
    failure::FailureCode,
    record::{StageMeta, millis},
    run::{RunId, RunStatus, Stage},
    stages::{BrandContextualization, GeneralTranslation, InputProcessing, SignalAmplification},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{health::Durability, runs::StageStatus};
use storage::{WaitReason, mode::Mode};

/// A time, to the millisecond.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub(super) struct Time(
    #[serde(with = "millis")]
    #[schemars(schema_with = "millis::schema")]
    pub(super) Timestamp,
);

/// The status words of the frontend. A cancelled run is `failed`, and its error says so.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "StatusWord")]
pub(super) enum Word {
    Running,
    Complete,
    Failed,
}

impl From<RunStatus> for Word {
    fn from(status: RunStatus) -> Self {
        match status {
            RunStatus::Processing => Self::Running,
            RunStatus::Completed => Self::Complete,
            RunStatus::Failed | RunStatus::Cancelled => Self::Failed,
        }
    }
}

/// How far a stage is.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum StageWord {
    Pending,
    Running,
    Complete,
    Failed,
}

impl From<StageStatus> for StageWord {
    fn from(status: StageStatus) -> Self {
        match status {
            StageStatus::Pending => Self::Pending,
            StageStatus::Running => Self::Running,
            StageStatus::Complete => Self::Complete,
            StageStatus::Failed => Self::Failed,
        }
    }
}

/// The stores that hold a thing.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Place {
    Database,
    File,
}

/// A run was accepted, now or earlier.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Accepted {
    pub(super) run_id: RunId,
    pub(super) status: Word,
    /// The address that shows how far the run is.
    pub(super) status_url: String,
}

/// A run continues after a retry.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct AcceptedAgain {
    pub(super) run_id: RunId,
    pub(super) status: Word,
    /// Each retry raises it.
    pub(super) generation: i32,
    pub(super) status_url: String,
}

/// A run was cancelled, now or earlier.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Cancelled {
    pub(super) run_id: RunId,
    pub(super) status: Word,
    pub(super) run_status: RunStatus,
    pub(super) status_url: String,
}

/// How far a run is.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Status {
    pub(super) run_id: RunId,
    pub(super) status: Word,
    /// The first stage without an output, or the last stage.
    pub(super) current_stage: Stage,
    pub(super) stages: Stages,
    /// The output of stage 1, once it is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stage1_data: Option<Output<InputProcessing>>,
    pub(super) brand_name: Option<String>,
    pub(super) company_id: Option<BrandId>,
    /// The current storage mode.
    #[serde(serialize_with = "mode")]
    pub(super) mode: Mode,
    pub(super) stored_in: Vec<Place>,
    /// How much of the run survives the loss of this container.
    pub(super) durability: Durability,
    pub(super) accepted_at: Option<Time>,
    pub(super) completed_at: Option<Time>,
    /// Why the run waits in the queue, such as for a model that is away. Its status stays `running`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) waiting: Option<WaitingBody>,
    /// Why the run failed or was cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<RunError>,
}

/// Why a run waits in the queue.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Waiting")]
pub(super) struct WaitingBody {
    pub(super) reason: WaitReason,
    /// When the wait began, over all attempts since the last stored stage.
    pub(super) since: Time,
    /// When the run is tried again.
    pub(super) until: Option<Time>,
}

fn mode<S: Serializer>(mode: &Mode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(mode.as_str())
}

/// The four stages by number.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Stages {
    #[serde(rename = "1")]
    pub(super) input_processing: StageBody<InputProcessing>,
    #[serde(rename = "2")]
    pub(super) signal_amplification: StageBody<SignalAmplification>,
    #[serde(rename = "3")]
    pub(super) general_translation: StageBody<GeneralTranslation>,
    #[serde(rename = "4")]
    pub(super) brand_contextualization: StageBody<BrandContextualization>,
}

/// One stage of a run.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(bound = "")]
#[schemars(rename = "{T}Stage")]
pub(super) struct StageBody<T> {
    pub(super) status: StageWord,
    pub(super) started_at: Option<Time>,
    pub(super) completed_at: Option<Time>,
    pub(super) output: Option<Output<T>>,
    pub(super) stored_in: Vec<Place>,
}

/// A stage's stored record: the payload of `T`, and its metadata.
#[derive(Debug, Serialize)]
#[serde(transparent, bound = "")]
pub(super) struct Output<T>(Map<String, Value>, #[serde(skip)] PhantomData<T>);

impl<T> Output<T> {
    pub(super) fn new(record: Map<String, Value>) -> Self {
        Self(record, PhantomData)
    }
}

impl<T: JsonSchema> JsonSchema for Output<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}Output", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (payload, meta) = (generator.subschema_for::<T>(), generator.subschema_for::<StageMeta>());
        json_schema!({
            "allOf": [payload, {"type": "object", "required": ["meta"], "properties": {"meta": meta}}],
        })
    }
}

/// Why a run ended without a report.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RunError {
    pub(super) code: FailureCode,
    /// A sentence for people.
    pub(super) message: String,
    /// None while the document was read.
    pub(super) stage: Option<Stage>,
    /// Whether a retry of the same run may succeed.
    pub(super) can_retry: bool,
}

/// Everything about a run.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RunDetail")]
pub(super) struct Detail {
    #[serde(flatten)]
    pub(super) status: Status,
    pub(super) run_status: RunStatus,
    /// The run's owner: the principal of the key that submitted it.
    pub(super) principal: String,
    /// Each retry raises it.
    pub(super) generation: i32,
    pub(super) document_name: Option<String>,
    pub(super) duration_ms: Option<i64>,
    /// US dollars for all answers, including those that never became a stage.
    pub(super) cost_usd: f64,
    /// The share of quotes that were found in the document, 0 to 1. None before there are quotes.
    pub(super) grounding: Option<f64>,
    /// Until when `/document`, `/pages` and `/evidence` of the run show the document. None if it is not kept.
    pub(super) document_kept_until: Option<Time>,
    /// Markdown.
    pub(super) report: Option<String>,
    pub(super) report_url: Option<String>,
    pub(super) can_retry: bool,
    pub(super) can_cancel: bool,
}

/// A page of the list of runs.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RunList")]
pub(super) struct Runs {
    pub(super) runs: Vec<Listed>,
    pub(super) pagination: Pagination,
    pub(super) source: Source,
}

/// The store that listed the runs.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Source {
    Database,
    File,
}

/// The position of a page in the list.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Pagination {
    /// None for a page after a run.
    pub(super) page: Option<usize>,
    pub(super) page_size: usize,
    /// At most 10,000 runs are counted.
    pub(super) total: usize,
    pub(super) total_is_exact: bool,
    pub(super) has_next: bool,
    /// The value for `after`. None on the last page.
    pub(super) next: Option<String>,
}

/// One run of the list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ListedRun")]
pub(super) struct Listed {
    pub(super) run_id: RunId,
    /// The run's owner.
    pub(super) principal: String,
    pub(super) status: RunStatus,
    /// None for a row that nobody submitted to `/run`. The same holds for the brand's name.
    pub(super) company_id: Option<BrandId>,
    pub(super) brand_name: Option<String>,
    pub(super) document_name: String,
    pub(super) generation: i32,
    pub(super) stages_complete: usize,
    pub(super) created_at: Time,
    pub(super) completed_at: Option<Time>,
    pub(super) error: Option<RunError>,
}

/// The state of a run at the time of an event.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RunEvent")]
pub(super) struct RunEventBody {
    pub(super) run_id: RunId,
    /// Each retry raises it.
    pub(super) generation: i32,
    pub(super) status: Word,
    pub(super) run_status: RunStatus,
    /// The first stage without an output, or the last stage.
    pub(super) current_stage: Stage,
    pub(super) progress: StagesDone,
    /// The stage that was just stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stage: Option<StoredStageBody>,
    pub(super) accepted_at: Option<Time>,
    /// When the run ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) completed_at: Option<Time>,
    /// Why the run failed or was cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<RunError>,
}

/// The number of stored stages.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(super) struct StagesDone {
    pub(super) complete: usize,
    pub(super) total: usize,
}

/// A stored stage. The status holds its output.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "StoredStage")]
pub(super) struct StoredStageBody {
    pub(super) number: Stage,
    pub(super) name: &'static str,
    pub(super) status: StageWord,
    pub(super) started_at: Time,
    pub(super) completed_at: Time,
}
