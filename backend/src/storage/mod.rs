//! Where runs are kept. Files only so far: `{root}/{run_id}/stage{n}/{name}.json`, `report.md`, `run.json`.

pub mod atomic;
pub mod files;
pub mod manifest;
