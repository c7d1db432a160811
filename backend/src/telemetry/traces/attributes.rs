//! The names of attributes. OpenTelemetry's names stand as they are; the conventions of GenAI still change, so they stand only here.
//!
//! No attribute holds content: no text of a document, a prompt, an answer or a brand, no address of a document, no key.

pub(super) const ERROR_TYPE: &str = "error.type";
pub(super) const SERVER_ADDRESS: &str = "server.address";
pub(super) const SERVER_PORT: &str = "server.port";

pub(super) const HTTP_METHOD: &str = "http.request.method";
pub(super) const HTTP_ROUTE: &str = "http.route";
pub(super) const HTTP_STATUS: &str = "http.response.status_code";

pub(super) const DB_SYSTEM: &str = "db.system.name";
pub(super) const DB_OPERATION: &str = "db.operation.name";
pub(super) const FILE_OPERATION: &str = "innovation.file.operation";

pub(super) const GEN_AI_OPERATION: &str = "gen_ai.operation.name";
pub(super) const GEN_AI_PROVIDER: &str = "gen_ai.provider.name";
pub(super) const GEN_AI_CONVERSATION: &str = "gen_ai.conversation.id";
pub(super) const GEN_AI_OUTPUT_TYPE: &str = "gen_ai.output.type";
pub(super) const GEN_AI_REQUEST_MODEL: &str = "gen_ai.request.model";
pub(super) const GEN_AI_REQUEST_MAX_TOKENS: &str = "gen_ai.request.max_tokens";
pub(super) const GEN_AI_RESPONSE_MODEL: &str = "gen_ai.response.model";
pub(super) const GEN_AI_RESPONSE_ID: &str = "gen_ai.response.id";
pub(super) const GEN_AI_FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
pub(super) const GEN_AI_INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
pub(super) const GEN_AI_OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
pub(super) const GEN_AI_CACHE_READ_TOKENS: &str = "gen_ai.usage.cache_read.input_tokens";

pub(super) const REQUEST_ID: &str = "innovation.request.id";
pub(super) const RUN_ID: &str = "innovation.run.id";
pub(super) const RUN_STATUS: &str = "innovation.run.status";
pub(super) const RUN_EPOCH: &str = "innovation.run.epoch";
pub(super) const RUN_ATTEMPT: &str = "innovation.run.attempt";
pub(super) const STAGE: &str = "innovation.stage.number";
pub(super) const PROVIDER: &str = "innovation.stage.provider";
pub(super) const COST_USD: &str = "innovation.cost_usd";
pub(super) const ATTEMPTS: &str = "innovation.attempts";
pub(super) const WEBHOOK_EVENT: &str = "innovation.webhook.event";
pub(super) const WEBHOOK_OUTCOME: &str = "innovation.webhook.outcome";
