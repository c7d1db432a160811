//! The tracer, if there is a collector.

use super::{error::WiringError, storage::Stores};
use crate::{
    config::{Config, TracesConfig},
    flags::definitions::TRACING,
    health::Identity,
    telemetry::traces::{self, TraceSettings},
};

pub(super) fn start_traces(config: &Config, stores: &Stores, identity: &Identity) -> Result<(), WiringError> {
    let Some(TracesConfig { endpoint, headers, timeout, delay, service_name }) =
        config.telemetry.traces.clone()
    else {
        return Ok(());
    };
    let flags = stores.flags.clone();
    traces::start(TraceSettings {
        endpoint,
        headers,
        timeout,
        delay,
        extra_ca_file: config.documents.extra_ca_file.clone(),
        service_name,
        version: identity.version,
        environment: identity.environment.as_str(),
        replica: identity.replica.clone(),
        is_on_for: Box::new(move |id| flags.is_on_for(&TRACING, id)),
    })
    .map_err(WiringError::Traces)
}
