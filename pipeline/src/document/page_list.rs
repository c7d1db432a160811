//! Numbers of pages in a sentence.

use std::fmt::Display;

/// The most numbers that a sentence names.
const NAMED_MAX: usize = 5;

/// "Page 3", "Each of pages 3, 5 and 8", "Each of pages 3, 5, 8, 9, 10 and 12 more".
pub(super) fn page_list(numbers: &[impl Display]) -> String {
    let named: Vec<String> = numbers.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    match (numbers.len(), named.split_last()) {
        (_, None) => String::new(),
        (1, Some((only, _))) => format!("Page {only}"),
        (count, Some((last, first))) if count <= NAMED_MAX => {
            format!("Each of pages {} and {last}", first.join(", "))
        }
        (count, Some(_)) => format!("Each of pages {} and {} more", named.join(", "), count - NAMED_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_pages_stay_short() {
        assert_eq!(page_list(&[3]), "Page 3");
        assert_eq!(page_list(&[3, 5]), "Each of pages 3 and 5");
        assert_eq!(page_list(&[1, 2, 3, 4, 5, 6, 7]), "Each of pages 1, 2, 3, 4, 5 and 2 more");
    }
}
