//! Refuses secrets that can be guessed.

/// The shortest secret of a deployment, in bytes: half of the output of `openssl rand -hex 16`.
pub(super) const BYTES_MIN: usize = 16;

/// The fewest different bytes. Of 16 random hexadecimal digits, fewer occur once in a thousand keys; of the 64 that
/// `openssl rand -hex 32` prints, practically never.
const DIFFERENT_MIN: usize = 7;

/// Texts of examples and of people in a hurry.
const PLACEHOLDERS: [&str; 8] = [
    "changeme",
    "change-me",
    "change_me",
    "password",
    "your-key",
    "your_key",
    "a-key-of-at-least",
    "replace-me",
];

/// Why a secret is too weak for a deployment. The answer repeats nothing of the secret.
pub(super) fn weakness(secret: &[u8]) -> Option<String> {
    let lower = secret.to_ascii_lowercase();
    let has = |text: &&str| lower.windows(text.len()).any(|window| window == text.as_bytes());
    if secret.len() < BYTES_MIN {
        Some(format!("has a key of fewer than {BYTES_MIN} characters"))
    } else if different(secret) < DIFFERENT_MIN {
        Some(format!("has a key of fewer than {DIFFERENT_MIN} different characters"))
    } else if is_repetition(secret) {
        Some("has a key that repeats a short text".to_owned())
    } else if PLACEHOLDERS.iter().any(has) {
        Some("has a key that is an example or a common word".to_owned())
    } else {
        None
    }
}

fn different(secret: &[u8]) -> usize {
    let mut bytes = secret.to_vec();
    bytes.sort_unstable();
    bytes.dedup();
    bytes.len()
}

/// Whether a text of at most two thirds of the length, repeated, gives the whole.
fn is_repetition(secret: &[u8]) -> bool {
    (1..=secret.len() * 2 / 3)
        .any(|period| secret.iter().zip(secret.iter().skip(period)).all(|(one, other)| one == other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessable_secrets_are_weak() {
        for weak in [
            "",
            "0123456789abcde",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "abababababababababab",
            "1234567890123456",
            "abcdefghijabcdefghij",
            "Password-1234567",
            "please-CHANGE-ME-now-x",
            "a-key-of-at-least-16-characters",
        ] {
            let told = weakness(weak.as_bytes());
            assert!(told.is_some_and(|told| weak.is_empty() || !told.contains(weak)), "{weak}");
        }
        for strong in [
            "0123456789abcdef",
            "fedcba9876543210",
            "9f86d081884c7d659a2feaa0c55ad015",
            "correct horse battery staple",
        ] {
            assert_eq!(weakness(strong.as_bytes()), None, "{strong}");
        }
    }
}
