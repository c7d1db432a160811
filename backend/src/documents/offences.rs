//! The requesters of documents, and the offences of documents that ended or exhausted their readers.

use std::{collections::HashMap, time::Duration};

/// The one on whose behalf a document is read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Requester {
    /// A user of the frontend.
    User(String),
    /// All callers that name no user. They share one turn, because nothing tells them apart.
    Unnamed,
    /// The service itself, for its self-test.
    Service,
}

impl Requester {
    #[must_use]
    pub fn of_user(user: Option<&str>) -> Self {
        user.map_or(Self::Unnamed, |user| Self::User(user.to_owned()))
    }
}

/// An offence counts half after this time.
const HALF_LIFE: Duration = Duration::from_secs(300);

/// One offence may be an accident. From this count on, it is a habit.
const REPEATED: f64 = 1.5;

/// The largest count: a user is trusted again after three half-lives at the latest.
const COUNT_MAX: f64 = 12.0;

/// The most users that are remembered.
const USERS_MAX: usize = 1_000;

/// The recent offences of users.
#[derive(Debug, Default)]
pub(super) struct Offences(HashMap<String, Offence>);

#[derive(Debug, Clone, Copy)]
struct Offence {
    count: f64,
    at: Duration,
}

impl Offence {
    fn count(self, now: Duration) -> f64 {
        let age = now.saturating_sub(self.at).as_secs_f64() / HALF_LIFE.as_secs_f64();
        self.count * 0.5_f64.powf(age)
    }
}

impl Offences {
    /// Notes that a document ended or exhausted its reader. Callers that name no user would suffer for each
    /// other, so theirs are not counted.
    pub(super) fn note(&mut self, requester: &Requester, now: Duration) {
        let Requester::User(user) = requester else { return };
        if self.0.len() >= USERS_MAX && !self.0.contains_key(user) {
            let least = self.0.iter().min_by(|one, other| one.1.count(now).total_cmp(&other.1.count(now)));
            if let Some(least) = least.map(|(user, _)| user.clone()) {
                self.0.remove(&least);
            }
        }
        let known = self.0.get(user).map_or(0.0, |offence| offence.count(now));
        let count = (known + 1.0).min(COUNT_MAX);
        self.0.insert(user.clone(), Offence { count, at: now });
    }

    /// Whether the user's documents end their readers again and again.
    pub(super) fn are_repeated(&self, requester: &Requester, now: Duration) -> bool {
        let Requester::User(user) = requester else { return false };
        self.0.get(user).is_some_and(|offence| offence.count(now) >= REPEATED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> Requester {
        Requester::User(name.to_owned())
    }

    #[test]
    fn one_offence_is_none_and_habits_are_forgiven() {
        let mut offences = Offences::default();
        let at = |seconds| Duration::from_secs(seconds);
        offences.note(&user("a"), at(0));
        assert!(!offences.are_repeated(&user("a"), at(0)));
        offences.note(&user("a"), at(10));
        assert!(offences.are_repeated(&user("a"), at(10)) && !offences.are_repeated(&user("b"), at(10)));
        assert!(!offences.are_repeated(&user("a"), at(10 + 300)));
        for _ in 0..1_000 {
            offences.note(&user("a"), at(1_000));
        }
        assert!(offences.are_repeated(&user("a"), at(1_000 + 2 * 300)));
        assert!(!offences.are_repeated(&user("a"), at(1_001 + 3 * 300)));
    }

    #[test]
    fn callers_without_a_user_are_never_offenders() {
        let mut offences = Offences::default();
        for requester in [Requester::Unnamed, Requester::Service] {
            for _ in 0..10 {
                offences.note(&requester, Duration::ZERO);
            }
            assert!(!offences.are_repeated(&requester, Duration::ZERO));
        }
    }

    #[test]
    fn a_full_memory_forgets_the_least_offender() {
        let mut offences = Offences::default();
        for _ in 0..3 {
            offences.note(&user("worst"), Duration::ZERO);
        }
        for other in 0..USERS_MAX {
            offences.note(&user(&other.to_string()), Duration::ZERO);
        }
        assert_eq!(offences.0.len(), USERS_MAX);
        assert!(offences.are_repeated(&user("worst"), Duration::ZERO));
    }
}
