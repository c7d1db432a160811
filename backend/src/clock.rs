//! The system's clock, behind the pipeline's trait.

pub use foundation::clock::SystemClock;
