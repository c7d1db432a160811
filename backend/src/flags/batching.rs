//! The flag `DATABASE_WRITE_BATCHING` at the place where it acts: before each write of a run.

use pipeline::run::RunId;
use storage::ports::combined::BatchingRule;

use super::{definitions::WRITE_BATCHING, source::FlagSource};

impl BatchingRule for FlagSource {
    fn shares(&self, run: &RunId) -> bool {
        self.is_on_for(&WRITE_BATCHING, run.as_str())
    }
}
