//! The direction of a change: whether the words around a number say that something rose or fell.

/// A direction of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Direction {
    Up,
    Down,
}

const UP: &[&str] = &[
    "rose",
    "rise",
    "rises",
    "risen",
    "rising",
    "grew",
    "grow",
    "grows",
    "grown",
    "growing",
    "growth",
    "increase",
    "increased",
    "increases",
    "increasing",
    "climbed",
    "climbs",
    "climb",
    "gained",
    "gain",
    "gains",
    "jumped",
    "jump",
    "surged",
    "surge",
    "soared",
    "up",
    "higher",
    "expanded",
    "raised",
    "boosted",
    "improved",
    "doubled",
    "tripled",
    "stieg",
    "stiegen",
    "gestiegen",
    "wuchs",
    "gewachsen",
    "anstieg",
    "wachstum",
    "zunahme",
    "hausse",
    "augmenté",
    "augmentation",
    "aumentó",
    "aumento",
    "creció",
    "crecimiento",
];
const DOWN: &[&str] = &[
    "fell",
    "fall",
    "falls",
    "fallen",
    "falling",
    "decline",
    "declined",
    "declines",
    "declining",
    "decrease",
    "decreased",
    "decreases",
    "decreasing",
    "drop",
    "dropped",
    "drops",
    "dropping",
    "down",
    "lower",
    "lowered",
    "shrank",
    "shrunk",
    "shrink",
    "shrinks",
    "reduced",
    "reduce",
    "reduces",
    "reduction",
    "cut",
    "cuts",
    "cutting",
    "slid",
    "plunged",
    "plummeted",
    "slumped",
    "dipped",
    "halved",
    "contracted",
    "lost",
    "loss",
    "sank",
    "sanken",
    "gesunken",
    "fiel",
    "fielen",
    "gefallen",
    "rückgang",
    "abnahme",
    "baisse",
    "baissé",
    "diminué",
    "diminution",
    "cayó",
    "bajó",
    "disminuyó",
    "descenso",
];
const NEGATIONS: [&str; 8] = ["not", "never", "no", "without", "didn't", "doesn't", "nicht", "kein"];
/// How many words before a number, and after it, may say its direction.
const WORDS_BEFORE: usize = 8;
const WORDS_AFTER: usize = 3;
/// How many characters are read for these words.
const REACH_CHARS: usize = 90;

/// The direction that the words around the number at `start..end` give to it, if they give one.
pub(super) fn around(chars: &[char], start: usize, end: usize) -> Option<Direction> {
    let sign = start.checked_sub(1).and_then(|at| chars.get(at));
    let is_first =
        start.checked_sub(2).and_then(|at| chars.get(at)).is_none_or(|c| !c.is_alphanumeric() && *c != '%');
    match sign {
        Some('+') if is_first => return Some(Direction::Up),
        Some('-') if is_first => return Some(Direction::Down),
        _ => {}
    }
    let before = chars.get(start.saturating_sub(REACH_CHARS)..start).unwrap_or_default();
    let clause_start = before.iter().enumerate().rposition(|(at, c)| {
        matches!(c, ';' | '!' | '?')
            || (*c == '.' && before.get(at + 1).is_none_or(|c| c.is_whitespace()))
            || (*c == '\n' && before.get(at + 1) == Some(&'\n'))
    });
    let clause = before.get(clause_start.map_or(0, |at| at + 1)..).unwrap_or_default();
    let words = words(clause);
    let near: Vec<&String> = words.iter().rev().take(WORDS_BEFORE).collect();
    for (at, word) in near.iter().enumerate() {
        // `up to 8 %` is a limit, but `went up to 8 %` is a change.
        let is_limit = word.as_str() == "up"
            && at.checked_sub(1).and_then(|next| near.get(next)).is_some_and(|next| next.as_str() == "to")
            && !near
                .get(at + 1)
                .is_some_and(|verb| matches!(verb.as_str(), "went" | "go" | "goes" | "gone" | "moved"));
        if let Some(direction) = direction(word).filter(|_| !is_limit) {
            let is_denied = near.iter().skip(at + 1).take(3).any(|word| NEGATIONS.contains(&word.as_str()));
            return (!is_denied).then_some(direction);
        }
    }
    let after: Vec<char> = chars
        .get(end..)
        .unwrap_or_default()
        .iter()
        .take(REACH_CHARS)
        .take_while(|c| !matches!(c, '.' | ',' | ';' | '!' | '?' | '\n'))
        .copied()
        .collect();
    self::words(&after).iter().take(WORDS_AFTER).find_map(|word| direction(word))
}

fn direction(word: &str) -> Option<Direction> {
    if UP.contains(&word) {
        Some(Direction::Up)
    } else if DOWN.contains(&word) {
        Some(Direction::Down)
    } else {
        None
    }
}

fn words(chars: &[char]) -> Vec<String> {
    let text: String = chars.iter().collect::<String>().to_lowercase();
    let words = text.split(|c: char| !c.is_alphabetic() && c != '\'').filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Direction> {
        let chars: Vec<char> = text.chars().collect();
        let start = chars.iter().position(char::is_ascii_digit).unwrap();
        let end = chars.iter().rposition(char::is_ascii_digit).unwrap() + 1;
        around(&chars, start, end)
    }

    #[test]
    fn words_and_signs_give_a_direction() {
        for (text, direction) in [
            ("Sales grew by 12 %", Some(Direction::Up)),
            ("Sales fell sharply, by 12 %", Some(Direction::Down)),
            ("a 12 % decline in sales", Some(Direction::Down)),
            ("Sales: -12 %", Some(Direction::Down)),
            ("Sales: +12 %", Some(Direction::Up)),
            ("Sales rose. It had 12 shops", None),
            ("Sales did not fall by 12 %", None),
            ("from 10-12 shops", None),
            ("up to 12 shops", None),
            ("it went up to 12 shops", Some(Direction::Up)),
        ] {
            assert_eq!(of(text), direction, "{text}");
        }
    }
}
