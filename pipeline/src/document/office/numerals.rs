//! The numbers of lists, as office programs write them.

use crate::{document::numerals, english};

/// The number in a format of Word or OpenDocument. Formats that are not known count in digits.
pub(in crate::document) fn numeral(number: u32, format: &str) -> String {
    match format {
        "decimalZero" => format!("{number:02}"),
        "upperRoman" | "I" => roman(number),
        "lowerRoman" | "i" => roman(number).to_lowercase(),
        "upperLetter" | "A" => letters(number).to_uppercase(),
        "lowerLetter" | "a" => letters(number),
        "russianLower" => of_alphabet(number, RUSSIAN),
        "russianUpper" => of_alphabet(number, RUSSIAN).to_uppercase(),
        "ordinal" => format!("{number}{}", ordinal_suffix(number)),
        "cardinalText" => capitalised(&in_words(number)),
        "ordinalText" => capitalised(&ordinal_words(number)),
        "hex" => format!("{number:X}"),
        "chicago" => chicago(number),
        "decimalFullWidth" | "decimalFullWidth2" => shifted(number, 0xff10),
        "decimalEnclosedCircle" | "decimalEnclosedCircleChinese" => circled(number),
        "decimalEnclosedFullstop" => format!("{number}."),
        "decimalEnclosedParen" => format!("({number})"),
        "numberInDash" => format!("- {number} -"),
        "hindiNumbers" => shifted(number, 0x966),
        "hindiArabic" | "arabicIndic" => shifted(number, 0x660),
        "thaiNumbers" => shifted(number, 0xe50),
        "aiueo" | "aiueoFullWidth" => of_alphabet(number, AIUEO),
        "iroha" | "irohaFullWidth" => of_alphabet(number, IROHA),
        "ganada" => of_alphabet(number, GANADA),
        "hebrew2" => of_alphabet(number, HEBREW),
        "arabicAlpha" => of_alphabet(number, ARABIC),
        "chineseCounting"
        | "chineseCountingThousand"
        | "japaneseCounting"
        | "taiwaneseCounting"
        | "taiwaneseCountingThousand"
        | "ideographDigital"
        | "japaneseDigitalTenThousand"
        | "taiwaneseDigital"
        | "koreanDigital2" => chinese(number),
        _ => number.to_string(),
    }
}

const RUSSIAN: &str = "абвгдежзиклмнопрстуфхцчшщыэюя";
const AIUEO: &str =
    "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワヲン";
const IROHA: &str =
    "イロハニホヘトチリヌルヲワカヨタレソツネナラムウヰノオクヤマケフコエテアサキユメミシヱヒモセスン";
const GANADA: &str = "가나다라마바사아자차카타파하";
const HEBREW: &str = "אבגדהוזחטיכלמנסעפצקרשת";
const ARABIC: &str = "أبتثجحخدذرزسشصضطظعغفقكلمنهوي";

/// Roman numerals reach 3,999; greater numbers are written in digits.
fn roman(number: u32) -> String {
    if (1..4_000).contains(&number) { numerals::roman(number).to_uppercase() } else { number.to_string() }
}

/// A letter is repeated as often as the alphabet was used up, at most 30 times.
fn letters(number: u32) -> String {
    numerals::repeated_letters(number, 30).unwrap_or_else(|| number.to_string())
}

fn of_alphabet(number: u32, alphabet: &str) -> String {
    let index = number.checked_sub(1).map(|index| index as usize % alphabet.chars().count());
    index.and_then(|index| alphabet.chars().nth(index)).map_or_else(|| number.to_string(), String::from)
}

const fn ordinal_suffix(number: u32) -> &'static str {
    match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    }
}

/// The numbers up to 99 in words. Lists do not count further in words.
fn in_words(number: u32) -> String {
    english::below_hundred(number as usize).unwrap_or_else(|| number.to_string())
}

fn ordinal_words(number: u32) -> String {
    let words = in_words(number);
    let (start, last) = words.rsplit_once('-').map_or(("", words.as_str()), |(start, last)| (start, last));
    let last = match last {
        "one" => "first".to_owned(),
        "two" => "second".to_owned(),
        "three" => "third".to_owned(),
        "five" => "fifth".to_owned(),
        "eight" => "eighth".to_owned(),
        "nine" => "ninth".to_owned(),
        "twelve" => "twelfth".to_owned(),
        tens if tens.ends_with('y') => format!("{}ieth", tens.trim_end_matches('y')),
        other if other.starts_with(|c: char| c.is_ascii_digit()) => {
            format!("{other}{}", ordinal_suffix(number))
        }
        other => format!("{other}th"),
    };
    if start.is_empty() { last } else { format!("{start}-{last}") }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn chicago(number: u32) -> String {
    let index = number.saturating_sub(1);
    let sign = ["*", "\u{2020}", "\u{2021}", "\u{a7}"].get(index as usize % 4).copied().unwrap_or("*");
    sign.repeat((index as usize / 4 + 1).min(10))
}

/// The digits moved to those that begin at `zero`.
fn shifted(number: u32, zero: u32) -> String {
    number
        .to_string()
        .chars()
        .filter_map(|digit| char::from_u32(zero + digit.to_digit(10).unwrap_or_default()))
        .collect()
}

fn circled(number: u32) -> String {
    let circle = match number {
        1..=20 => char::from_u32(0x2460 + number - 1),
        _ => None,
    };
    circle.map_or_else(|| number.to_string(), String::from)
}

/// Chinese numbers up to 99, the way lists count.
fn chinese(number: u32) -> String {
    let digit = |n: u32| "〇一二三四五六七八九".chars().nth(n as usize).map(String::from).unwrap_or_default();
    match number {
        0..=9 => digit(number),
        10..=99 => {
            let tens = if number < 20 { String::new() } else { digit(number / 10) };
            let ones = if number.is_multiple_of(10) { String::new() } else { digit(number % 10) };
            format!("{tens}十{ones}")
        }
        _ => number.to_string().chars().map(|c| digit(c.to_digit(10).unwrap_or_default())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_their_formats() {
        for (number, format, text) in [
            (4, "upperRoman", "IV"),
            (1_999, "lowerRoman", "mcmxcix"),
            (28, "lowerLetter", "bb"),
            (3, "upperLetter", "C"),
            (7, "decimalZero", "07"),
            (22, "ordinal", "22nd"),
            (113, "ordinal", "113th"),
            (21, "cardinalText", "Twenty-one"),
            (40, "ordinalText", "Fortieth"),
            (12, "decimalEnclosedCircle", "\u{246b}"),
            (21, "chineseCounting", "二十一"),
            (2, "russianLower", "б"),
            (0, "upperRoman", "0"),
            (u32::MAX, "lowerLetter", "4294967295"),
            (5, "unheard of", "5"),
        ] {
            assert_eq!(numeral(number, format), text, "{format}");
        }
    }
}
