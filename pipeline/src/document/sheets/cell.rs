//! The places of cells: `B3`, `A1:C2`.

use super::grid::Area;

/// The last column of Excel (XFD) and its last row.
const COLUMNS_MAX: u32 = 16_384;
const ROWS_MAX: u32 = 1_048_576;

/// The row and column of a place such as `B3`, from 0.
pub(super) fn place(name: &str) -> Option<(u32, u32)> {
    let name = name.trim().trim_start_matches('$');
    let letters = name.len() - name.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
    let (letters, digits) = name.split_at(letters);
    if letters.is_empty() || letters.len() > 3 {
        return None;
    }
    let column = letters
        .bytes()
        .fold(0_u32, |column, letter| column * 26 + u32::from(letter.to_ascii_uppercase() - b'A') + 1);
    let row: u32 = digits.trim_start_matches('$').parse().ok()?;
    let is_known = (1..=COLUMNS_MAX).contains(&column) && (1..=ROWS_MAX).contains(&row);
    is_known.then(|| (row - 1, column - 1))
}

/// The area of a range such as `A1:C2`.
pub(super) fn area(range: &str) -> Option<Area> {
    let (first, last) = range.split_once(':')?;
    let (first, last) = (place(first)?, place(last)?);
    Some(Area {
        rows: (first.0.min(last.0), first.0.max(last.0)),
        columns: (first.1.min(last.1), first.1.max(last.1)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_letters_and_digits() {
        assert_eq!(place("A1"), Some((0, 0)));
        assert_eq!(place("$xfd$1048576"), Some((1_048_575, 16_383)));
        for wrong in ["", "1", "A", "A0", "XFE1", "ZZZZ1", "A1048577", "\u{e9}1"] {
            assert_eq!(place(wrong), None, "{wrong}");
        }
        assert_eq!(area("B2:A1"), Some(Area { rows: (0, 1), columns: (0, 1) }));
    }
}
