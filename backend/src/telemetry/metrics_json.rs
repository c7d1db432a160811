//! The metrics as JSON, made of the same text that Prometheus reads: so no metric has two definitions.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

/// One value of a metric.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Sample {
    /// With the suffix of its kind: `_total`, `_bucket`, `_sum`, `_count`, `_info`.
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

/// All values of a text in the OpenMetrics format. Lines that are no samples are left out.
#[must_use]
pub fn samples(text: &str) -> Vec<Sample> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect()
}

fn sample(line: &str) -> Option<Sample> {
    // A label's value may hold a space, so the value is what follows the last one.
    let (name, value) = line.rsplit_once(' ')?;
    let value: f64 = value.parse().ok().filter(|value: &f64| value.is_finite())?;
    let (name, labels) = match name.split_once('{') {
        None => (name, BTreeMap::new()),
        Some((name, labels)) => (name, self::labels(labels.strip_suffix('}')?)),
    };
    Some(Sample { name: name.to_owned(), labels, value })
}

/// The labels of `a="b",c="d"`. A value escapes a quote, a backslash and a line end.
fn labels(text: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once("=\"") {
        let (mut value, mut escaped, mut end) = (String::new(), false, after.len());
        for (index, c) in after.char_indices() {
            match (escaped, c) {
                (true, 'n') => value.push('\n'),
                (true, c) => value.push(c),
                (false, '\\') => {}
                (false, '"') => {
                    end = index;
                    break;
                }
                (false, c) => value.push(c),
            }
            escaped = !escaped && c == '\\';
        }
        labels.insert(name.trim_start_matches(',').to_owned(), value);
        rest = after.get(end + 1..).unwrap_or_default();
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_labels_and_values_are_kept() {
        let text = "# HELP a b\na_total 3\nb{x=\"1 \\\"2\\\"\",le=\"+Inf\"} 0.5\nc NaN\n# EOF\n";
        let all = samples(text);
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].name.as_str(), all[0].value), ("a_total", 3.0));
        assert_eq!(all[1].labels["x"], "1 \"2\"");
        assert_eq!(all[1].labels["le"], "+Inf");
    }
}
