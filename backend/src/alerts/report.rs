//! The figures that a replica sees for each rule, and how the reports of several replicas become one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The most replicas that an alert names.
const NAMED_MAX: usize = 5;

/// The result of a look at one rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    Figure {
        value: f64,
        /// A sentence part for people, with the figure.
        detail: String,
        /// The replicas that see it.
        #[serde(default)]
        replicas: Vec<String>,
    },
    /// The rule does not apply here.
    NotHere,
    /// It could not be looked at.
    #[serde(skip)]
    Unknown,
}

impl Seen {
    #[must_use]
    pub fn figure(value: f64, detail: impl Into<String>) -> Self {
        Self::Figure { value, detail: detail.into(), replicas: Vec::new() }
    }
}

/// The looks of one replica, by rule. A rule that it could not look at is missing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Report {
    pub seen: BTreeMap<String, Seen>,
}

impl Report {
    /// Joins the looks of all replicas at a rule: the worst figure, and who sees one above the threshold. Unknown only if nobody knows.
    #[must_use]
    pub fn of_all(rule: &str, threshold: f64, reports: &[(String, Self)]) -> Seen {
        let mut worst: Option<(f64, &str)> = None;
        let mut replicas = Vec::new();
        let mut is_known = false;
        for (replica, report) in reports {
            match report.seen.get(rule) {
                Some(Seen::Figure { value, detail, .. }) => {
                    if worst.is_none_or(|(known, _)| *value > known) {
                        worst = Some((*value, detail));
                    }
                    if *value > threshold && replicas.len() < NAMED_MAX {
                        replicas.push(replica.clone());
                    }
                }
                Some(Seen::NotHere) => is_known = true,
                Some(Seen::Unknown) | None => {}
            }
        }
        match worst {
            Some((value, detail)) => Seen::Figure { value, detail: detail.to_owned(), replicas },
            None if is_known => Seen::NotHere,
            None => Seen::Unknown,
        }
    }

    /// The report without what could not be looked at, for other replicas.
    #[must_use]
    pub fn known(&self) -> Self {
        let known = self.seen.iter().filter(|(_, seen)| !matches!(seen, Seen::Unknown));
        Self { seen: known.map(|(rule, seen)| (rule.clone(), seen.clone())).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(seen: Seen) -> Report {
        Report { seen: BTreeMap::from([("x".to_owned(), seen)]) }
    }

    #[test]
    fn the_worst_figure_of_all_replicas_counts() {
        let all = [
            ("a".to_owned(), report(Seen::figure(1.0, "one"))),
            ("b".to_owned(), report(Seen::figure(3.0, "three"))),
            ("c".to_owned(), report(Seen::figure(0.0, "none"))),
            ("d".to_owned(), report(Seen::Unknown).known()),
        ];
        let Seen::Figure { value, detail, replicas } = Report::of_all("x", 0.0, &all) else {
            panic!("a figure")
        };
        assert_eq!((value, detail.as_str(), replicas), (3.0, "three", vec!["a".to_owned(), "b".to_owned()]));
        assert!(matches!(Report::of_all("x", 0.0, &all[3..]), Seen::Unknown));
        assert_eq!(Report::of_all("x", 0.0, &[("a".to_owned(), report(Seen::NotHere))]), Seen::NotHere);
        let text = serde_json::to_string(&all[0].1).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), all[0].1);
    }
}
