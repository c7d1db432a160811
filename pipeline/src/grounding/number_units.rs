//! The units of numbers: per cent, percentage points, money.

use super::token_reader::is_currency;

/// The unit of a number, if the text states it right beside the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Unit {
    None,
    Percent,
    PercentagePoints,
    /// A sum in the currency of this sign.
    Money(char),
}

/// Currencies by the words and codes for them.
const CURRENCIES: [(&str, char); 16] = [
    ("us$", '$'),
    ("usd", '$'),
    ("dollar", '$'),
    ("eur", '€'),
    ("gbp", '£'),
    ("pound", '£'),
    ("jpy", '¥'),
    ("yen", '¥'),
    ("yuan", '¥'),
    ("cny", '¥'),
    ("inr", '₹'),
    ("rupee", '₹'),
    ("krw", '₩'),
    ("rub", '₽'),
    ("try", '₺'),
    ("ils", '₪'),
];

/// The unit of the number at `at`, before `following`, which is in lower case.
pub(super) fn unit(chars: &[char], at: usize, following: &str) -> Unit {
    let starts = |prefix: &[&str]| prefix.iter().any(|prefix| following.starts_with(prefix));
    if starts(&["percentage point", "percentage-point", "pp ", "%-point", "prozentpunkt"])
        || following == "pp"
    {
        return Unit::PercentagePoints;
    }
    if starts(&["%", "percent", "per cent", "per\ncent", "pct", "prozent", "pour cent", "por ciento", "٪"]) {
        return Unit::Percent;
    }
    let before: String = chars
        .get(..at)
        .unwrap_or_default()
        .iter()
        .rev()
        .take(8)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect();
    let before = before.trim_end().to_lowercase();
    let sign = before.chars().next_back().filter(|c| is_currency(*c));
    let code = || CURRENCIES.iter().find(|(name, _)| before.ends_with(name) && name.len() == 3);
    // `5 million euros`: the scale stands before the currency.
    let scale = ["million", "billion", "thousand", "trillion", "mio.", "mrd.", "mio", "mrd", "bn", "m", "k"];
    let after = scale
        .iter()
        .find_map(|word| following.strip_prefix(word)?.strip_prefix([' ', '.']))
        .unwrap_or(following);
    let after_sign = after.trim_start().chars().next().filter(|c| is_currency(*c));
    let word = || CURRENCIES.iter().find(|(name, _)| after.trim_start().starts_with(name));
    let found = sign.or(after_sign).or_else(|| code().or_else(word).map(|(_, sign)| *sign));
    found.map_or(Unit::None, Unit::Money)
}
