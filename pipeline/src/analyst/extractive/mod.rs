//! The built-in analyst: deterministic, offline, every line of evidence a true quote.
