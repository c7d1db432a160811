//! English words that several parts of the pipeline write or look for.

/// The numbers up to nineteen, each at its own index.
pub(crate) const UP_TO_NINETEEN: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];

/// The multiples of ten from twenty to ninety.
pub(crate) const TENS: [&str; 8] =
    ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

/// The months, from January.
pub(crate) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A number below a hundred in words.
pub(crate) fn below_hundred(number: usize) -> Option<String> {
    if let Some(word) = UP_TO_NINETEEN.get(number) {
        return Some((*word).to_owned());
    }
    let tens = TENS.get((number / 10).checked_sub(2)?)?;
    match number % 10 {
        0 => Some((*tens).to_owned()),
        ones => Some(format!("{tens}-{}", UP_TO_NINETEEN.get(ones)?)),
    }
}
