//! Sessions of the console: a person gives a key once, and the browser keeps a signed note of it for some hours.
//!
//! A session is no secret that the service stores. It names the key by a reference, and carries an HMAC under a secret of this
//! service and under the key's digest. So every replica knows it, also while the database is away; it ends with the key; and
//! neither a reader of the database nor a client with a key of the environment can make one.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use chrono::TimeDelta;
use hmac::{Hmac, KeyInit as _, Mac as _};
use parking_lot::Mutex;
use pipeline::clock::{Clock, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use storage::control_plane::KeyDigest;

use super::{caller::Caller, key_ring::KeyRing};
use crate::config::access::AccessConfig;

/// How long a session lasts: a working day.
pub const SESSION_LASTS: Duration = Duration::from_secs(12 * 60 * 60);

/// How many sessions of one key a replica begins before the oldest ends: a person has a few browsers.
const SESSIONS_PER_KEY_MAX: usize = 20;

/// How many ended sessions a replica remembers. Each is forgotten when its time is over anyway.
const ENDED_MAX: usize = 10_000;

/// How far another replica's clock may be ahead.
const CLOCK_SLACK: TimeDelta = TimeDelta::minutes(5);

const PURPOSE: &[u8] = b"innovation console session 1\n";
const VERSION: &str = "1";

/// Begins, checks and ends sessions.
pub struct Sessions {
    ring: Arc<KeyRing>,
    /// Under `KEY_CACHE_SECRET`, or else under all keys of the environment.
    secret: [u8; 32],
    clock: Arc<dyn Clock>,
    known: Mutex<Known>,
}

/// The sessions that this replica has begun and those that it has ended.
#[derive(Debug, Default)]
struct Known {
    /// By the reference of the key, the oldest first.
    begun: HashMap<String, VecDeque<Note>>,
    ended: VecDeque<Note>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Note {
    nonce: String,
    begun_at: Timestamp,
}

/// A session as its text says, before anything is proved.
struct Claimed<'a> {
    reference: &'a str,
    begun_at: Timestamp,
    nonce: &'a str,
    /// Everything that is signed.
    signed: &'a str,
    mac: Vec<u8>,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

impl Sessions {
    #[must_use]
    pub fn new(ring: Arc<KeyRing>, access: &AccessConfig, clock: Arc<dyn Clock>) -> Self {
        let mut hash = Sha256::new_with_prefix(PURPOSE);
        let mut add = |secret: &SecretString| {
            hash.update(Sha256::digest(secret.expose_secret()));
        };
        match &access.key_cache_secret {
            Some(secret) => add(secret),
            None => access.api_keys.iter().chain(&access.admin_keys).for_each(&mut add),
        }
        Self { ring, secret: hash.finalize().into(), clock, known: Mutex::default() }
    }

    /// Begins a session with a key that the ring has just recognised. None if the key has gone meanwhile, or if the session
    /// cannot be signed.
    #[must_use]
    pub fn begin(&self, given: &KeyDigest) -> Option<SecretString> {
        let reference = self.ring.reference_of(given)?;
        let begun_at = self.clock.now();
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        let signed = format!("{VERSION}.{reference}.{}.{nonce}", begun_at.timestamp_millis());
        let mac = self.mac(given, &signed)?.finalize().into_bytes();
        let mac: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();
        self.note(reference, Note { nonce, begun_at });
        Some(SecretString::from(format!("{signed}.{mac}")))
    }

    /// The holder of this session. None if it is not ours, too old or ended, or if its key is no longer valid.
    #[must_use]
    pub fn caller(&self, session: &str) -> Option<Caller> {
        let claimed = claimed(session)?;
        let now = self.clock.now();
        let lasts = TimeDelta::from_std(SESSION_LASTS).ok()?;
        if claimed.begun_at > now + CLOCK_SLACK || now >= claimed.begun_at + lasts {
            return None;
        }
        let (digest, caller) = self.ring.by_reference(claimed.reference)?;
        // The comparison takes constant time.
        self.mac(&digest, claimed.signed)?.verify_slice(&claimed.mac).ok()?;
        let has_ended = self.known.lock().ended.iter().any(|note| note.nonce == claimed.nonce);
        (!has_ended).then_some(caller)
    }

    /// Ends a session on this replica. Its browser forgets it too.
    pub fn end(&self, session: &str) {
        if self.caller(session).is_none() {
            return;
        }
        if let Some(claimed) = claimed(session) {
            let note = Note { nonce: claimed.nonce.to_owned(), begun_at: claimed.begun_at };
            let mut known = self.known.lock();
            if let Some(begun) = known.begun.get_mut(claimed.reference) {
                begun.retain(|one| *one != note);
            }
            known.end(note);
        }
    }

    fn note(&self, reference: String, note: Note) {
        let oldest_at = note.begun_at - TimeDelta::from_std(SESSION_LASTS).unwrap_or_default();
        let mut known = self.known.lock();
        known.ended.retain(|note| note.begun_at > oldest_at);
        known.begun.retain(|_, notes| notes.back().is_some_and(|last| last.begun_at > oldest_at));
        let notes = known.begun.entry(reference).or_default();
        notes.push_back(note);
        let surplus = notes.len().saturating_sub(SESSIONS_PER_KEY_MAX);
        let surplus: Vec<Note> = notes.drain(..surplus).collect();
        surplus.into_iter().for_each(|note| known.end(note));
    }

    fn mac(&self, digest: &KeyDigest, signed: &str) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).ok()?;
        mac.update(PURPOSE);
        mac.update(digest);
        mac.update(signed.as_bytes());
        Some(mac)
    }
}

