//! Everything that touches the world: configuration, files, the network, child processes, the terminal.
//!
//! This library exists so that benches and fuzz targets can reach
//! the same code.

pub mod brands;
pub mod clock;
pub mod config;
pub mod documents;
pub mod lifecycle;
pub mod llm;
pub mod storage;
