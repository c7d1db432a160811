//! Fakes for the seams, for tests of this crate and of others.
