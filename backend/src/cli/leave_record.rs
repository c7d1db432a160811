//! The audit record of a command that changes something by more than one statement. It is written right after the change: a
//! command that is killed in between leaves none.

use serde_json::Value;
use storage::control_plane::AuditRecord;

use super::output::say;
use crate::{app, audit::Actor, config::Config};

/// Leaves the record of a change that was made. The change stands, also if no store takes the record.
pub(super) async fn leave_record(config: &Config, action: &str, target: &str, new: Value) {
    let stored = match app::audit(config) {
        Ok(audit) => {
            let record = AuditRecord { new: Some(new), ..audit.describe(&Actor::command(), action, target) };
            audit.record(record).await.map_err(|error| error.to_string())
        }
        Err(error) => Err(error.to_string()),
    };
    if let Err(error) = stored {
        say(&format!(
            "innovation: the change is made, and no store took its audit record ({error}); the log has the record; to see which store \
             fails: innovation doctor"
        ));
    }
}
