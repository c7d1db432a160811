//! Every error code of the API with its status and meaning. Answers and documentation both use this table.

use axum::http::StatusCode;

/// One error code. Stable, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    pub status: StatusCode,
    pub name: &'static str,
    /// When the API answers with it, for readers of the documentation.
    pub meaning: &'static str,
}

macro_rules! codes {
    ($($constant:ident = $status:ident, $name:literal, $meaning:literal;)+) => {
        $(pub const $constant: Code =
            Code { status: StatusCode::$status, name: $name, meaning: $meaning };)+

        /// All codes, in the order of their status.
        pub const ALL: &[Code] = &[$($constant),+];
    };
}

codes! {
    MALFORMED_JSON = BAD_REQUEST, "malformed_json", "the body is not JSON";
    INCOMPLETE_BODY = BAD_REQUEST, "incomplete_body", "the body broke off before its end";
    FORBIDDEN_URL = BAD_REQUEST, "forbidden_url", "the document's address is not allowed";
    INVALID_LAST_EVENT_ID = BAD_REQUEST, "invalid_last_event_id", "Last-Event-ID is not an event of this run";
    KEY_REQUIRED = UNAUTHORIZED, "key_required", "no key came with the request";
    INVALID_API_KEY = FORBIDDEN, "invalid_api_key", "the key is not accepted";
    FOREIGN_ORIGIN = FORBIDDEN, "foreign_origin", "a page of another site sent a request that changes something";
    FOREIGN_HOST = FORBIDDEN, "foreign_host", "the request names a host that this development machine does not have";
    INSUFFICIENT_ROLE = FORBIDDEN, "insufficient_role", "the key's role does not permit the operation";
    RUN_NOT_FOUND = NOT_FOUND, "run_not_found", "there is no run with this id";
    BATCH_NOT_FOUND = NOT_FOUND, "batch_not_found", "there is no batch with this id";
    BRAND_NOT_FOUND = NOT_FOUND, "brand_not_found", "there is no brand with this id";
    REPORT_PENDING = NOT_FOUND, "report_pending", "the run has not ended, so it has no report yet";
    REPORT_RUN_FAILED = NOT_FOUND, "report_run_failed", "the run has failed, so it has no report";
    REPORT_RUN_CANCELLED = NOT_FOUND, "report_run_cancelled", "the run was cancelled, so it has no report";
    REPORT_MISSING = NOT_FOUND, "report_missing", "the run is complete, but its report cannot be found";
    DOCUMENT_NOT_KEPT = NOT_FOUND, "document_not_kept", "the run's document is not kept, or no longer";
    PAGE_NOT_FOUND = NOT_FOUND, "page_not_found", "the document has no such page";
    PAGE_NOT_DRAWABLE = NOT_FOUND, "page_not_drawable", "the page cannot be shown as a picture";
    EVIDENCE_NOT_FOUND = NOT_FOUND, "evidence_not_found", "the run's report has no quote with this label";
    KEY_NOT_FOUND = NOT_FOUND, "key_not_found", "there is no key with this id";
    SILENCE_NOT_FOUND = NOT_FOUND, "silence_not_found", "there is no such silence of an alert, or it has ended";
    FLAG_NOT_FOUND = NOT_FOUND, "flag_not_found", "there is no flag with this key, or no such change";
    DEPLOYMENT_NOT_FOUND = NOT_FOUND, "deployment_not_found", "there is no deployment with this id";
    OPERATION_NOT_FOUND = NOT_FOUND, "operation_not_found", "there is no bulk operation with this id";
    NO_ROUTE = NOT_FOUND, "not_found", "there is nothing at this address";
    METHOD_NOT_ALLOWED = METHOD_NOT_ALLOWED, "method_not_allowed", "the address does not support this method";
    NOT_ACCEPTABLE = NOT_ACCEPTABLE, "not_acceptable", "the answer is not available in a form that Accept allows";
    BODY_TIMEOUT = REQUEST_TIMEOUT, "body_timeout", "the body did not arrive in time";
    RUN_CONFLICT = CONFLICT, "run_conflict", "the run_id belongs to another request";
    BATCH_CONFLICT = CONFLICT, "batch_conflict", "the batch_id, or the id of one of its runs, belongs to another request";
    RUN_ID_DELETED = CONFLICT, "run_deleted", "the run_id belongs to a deleted run";
    RUN_RUNNING = CONFLICT, "run_running", "the run has not ended";
    RUN_COMPLETE = CONFLICT, "run_complete", "the run is complete";
    RUN_FAILED = CONFLICT, "run_failed", "the run has failed already";
    RUN_NOT_ACCEPTED = CONFLICT, "run_not_accepted", "nobody submitted this run";
    KEY_ENDED = CONFLICT, "key_ended", "the key was revoked or has expired";
    KEY_IN_USE = CONFLICT, "key_in_use", "nobody ends the key they act with";
    LAST_ADMIN_KEY = CONFLICT, "last_admin_key", "no other admin key would stay valid";
    CHANNEL_NOT_CONFIGURED = CONFLICT, "channel_not_configured", "the channel of alerts is not configured; the sentence names its variable";
    TOO_MANY_SILENCES = CONFLICT, "too_many_silences", "there are as many silences of alerts as the service keeps";
    TOO_MANY_KEYS = CONFLICT, "too_many_keys", "there are as many valid keys as the service keeps";
    FLAG_CHANGED = CONFLICT, "flag_changed", "the flag was changed after the revision that the caller has seen";
    FLAGS_INVALID = CONFLICT, "flags_invalid", "the change would switch off all storage";
    ROLLBACK_REFUSED = CONFLICT, "rollback_refused", "the mode stops acceptance, or keeps outputs on ephemeral disks alone";
    DEPLOYMENT_ROLLBACK_REFUSED = CONFLICT, "deployment_rollback_refused", "a deployment must not or cannot be taken back; the sentence says why";
    OPERATION_CHANGED = CONFLICT, "operation_changed", "the number of runs differs from the expected one by more than a tenth";
    OPERATION_CONFLICT = CONFLICT, "operation_conflict", "another bulk operation has the id";
    OPERATION_ENDED = CONFLICT, "operation_ended", "the bulk operation has ended already";
    TOO_MANY_OPERATIONS = CONFLICT, "too_many_operations", "as many bulk operations as may be are under way";
    RUN_DELETED = GONE, "run_deleted", "the run has been deleted";
    BODY_TOO_LARGE = PAYLOAD_TOO_LARGE, "body_too_large", "the body is too large";
    UNSUPPORTED_MEDIA_TYPE = UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "the Content-Type is not JSON";
    INVALID_FIELDS = UNPROCESSABLE_ENTITY, "invalid_fields", "fields are wrong or missing; errors lists each";
    TOO_MANY_STREAMS = TOO_MANY_REQUESTS, "too_many_streams", "too many event streams are open";
    QUOTA_EXCEEDED = TOO_MANY_REQUESTS, "quota_exceeded", "a quota of the key is used up; the sentence names the limit";
    TOO_MANY_WRONG_KEYS = TOO_MANY_REQUESTS, "too_many_wrong_keys", "the address has sent too many wrong keys; a right one is accepted at any time";
    INTERNAL = INTERNAL_SERVER_ERROR, "internal", "the service failed";
    BRAND_INVALID = INTERNAL_SERVER_ERROR, "brand_invalid", "the brand's profile is invalid";
    PERSISTENCE_DISABLED = SERVICE_UNAVAILABLE, "persistence_disabled", "storage is switched off";
    KEYS_UNAVAILABLE = SERVICE_UNAVAILABLE, "keys_unavailable", "the database is away, and the key or its right cannot be checked without it";
    ACCEPTANCE_PAUSED = SERVICE_UNAVAILABLE, "acceptance_paused", "operators have paused the acceptance of runs";
    FLAGS_UNAVAILABLE = SERVICE_UNAVAILABLE, "flags_unavailable", "the flags of the database cannot be changed now";
    PLATFORM_UNAVAILABLE = SERVICE_UNAVAILABLE, "platform_unavailable", "the platform's API cannot be asked now";
    OPERATIONS_UNAVAILABLE = SERVICE_UNAVAILABLE, "operations_unavailable", "bulk operations need the database, which is away or does not answer in time";
    DRAINING = SERVICE_UNAVAILABLE, "draining", "this replica is stopping";
    NOT_ALONE = SERVICE_UNAVAILABLE, "not_alone", "files alone may not accept or deny a run: another replica may have it";
    QUEUE_FULL = SERVICE_UNAVAILABLE, "queue_full", "too many runs wait";
    STORAGE_UNAVAILABLE = SERVICE_UNAVAILABLE, "storage_unavailable", "no store that may hold the run can be reached";
    TOO_MANY_CONNECTIONS = SERVICE_UNAVAILABLE, "too_many_connections", "too many connections or requests of one address are open";
    DOCUMENTS_BUSY = SERVICE_UNAVAILABLE, "documents_busy", "too many pages or documents are asked for";
    CHANNEL_FAILED = SERVICE_UNAVAILABLE, "channel_failed", "the channel of alerts did not take the message; the sentence says why";
    REQUEST_TIMED_OUT = SERVICE_UNAVAILABLE, "request_timeout", "the answer took too long";
}
