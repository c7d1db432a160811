//! Everything of `innovation` that touches the world. The binary only dispatches to this library; being one lets
//! tests, benches and fuzz targets reach its parts.

pub mod llm;
