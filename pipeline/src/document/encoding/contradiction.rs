//! Whether bytes contradict the encoding that somebody declared.

use encoding_rs::{Encoding, WINDOWS_1252};

use super::decoded::{Decoded, lost};
use super::detect::Detected;
use super::plausible::score;

/// Whether the bytes contradict their declared encoding.
pub(super) fn contradicts(
    declared: &Decoded,
    label: &'static Encoding,
    detected: &Detected,
    bytes: &[u8],
) -> bool {
    if label.name() == detected.name {
        return false;
    }
    let text = &declared.text;
    let beyond_ascii = text.chars().filter(|c| !c.is_ascii()).count().max(1);
    // A few damaged bytes contradict nothing.
    if lost(text) * 20 > beyond_ascii {
        return true;
    }
    if !label.is_single_byte() {
        return false;
    }
    if text.chars().any(|c| matches!(c, '\u{80}'..='\u{9f}')) {
        return true;
    }
    if !detected.guess.is_single_byte() {
        // In text of a Latin encoding, letters beyond ASCII stand alone, and form no pairs that another encoding knows.
        const PAIRS_MIN: usize = 4;
        let other = detected.guess.decode_without_bom_handling_and_without_replacement(bytes);
        let pairs = other.map_or(0, |text| text.chars().filter(|c| !c.is_ascii()).count());
        return pairs >= PAIRS_MIN && score(text) < 0.5;
    }
    const CHARS_MIN: usize = 8;
    if beyond_ascii < CHARS_MIN {
        return false;
    }
    let ours = score(text);
    // Programs write the label of Western Europe into any page.
    let is_default = label == WINDOWS_1252 && detected.is_other_latin();
    is_default || (ours < 0.2 && detected.score > ours + 0.4) || is_unlikely_latin(text)
}

/// Whether nearly all letters of the words with a letter of Latin-1 are beyond ASCII. No language writes like that: the
/// text is of another script.
fn is_unlikely_latin(text: &str) -> bool {
    let (mut ascii, mut beyond) = (0_usize, 0_usize);
    for word in text.split(|c: char| !c.is_alphabetic()) {
        let letters = word.chars().filter(|c| matches!(c, '\u{c0}'..='\u{24f}')).count();
        if letters > 0 {
            beyond += letters;
            ascii += word.chars().filter(char::is_ascii).count();
        }
    }
    beyond >= 20 && beyond > ascii * 3
}
