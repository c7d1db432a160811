//! Detection of an encoding that nobody names.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{
    Encoding, IBM866, ISO_8859_2, ISO_8859_4, ISO_8859_13, ISO_8859_15, MACINTOSH, WINDOWS_1250,
    WINDOWS_1251, WINDOWS_1252, WINDOWS_1254, WINDOWS_1257, WINDOWS_1258, X_MAC_CYRILLIC,
};

use super::decoded::Decoded;
use super::plausible::score;
use super::tables::CODE_PAGES;

/// The detector looks at so many bytes from the first one that is not ASCII.
const SAMPLE_BYTES: usize = 512 * 1024;
/// Encodings of Latin letters. The detector knows neither those of the Macintosh nor those of DOS.
const LATIN: [&Encoding; 8] = [
    WINDOWS_1252,
    WINDOWS_1250,
    WINDOWS_1254,
    WINDOWS_1257,
    WINDOWS_1258,
    ISO_8859_2,
    ISO_8859_4,
    ISO_8859_13,
];

/// The encoding that bytes suggest, and their text in it.
#[derive(Debug)]
pub(super) struct Detected {
    pub(super) name: &'static str,
    pub(super) text: String,
    /// The plausibility of the text.
    pub(super) score: f64,
    /// The detector's guess. It does not know every encoding.
    pub(super) guess: &'static Encoding,
}

impl Detected {
    /// The text, with a sentence that says how it was found.
    pub(super) fn decoded(self) -> Decoded {
        const SURE: f64 = 0.3;
        Decoded::new(self.text).guessed(self.name, self.score > SURE)
    }

    /// Whether the letters are those of another language with Latin letters than Western Europe's.
    pub(super) fn is_other_latin(&self) -> bool {
        self.name != WINDOWS_1252.name() && LATIN.iter().any(|encoding| encoding.name() == self.name)
    }
}

/// Finds the encoding that bytes suggest.
pub(super) fn detect(bytes: &[u8]) -> Detected {
    let sample = sample(bytes);
    let guess = guess(bytes);
    let guess = if guess == WINDOWS_1252 && is_hungarian(sample) { WINDOWS_1250 } else { guess };
    let guessed = guess.decode_without_bom_handling(sample).0;
    let mut best = (guess.name(), score(&guessed), None);
    for other in others(guess, &guessed) {
        let found = score(&other.decode_without_bom_handling(sample).0);
        if found > best.1 + margin(guess, other) {
            best = (other.name(), found, None);
        }
    }
    if is_latin(guess, &guessed) {
        for page in &CODE_PAGES {
            let found = score(&page.decode(sample));
            if found > best.1 + 0.3 {
                best = (page.name, found, Some(page));
            }
        }
    }
    let (name, score, page) = best;
    let text: Cow<'_, str> = match (page, Encoding::for_label(name.as_bytes())) {
        (Some(page), _) => page.decode(bytes).into(),
        (None, encoding) => encoding.unwrap_or(guess).decode_without_bom_handling(bytes).0,
    };
    Detected { name, text: text.into_owned(), score, guess }
}

/// The encoding that the detector finds.
fn guess(bytes: &[u8]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(sample(bytes), true);
    detector.guess(None, Utf8Detection::Deny)
}

/// The bytes from shortly before the first one that is not ASCII.
fn sample(bytes: &[u8]) -> &[u8] {
    const BEFORE: usize = 256;
    let start = Encoding::ascii_valid_up_to(bytes).saturating_sub(BEFORE);
    let rest = bytes.get(start..).unwrap_or(bytes);
    rest.get(..SAMPLE_BYTES).unwrap_or(rest)
}

/// Encodings that the detector does not know, or does not tell from the one that it found.
fn others(guess: &'static Encoding, guessed: &str) -> Vec<&'static Encoding> {
    let others = if is_latin(guess, guessed) {
        vec![MACINTOSH, ISO_8859_15, WINDOWS_1252]
    } else if guess == WINDOWS_1251 || guess == IBM866 {
        vec![X_MAC_CYRILLIC]
    } else {
        Vec::new()
    };
    others.into_iter().filter(|other| *other != guess).collect()
}

/// Whether the text is in Latin letters: by its encoding, or because the letters beyond ASCII stand among those of ASCII.
fn is_latin(guess: &'static Encoding, guessed: &str) -> bool {
    if LATIN.contains(&guess) {
        return true;
    }
    let (mut words, mut mixed) = (0_usize, 0_usize);
    for word in guessed.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_ascii()) {
        words += 1;
        mixed += usize::from(word.bytes().any(|byte| byte.is_ascii_alphabetic()));
    }
    words == 0 || mixed * 2 > words
}

/// Whether text of Windows-1252 is Hungarian: its ő and ű then appear as õ and û, among vowels that no language with õ or
/// û has together.
fn is_hungarian(sample: &[u8]) -> bool {
    let text = WINDOWS_1252.decode_without_bom_handling(sample).0;
    let has = |letters: &str| text.contains(|c: char| letters.contains(c));
    has("õû") && has("áéíó") && has("öü") && !has("ãçêèàâñôîåøæ")
}

/// How much more plausible another encoding must be than the one that the detector found.
fn margin(guess: &'static Encoding, other: &'static Encoding) -> f64 {
    if other == X_MAC_CYRILLIC {
        // The two differ in capitals and in one letter.
        0.01
    } else if guess == WINDOWS_1252 {
        0.05
    } else {
        // The detector knows the letter pairs of each language. The score here knows none.
        0.15
    }
}
