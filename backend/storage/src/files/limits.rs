//! Limits of the calls to files that several callers share.

use std::time::Duration;

/// How long one attempt at a write may take. A dead network disk never answers. An abandoned attempt may
/// still finish later; that does no harm, because stage files are create-only and manifests are fenced.
pub(super) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

/// How many operations run at once. It is enough for their flushes or requests to overlap, and far below the
/// thread limit. The others queue, and their time limit starts after the queue.
pub(super) const CALLS_MAX: usize = 64;
