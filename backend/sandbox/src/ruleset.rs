//! Landlock: no file, no TCP, no signal and no abstract socket beyond this process and its children.

use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, LandlockStatus, RestrictionStatus, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};

/// The newest rules that the tests have seen. An older kernel enforces the part that it knows.
const NEWEST: ABI = ABI::V7;

/// Denies everything that Landlock can deny to this thread and to all that it starts. Returns the version of
/// the rules, or 0 without Landlock.
pub(crate) fn deny_everything() -> u32 {
    restrict().unwrap_or(0)
}

/// As [`deny_everything`], but these files and all below these folders may be read, and these files may be executed. A
/// path that does not exist is left out.
pub(crate) fn allow_alone<'p>(
    readable: impl Iterator<Item = &'p Path>,
    executable: impl Iterator<Item = &'p Path>,
) -> u32 {
    let restricted = || {
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        let execute = AccessFs::ReadFile | AccessFs::Execute;
        let rules = nothing()?
            .add_rules(path_beneath_rules(readable, read))?
            .add_rules(path_beneath_rules(executable, execute))?;
        Ok::<_, RulesetError>(version(&rules.restrict_self()?))
    };
    restricted().unwrap_or(0)
}

fn restrict() -> Result<u32, RulesetError> {
    Ok(version(&nothing()?.restrict_self()?))
}

/// Rules that allow nothing.
fn nothing() -> Result<RulesetCreated, RulesetError> {
    Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()
}

/// The version of the rules in force, or 0 without any.
fn version(restricted: &RestrictionStatus) -> u32 {
    match (&restricted.ruleset, &restricted.landlock) {
        (RulesetStatus::NotEnforced, _) => 0,
        (_, LandlockStatus::Available { effective_abi, .. }) => (*effective_abi as u32).min(NEWEST as u32),
        _ => 0,
    }
}
