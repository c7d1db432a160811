//! The language of a text, as far as its words are to be stemmed.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
};

use rust_stemmers::Algorithm;

use super::stems::Stems;

/// Frequent function words by language. They tell the language, and carry no content.
const WORDS: [(Algorithm, &str); 7] = [
    (
        Algorithm::English,
        "the a an and or of to in on at by for with from as is are was were be been being it its this that these \
         those they them their there he she his her we our you your who which what when where how than then so \
         such also into out over about after before between through during because while can could may might must \
         shall should will would do does did done has have had not no more most less least very own same each \
         other another any some all both only just even still yet if but nor up down per via one",
    ),
    (
        Algorithm::German,
        "der die das den dem des ein eine einen einem einer eines und oder von zu im in am an auf für mit aus bei \
         nach vor über unter durch ist sind war waren wird werden wurde wurden hat haben hatte hatten sich es sie \
         er wir ihr ihre ihren dass als wie wenn auch nur noch nicht kein keine mehr sehr so dann diese dieser \
         dieses diesen zum zur um bis",
    ),
    (
        Algorithm::French,
        "le la les un une des du de et ou à au aux en dans sur pour par avec sans est sont était été être a ont \
         avait il elle ils elles on nous vous ce cette ces cet qui que quoi dont où ne pas plus moins très se sa \
         son ses leur leurs comme mais si",
    ),
    (
        Algorithm::Spanish,
        "el la los las un una unos unas de del y o a al en con por para sin es son era fue fueron ser ha han había \
         se su sus que quien como más menos muy no este esta estos estas lo le les pero si",
    ),
    (
        Algorithm::Italian,
        "il lo la i gli le un uno una di del della dei delle e o a al alla in nel nella con per da dal su è sono \
         era stato ha hanno si che chi come più meno molto non questo questa ma se",
    ),
    (
        Algorithm::Portuguese,
        "o a os as um uma de do da dos das e ou em no na nos nas com por para sem é são era foi foram ser tem há \
         se seu sua que quem como mais menos muito não este esta mas",
    ),
    (
        Algorithm::Dutch,
        "de het een en of van in op te voor met door is zijn was waren wordt worden heeft hebben had die dat deze \
         dit er niet geen meer als ook maar aan bij uit om naar over zich",
    ),
];

/// For each function word, one bit for each language that has it.
static FUNCTION_WORDS: LazyLock<HashMap<&'static str, u8>> = LazyLock::new(|| {
    let mut all: HashMap<&'static str, u8> = HashMap::new();
    for (number, (_, words)) in WORDS.iter().enumerate() {
        for word in words.split(' ') {
            *all.entry(word).or_default() |= 1 << number;
        }
    }
    all
});

static LANGUAGES: LazyLock<[Language; WORDS.len()]> = LazyLock::new(|| {
    let mut number = 0;
    WORDS.map(|(algorithm, _)| {
        let language = Language { number, algorithm, stems: Mutex::default() };
        number += 1;
        language
    })
});

/// A language whose words are known.
pub(super) struct Language {
    /// Its place among the languages.
    pub(super) number: usize,
    pub(super) algorithm: Algorithm,
    stems: Mutex<Stems>,
}

impl Language {
    /// The language whose function words the texts hold most; English if they hold none.
    pub(super) fn of<'t>(texts: impl Iterator<Item = &'t str>) -> &'static Self {
        const WORDS_READ: usize = 400;
        let words = texts
            .flat_map(|text| text.split(|c: char| !c.is_alphabetic()))
            .filter(|word| !word.is_empty())
            .take(WORDS_READ);
        let mut counts = [0_usize; WORDS.len()];
        let mut lower = String::new();
        for word in words {
            lower.clear();
            lower.extend(word.chars().flat_map(char::to_lowercase));
            let languages = FUNCTION_WORDS.get(lower.as_str()).copied().unwrap_or_default();
            for (number, count) in counts.iter_mut().enumerate() {
                *count += usize::from(languages >> number & 1);
            }
        }
        let [english, ..] = &*LANGUAGES;
        let mut best = (0, english);
        for (count, language) in counts.into_iter().zip(&*LANGUAGES) {
            if count > best.0 {
                best = (count, language);
            }
        }
        best.1
    }

    /// The stems of the words that were read last, for one sentence.
    pub(super) fn stems(&self) -> MutexGuard<'_, Stems> {
        self.stems.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a word, in lower case, only binds others.
    pub(super) fn is_function_word(&self, word: &str) -> bool {
        FUNCTION_WORDS.get(word).is_some_and(|languages| languages >> self.number & 1 == 1)
    }

    /// Whether nouns are written with a capital letter, so that capitals tell no names.
    pub(super) const fn capitalises_nouns(&self) -> bool {
        matches!(self.algorithm, Algorithm::German)
    }
}
