//! Properties of every stored quote.

use super::*;

/// Words as documents have them: figures with signs and units, negations, several scripts, layout.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[a-z]{2,9}[,.;:!?]{0,1}",
        1 => "[A-Z][a-z]{2,8}",
        2 => "[+−-]{0,1}[1-9][0-9]{0,2}([.,][0-9]{1,3}){0,1}( %|%|²|⁶| °C){0,1}",
        1 => Just("not".to_owned()),
        1 => Just("isn’t".to_owned()),
        1 => Just("kein".to_owned()),
        1 => Just("naïve ef\u{fb01}cient".to_owned()),
        1 => Just("用户不喜欢。".to_owned()),
        1 => Just("non-\nalcoholic".to_owned()),
        1 => Just("\n\n".to_owned()),
        1 => Just("\n".to_owned()),
        1 => Just("by −\n7 %".to_owned()),
        1 => Just("~\n5".to_owned()),
        1 => Just("(12)".to_owned()),
        1 => Just("£5".to_owned()),
    ]
}

fn page() -> impl Strategy<Value = String> {
    prop::collection::vec(word(), 8..60).prop_map(|words| words.join(" "))
}

/// The slice by its offsets, as a consumer of a record cuts it.
fn cut(page: &str, slice: &finding::Slice) -> String {
    page.chars().skip(slice.start as usize).take((slice.end - slice.start) as usize).collect()
}

/// A quote of whole words from `start` on, in characters of `page`.
fn quote_of(page: &str, start: usize, length: usize) -> String {
    let words: Vec<&str> = page.split_whitespace().collect();
    let start = start.min(words.len().saturating_sub(1));
    words[start..(start + length).min(words.len())].join(" ")
}

const DIGITS: &str = "0123456789²⁶";

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn stored_quotes_are_slices(page in page(), other in page(), start in 0usize..60, length in 2usize..14, cited in 1u32..4) {
        let pages = [other.as_str(), page.as_str()];
        let quote = quote_of(&page, start, length);
        let found = find(&pages, &quote, cited);
        if let Some(slice) = &found.slice {
            prop_assert!(found.status.is_verified());
            let text = pages[found.page as usize - 1];
            prop_assert_eq!(&cut(text, slice), &slice.text, "offsets");
            prop_assert!(text.contains(&slice.text));
            prop_assert!(slice.text.chars().count() <= 600.max(quote.chars().count() * 2));
        } else {
            prop_assert!(!found.status.is_verified());
        }
    }

    #[test]
    fn a_typed_slice_is_a_slice(page in page(), start in 0usize..60, length in 4usize..14, at in 0usize..200, letter in "[a-z]") {
        let quote = quote_of(&page, start, length);
        let mut chars: Vec<char> = quote.chars().collect();
        let at = at % chars.len();
        if chars[at].is_ascii_lowercase() {
            chars[at] = letter.chars().next().unwrap();
        }
        let quote: String = chars.into_iter().collect();
        let found = find(&[&page], &quote, 1);
        if let Some(slice) = &found.slice {
            prop_assert_eq!(&cut(&page, slice), &slice.text);
        }
    }

    #[test]
    fn an_altered_digit_is_not_verified(page in page(), start in 0usize..60, length in 3usize..14, at in 0usize..200, to in 0usize..12) {
        let quote = quote_of(&page, start, length);
        let places: Vec<usize> = quote.char_indices().filter(|(_, c)| DIGITS.contains(*c)).map(|(at, _)| at).collect();
        prop_assume!(!places.is_empty());
        let at = places[at % places.len()];
        let new = DIGITS.chars().nth(to).unwrap();
        let old = quote[at..].chars().next().unwrap();
        prop_assume!(new != old);
        let altered = format!("{}{new}{}", &quote[..at], &quote[at + old.len_utf8()..]);
        // The altered words may stand elsewhere on the page.
        prop_assume!(!squeezed(&page).contains(&squeezed(&altered)));
        let found = find(&[&page], &altered, 1);
        prop_assert!(!found.status.is_verified(), "{:?} of {:?}: {:?}", altered, page, found);
    }

    #[test]
    fn a_changed_sign_is_not_verified(before in "[a-z]{4,9} [a-z]{3,8}", number in "[1-9][0-9]{0,2}", after in "[a-z]{4,9} [a-z]{4,9} [a-z]{4,9}", from in 0usize..6, to in 0usize..6) {
        let signs = ["", "-", "+", "±", "~", "£"];
        prop_assume!(from != to);
        let sentence = |sign: &str| format!("{before} {sign}{number} {after}");
        let page = format!("Opening words. {}. Closing words.", sentence(signs[from]));
        let found = find(&[&page], &sentence(signs[to]), 1);
        prop_assert!(!found.status.is_verified(), "{:?} of {:?}", sentence(signs[to]), page);
        let cut = format!("{}{number} {after}", signs[to]);
        let found = find(&[&page], &cut, 1);
        prop_assert!(!found.status.is_verified(), "{:?} of {:?}", cut, page);
    }

    #[test]
    fn a_lost_negation_is_not_verified(before in "[a-z]{4,9} [a-z]{3,8} [a-z]{4,8}", after in "[a-z]{4,9} [a-z]{4,9} [a-z]{4,9}", which in 0usize..12) {
        let negations = ["not", "never", "no", "kein", "nicht", "ne", "pas", "jamais", "sin", "não", "niet", "не"];
        let negation = negations[which];
        prop_assume!(!before.split(' ').chain(after.split(' ')).any(|word| negations.contains(&word)));
        let (with, without) = (format!("{before} {negation} {after}"), format!("{before} {after}"));
        prop_assert!(!find(&[&with], &without, 1).status.is_verified());
        prop_assert!(!find(&[&without], &with, 1).status.is_verified());
    }
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect()
}
