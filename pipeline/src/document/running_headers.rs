//! Running headers and footers: lines that repeat on most pages.

use std::collections::{HashMap, HashSet};

use super::content::Page;

/// How many lines at the top and at the bottom of a page may be running headers or footers.
const REACH_LINES: usize = 4;
/// A line that repeats on at least this share of the pages is a running header or footer.
const REPEATS_SHARE: f64 = 0.6;
/// Fewer repeats than this prove nothing.
const REPEATS_MIN: usize = 3;

/// Marks the running headers and footers of every page. Lines that differ only in their digits, such as page
/// numbers, count as equal. Left and right pages may have different lines.
pub(super) fn mark(pages: &mut [Page]) {
    let candidates: Vec<Vec<(usize, String)>> = pages.iter().map(candidates).collect();
    let repeated: HashSet<&str> =
        [None, Some(0), Some(1)].into_iter().flat_map(|parity| repeated(&candidates, parity)).collect();
    let found: Vec<Vec<usize>> = candidates
        .iter()
        .map(|lines| {
            lines.iter().filter(|(_, key)| repeated.contains(key.as_str())).map(|(index, _)| *index).collect()
        })
        .collect();
    for (page, lines) in pages.iter_mut().zip(found) {
        page.running_header_lines = lines;
    }
}

/// Marks the lines at the top and at the bottom that the format itself calls headers and footers.
pub(super) fn mark_edges(page: &mut Page, top: usize, bottom: usize) {
    if top + bottom == 0 {
        return;
    }
    let lines = page.text.lines().enumerate().filter(|(_, line)| !line.is_empty());
    let lines: Vec<usize> = lines.map(|(index, _)| index).collect();
    // A page that is nothing else keeps them as its text.
    if lines.len() <= top + bottom {
        return;
    }
    let edges = lines.iter().take(top).chain(lines.iter().skip(lines.len() - bottom));
    page.running_header_lines.extend(edges);
    page.running_header_lines.sort_unstable();
    page.running_header_lines.dedup();
}

/// The lines near the page's edges, with the keys by which they are compared.
fn candidates(page: &Page) -> Vec<(usize, String)> {
    let lines: Vec<(usize, &str)> =
        page.text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).collect();
    let count = lines.len();
    lines
        .into_iter()
        .enumerate()
        .filter(|(position, _)| *position < REACH_LINES || position + REACH_LINES >= count)
        .map(|(_, (index, line))| (index, key(line)))
        .collect()
}

/// The line in lower case, with every number as `#`.
fn key(line: &str) -> String {
    let mut key = String::with_capacity(line.len());
    for c in line.trim().chars() {
        let c = if c.is_numeric() { '#' } else { c };
        if !(c == '#' && key.ends_with('#')) {
            key.extend(c.to_lowercase());
        }
    }
    key
}

/// The keys that repeat on most pages: of all pages, or of the even or odd ones.
fn repeated(candidates: &[Vec<(usize, String)>], parity: Option<usize>) -> Vec<&str> {
    let mut pages = 0;
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for (place, lines) in candidates.iter().enumerate() {
        if lines.is_empty() || parity.is_some_and(|parity| place % 2 != parity) {
            continue;
        }
        pages += 1;
        let keys: HashSet<&str> = lines.iter().map(|(_, key)| key.as_str()).collect();
        for key in keys {
            *counts.entry(key).or_default() += 1;
        }
    }
    let enough = |count: usize| count >= REPEATS_MIN && count as f64 >= REPEATS_SHARE * f64::from(pages);
    counts.into_iter().filter(|(_, count)| enough(*count)).map(|(key, _)| key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(texts: &[String]) -> Vec<Vec<usize>> {
        let mut pages: Vec<Page> = texts
            .iter()
            .zip(1..)
            .map(|(text, number)| Page { number, text: text.clone(), readable: 1.0, ..Page::default() })
            .collect();
        mark(&mut pages);
        pages.into_iter().map(|page| page.running_header_lines).collect()
    }

    fn page(number: usize, header: &str, footer: &str) -> String {
        let words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"];
        let word = words[number % words.len()];
        format!(
            "{header}\n\nA first line on {word}\nand one more {word}\n\nthen {word}\nnext {word}\nlast {word}\n\n{footer}"
        )
    }

    #[test]
    fn only_headers_and_page_numbers_are_marked() {
        let pages: Vec<String> =
            (1..=6).map(|n| page(n, "Northern Table 2026", &format!("Page {n} of 12"))).collect();
        assert_eq!(marked(&pages), vec![vec![0, 9]; 6]);
    }

    #[test]
    fn left_and_right_pages_may_differ() {
        let pages: Vec<String> = (0..8)
            .map(|n| page(n, if n % 2 == 0 { "Northern Table" } else { "Trend report" }, &n.to_string()))
            .collect();
        assert_eq!(marked(&pages), vec![vec![0, 9]; 8]);
    }

    #[test]
    fn covers_may_lack_headers_two_pages_prove_nothing() {
        let mut pages: Vec<String> = (0..6).map(|n| page(n, "Northern Table", "")).collect();
        pages[0] = "A cover of its own".to_owned();
        let marked_pages = marked(&pages);
        assert_eq!(marked_pages[0], Vec::<usize>::new());
        assert_eq!(marked_pages[1], vec![0]);
        assert_eq!(marked(&pages[4..]), vec![Vec::<usize>::new(); 2]);
    }

    #[test]
    fn declared_headers_are_marked() {
        let mut page = Page { text: "Top\n\na\nb\n\nFoot".to_owned(), ..Page::default() };
        mark_edges(&mut page, 1, 1);
        assert_eq!(page.running_header_lines, [0, 5]);
        let mut only = Page { text: "Top".to_owned(), ..Page::default() };
        mark_edges(&mut only, 1, 0);
        assert!(only.running_header_lines.is_empty());
    }
}
