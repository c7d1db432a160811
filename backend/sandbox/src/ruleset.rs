//! Landlock: no file, no TCP, no signal and no abstract socket beyond this process and its children.

use landlock::{
    ABI, Access, AccessFs, AccessNet, LandlockStatus, Ruleset, RulesetAttr, RulesetError, RulesetStatus,
    Scope,
};

/// The newest rules that the tests have seen. An older kernel enforces the part that it knows.
const NEWEST: ABI = ABI::V7;

/// Denies everything that Landlock can deny to this thread and to all that it starts. Returns the version of
/// the rules, or 0 without Landlock.
pub(crate) fn deny_everything() -> u32 {
    restrict().unwrap_or(0)
}

fn restrict() -> Result<u32, RulesetError> {
    let restricted = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .restrict_self()?;
    Ok(match (restricted.ruleset, restricted.landlock) {
        (RulesetStatus::NotEnforced, _) => 0,
        (_, LandlockStatus::Available { effective_abi, .. }) => (effective_abi as u32).min(NEWEST as u32),
        _ => 0,
    })
}
