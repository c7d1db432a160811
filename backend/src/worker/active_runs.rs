//! The worker's runs, as reconciliation sees them: it leaves them alone.

use pipeline::run::RunId;
use storage::{Lease, sync::ActiveRuns};

use super::Worker;

impl ActiveRuns for Worker {
    fn is_working_on(&self, run: &RunId) -> bool {
        Self::is_working_on(self, run)
    }

    fn lease(&self) -> &Lease {
        Self::lease(self)
    }
}
