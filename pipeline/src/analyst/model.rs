//! The analyst that asks a language model.
