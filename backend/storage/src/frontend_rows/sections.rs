//! Cuts the report into its sections.

/// The text below the first heading with this start, up to the next heading of the same or a higher level.
///
/// A report escapes all text from documents, models and profiles, so none of it can form a heading.
pub(super) fn part_below<'r>(report: &'r str, heading: &str) -> Option<&'r str> {
    let level = heading.find(' ')?;
    let ends = |line: &str| line.starts_with('#') && line.find(' ').is_some_and(|marks| marks <= level);
    let mut start = None;
    let mut at = 0;
    for line in report.split_inclusive('\n') {
        if start.is_some() && ends(line) {
            break;
        }
        at += line.len();
        if start.is_none() && line.starts_with(heading) {
            start = Some(at);
        }
    }
    report.get(start?..at).map(str::trim)
}