impl Known {
    fn end(&mut self, note: Note) {
        if self.ended.len() >= ENDED_MAX {
            self.ended.pop_front();
        }
        self.ended.push_back(note);
    }
}

fn claimed(session: &str) -> Option<Claimed<'_>> {
    let (signed, mac) = session.rsplit_once('.')?;
    let mut parts = signed.split('.');
    let (version, reference, begun_at, nonce) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let byte = |index: usize| u8::from_str_radix(mac.get(2 * index..2 * index + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..32).map(byte).collect();
    if version != VERSION || parts.next().is_some() || mac.len() != 64 {
        return None;
    }
    let begun_at = Timestamp::from_timestamp_millis(begun_at.parse().ok()?)?;
    Some(Claimed { reference, begun_at, nonce, signed, mac: bytes? })
}

#[cfg(test)]
mod tests {
    use pipeline::testing::ManualClock;
    use storage::control_plane::Role;

    use super::*;
    use crate::access::key_ring::digest;

    fn access(client: &str, admin: &str) -> AccessConfig {
        let keys = |key: &str| vec![SecretString::from(key.to_owned())];
        AccessConfig { api_keys: keys(client), admin_keys: keys(admin), ..AccessConfig::default() }
    }

    fn sessions(access: &AccessConfig, clock: &Arc<ManualClock>) -> Sessions {
        let ring = Arc::new(KeyRing::new(access, clock.clone()));
        Sessions::new(ring, access, clock.clone())
    }

    #[test]
    fn a_session_holds_on_every_replica_for_hours() {
        let clock = Arc::new(ManualClock::new());
        let access = access("client-key", "admin-key");
        let (one, other) = (sessions(&access, &clock), sessions(&access, &clock));
        let session = one.begin(&digest("admin-key")).unwrap();
        assert_eq!(other.caller(session.expose_secret()).unwrap().role, Role::Admin);
        clock.advance(SESSION_LASTS);
        assert_eq!(other.caller(session.expose_secret()), None, "it is too old");
        assert!(one.begin(&digest("no-key")).is_none());
    }

    #[test]
    fn nobody_else_makes_or_alters_one() {
        let clock = Arc::new(ManualClock::new());
        let ours = sessions(&access("client-key", "admin-key"), &clock);
        let theirs = sessions(&access("client-key", "guessed-key"), &clock);
        let session = ours.begin(&digest("admin-key")).unwrap();
        let text = session.expose_secret();
        let forged = theirs.begin(&digest("guessed-key")).unwrap();
        let reference = text.split('.').nth(1).unwrap();
        let forged = forged.expose_secret().split('.').enumerate();
        let forged: Vec<&str> = forged.map(|(at, part)| if at == 1 { reference } else { part }).collect();
        assert_eq!(ours.caller(&forged.join(".")), None);
        for altered in [
            text.replacen("1.", "2.", 1),
            text[..text.len() - 1].to_owned(),
            format!("{text}0"),
            String::new(),
        ] {
            assert_eq!(ours.caller(&altered), None, "{altered}");
        }
        assert!(!text.contains("admin-key") && !format!("{ours:?}").contains("admin"));
    }

    #[test]
    fn ended_and_surplus_sessions_are_over() {
        let clock = Arc::new(ManualClock::new());
        let ours = sessions(&access("client-key", "admin-key"), &clock);
        let begin = || ours.begin(&digest("admin-key")).unwrap();
        let first = begin();
        ours.end(first.expose_secret());
        assert_eq!(ours.caller(first.expose_secret()), None);
        let many: Vec<SecretString> = (0..=SESSIONS_PER_KEY_MAX).map(|_| begin()).collect();
        let holds = |session: &SecretString| ours.caller(session.expose_secret()).is_some();
        assert!(!holds(&many[0]) && many[1..].iter().all(holds));
    }
}
