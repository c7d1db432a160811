//! Whose runs a caller sees.

use storage::control_plane::Principal;

use super::caller::Caller;

/// The runs that a caller may see and act on. To a caller, any other run is as unknown as one that never was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Those of every principal.
    All,
    /// Those of one principal.
    Of(Principal),
}

impl Scope {
    /// Whether the runs of this principal are among them.
    #[must_use]
    pub fn admits(&self, owner: &Principal) -> bool {
        match self {
            Self::All => true,
            Self::Of(principal) => principal == owner,
        }
    }

    /// The principal to list. A caller who sees all may choose one. None lists all.
    ///
    /// # Errors
    ///
    /// The caller does not see the runs of the chosen principal.
    pub fn narrowed(&self, chosen: Option<Principal>) -> Result<Option<Principal>, NotInScope> {
        match (self, chosen) {
            (Self::All, chosen) => Ok(chosen),
            (Self::Of(own), Some(chosen)) if chosen != *own => Err(NotInScope),
            (Self::Of(own), _) => Ok(Some(own.clone())),
        }
    }
}

/// The caller does not see these runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key with the role client lists the runs of its own principal only")]
pub struct NotInScope;

impl From<&Caller> for Scope {
    fn from(caller: &Caller) -> Self {
        if caller.role.sees_all() { Self::All } else { Self::Of(caller.principal.clone()) }
    }
}

#[cfg(test)]
mod tests {
    use storage::control_plane::Role;

    use super::*;

    #[test]
    fn a_client_lists_only_its_own() {
        let of = |name: &str| Principal::parse(name).unwrap();
        let team = Caller { principal: of("team-a"), ..Caller::environment(Role::Client) };
        let scope = Scope::from(&team);
        assert!(scope.admits(&of("team-a")) && !scope.admits(&Principal::environment()));
        assert_eq!(scope.narrowed(None), Ok(Some(of("team-a"))));
        assert_eq!(scope.narrowed(Some(of("team-b"))), Err(NotInScope));
        for role in [Role::Viewer, Role::Operator, Role::Admin] {
            let scope = Scope::from(&Caller { role, ..team.clone() });
            assert_eq!(scope.narrowed(Some(of("team-b"))), Ok(Some(of("team-b"))));
            assert_eq!(scope.narrowed(None), Ok(None));
        }
    }
}
