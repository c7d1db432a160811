//! Compares the runs of a batch: one document, several brands. Code writes it from the records alone.

use super::{
    escape::inline,
    words::{effort, horizon_word},
};
use crate::{
    record::{RecordError, StageRecord},
    run::{RunId, Stage},
    stages::{Effort, Horizon, Lesson, Opportunity, Outputs},
};

/// A run of the batch.
#[derive(Debug, Clone, Copy)]
pub struct ComparedRun<'a> {
    pub run: &'a RunId,
    /// The brand's name for people.
    pub brand: &'a str,
    pub content: Compared<'a>,
}

/// The part of a run in the comparison.
#[derive(Debug, Clone, Copy)]
pub enum Compared<'a> {
    /// The records of stages 3 and 4, in order. Others do no harm.
    Complete(&'a [StageRecord]),
    /// Nothing, and this is the run's state in one word.
    Nothing(&'static str),
}

/// A complete run.
struct Column<'a> {
    brand: String,
    /// Equal for equal lessons.
    lessons_sha256: &'a str,
    outputs: Outputs,
}

/// Writes the comparison. Equal input gives equal text. None if no run is complete.
///
/// # Errors
///
/// [`RecordError::Shape`] if a record's payload does not have the form of its stage's answer.
pub fn render(document: Option<&str>, runs: &[ComparedRun<'_>]) -> Result<Option<String>, RecordError> {
    let mut columns = Vec::new();
    for run in runs {
        if let Compared::Complete(records) = run.content {
            columns.push(Column::new(run.brand, records)?);
        }
    }
    if columns.is_empty() {
        return Ok(None);
    }
    let mut out = format!("# {} for {} brands\n\n", inline(document.unwrap_or("One document")), runs.len());
    opening(&mut out, runs, &columns);
    opportunities(&mut out, &columns);
    shared(&mut out, &columns);
    differences(&mut out, &columns);
    all_runs(&mut out, runs);
    Ok(Some(out))
}

impl<'a> Column<'a> {
    fn new(brand: &str, records: &'a [StageRecord]) -> Result<Self, RecordError> {
        let mut outputs = Outputs::default();
        for record in records {
            outputs.insert(record.output()?);
        }
        let lessons = records.iter().find(|record| record.meta.stage == Stage::GeneralTranslation);
        let lessons_sha256 = lessons.map_or("", |record| record.meta.payload_sha256.as_str());
        Ok(Self { brand: inline(brand), lessons_sha256, outputs })
    }

    /// The ids of the opportunities that use a lesson.
    fn uses(&self, lesson: &str) -> Vec<&str> {
        let using = |one: &&Opportunity| one.lessons.iter().any(|used| used == lesson);
        self.outputs.opportunities().iter().filter(using).map(|one| one.id.as_str()).collect()
    }

    fn count(&self, wanted: impl Fn(&Opportunity) -> bool) -> usize {
        self.outputs.opportunities().iter().filter(|one| wanted(one)).count()
    }
}

fn opening(out: &mut String, runs: &[ComparedRun<'_>], columns: &[Column<'_>]) {
    let count: usize = columns.iter().map(|column| column.outputs.opportunities().len()).sum();
    let (complete, all) = (columns.len(), runs.len());
    out.push_str(&format!("{count} opportunities of {complete} complete runs are compared"));
    out.push_str(&match all - complete {
        0 => ".\n\n".to_owned(),
        1 => "; one run has no report.\n\n".to_owned(),
        missing => format!("; {missing} runs have no report.\n\n"),
    });
}

fn opportunities(out: &mut String, columns: &[Column<'_>]) {
    let width = columns.iter().map(|column| column.outputs.opportunities().len()).max().unwrap_or_default();
    let numbers: Vec<String> = (1..=width).map(|number| format!("O{number}")).collect();
    out.push_str("## Opportunities by brand\n\n");
    table(out, std::iter::once("Brand").chain(numbers.iter().map(String::as_str)));
    for column in columns {
        let cells = (0..width).map(|at| column.outputs.opportunities().get(at).map(cell).unwrap_or_default());
        row(out, std::iter::once(format!("**{}**", column.brand)).chain(cells));
    }
    out.push('\n');
}

fn cell(one: &Opportunity) -> String {
    let lessons: Vec<String> = one.lessons.iter().map(|lesson| inline(lesson)).collect();
    let (effort, horizon) = (effort(one.effort), horizon_word(one.horizon));
    format!("{} ({effort} effort, {horizon}; {})", inline(&one.title), lessons.join(", "))
}

/// The columns that have the same lessons, in the order of their first one.
fn groups<'c, 'a>(columns: &'c [Column<'a>]) -> Vec<Vec<&'c Column<'a>>> {
    let mut groups: Vec<Vec<&Column<'a>>> = Vec::new();
    for column in columns {
        let same = |group: &&mut Vec<&Column<'a>>| {
            group.first().is_some_and(|first| first.lessons_sha256 == column.lessons_sha256)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(column),
            None => groups.push(vec![column]),
        }
    }
    groups
}

fn shared(out: &mut String, columns: &[Column<'_>]) {
    out.push_str("## What the brands share\n\n");
    let groups = groups(columns);
    if groups.len() == 1 {
        out.push_str("All brands build on the same lessons.\n\n");
    } else {
        out.push_str(&format!(
            "The document was read {} times, with different lessons. Brands of one table share theirs.\n\n",
            groups.len()
        ));
    }
    for group in groups {
        let lessons = group.first().map_or(&[][..], |first| first.outputs.lessons());
        table(out, ["Lesson", "Principle", "Used by"]);
        for lesson in lessons {
            let users: Vec<String> = group
                .iter()
                .map(|column| (column, column.uses(&lesson.id)))
                .filter(|(_, uses)| !uses.is_empty())
                .map(|(column, uses)| format!("{} ({})", column.brand, uses.join(", ")))
                .collect();
            let used = if users.is_empty() { "no brand".to_owned() } else { users.join("; ") };
            row(out, [named(lesson), inline(&lesson.principle), used]);
        }
        out.push('\n');
    }
}

fn named(lesson: &Lesson) -> String {
    format!("{} {}", inline(&lesson.id), inline(&lesson.title))
}

fn differences(out: &mut String, columns: &[Column<'_>]) {
    out.push_str("## Differences\n\n");
    table(out, ["Brand", "Now", "Next", "Later", "Low effort", "Medium", "High", "Lessons used"]);
    for column in columns {
        let horizon = |wanted: Horizon| column.count(|one| one.horizon == wanted).to_string();
        let effort = |wanted: Effort| column.count(|one| one.effort == wanted).to_string();
        let all = column.outputs.lessons();
        let used = all.iter().filter(|lesson| !column.uses(&lesson.id).is_empty()).count();
        row(
            out,
            [
                column.brand.clone(),
                horizon(Horizon::Now),
                horizon(Horizon::Next),
                horizon(Horizon::Later),
                effort(Effort::Low),
                effort(Effort::Medium),
                effort(Effort::High),
                format!("{used} of {}", all.len()),
            ],
        );
    }
    out.push('\n');
    for group in groups(columns).into_iter().filter(|group| group.len() > 1) {
        let lessons = group.first().map_or(&[][..], |first| first.outputs.lessons());
        for lesson in lessons {
            let mut users = group.iter().filter(|column| !column.uses(&lesson.id).is_empty());
            if let (Some(only), None) = (users.next(), users.next()) {
                out.push_str(&format!("- Only {} uses {}.\n", only.brand, named(lesson)));
            }
        }
    }
    for column in columns {
        if let Some(context) = &column.outputs.context {
            out.push_str(&format!(
                "- What about {} mattered: {}\n",
                column.brand,
                inline(&context.brand_context)
            ));
        }
    }
    out.push('\n');
}

fn all_runs(out: &mut String, runs: &[ComparedRun<'_>]) {
    out.push_str("## Runs\n\n");
    table(out, ["Brand", "State", "Run"]);
    for run in runs {
        let state = match run.content {
            Compared::Complete(_) => "complete",
            Compared::Nothing(state) => state,
        };
        row(out, [inline(run.brand), state.to_owned(), inline(run.run.as_str())]);
    }
}

fn table<'t>(out: &mut String, titles: impl IntoIterator<Item = &'t str>) {
    let titles: Vec<&str> = titles.into_iter().collect();
    out.push_str(&format!("| {} |\n|{}\n", titles.join(" | "), "---|".repeat(titles.len())));
}

fn row(out: &mut String, cells: impl IntoIterator<Item = String>) {
    out.push_str(&format!("| {} |\n", cells.into_iter().collect::<Vec<_>>().join(" | ")));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        clock::Timestamp,
        testing::{context, example_record, provenance},
    };

    fn records() -> Vec<StageRecord> {
        let record = |stage| example_record(stage, &provenance(), context(Timestamp::default())).unwrap();
        Stage::ALL.into_iter().map(record).collect()
    }

    fn run(text: &str) -> RunId {
        RunId::parse(text).unwrap()
    }

    #[test]
    fn runs_with_equal_lessons_share_a_table() {
        let (ids, records) = ([run("r1"), run("r2"), run("r3")], records());
        let column =
            |at: usize, brand| ComparedRun { run: &ids[at], brand, content: Compared::Complete(&records) };
        let missing = ComparedRun { run: &ids[2], brand: "C", content: Compared::Nothing("failed") };
        let text = render(Some("a|b.pdf"), &[column(0, "A"), column(1, "B <i>"), missing]).unwrap().unwrap();
        assert!(text.starts_with("# a\\|b.pdf for 3 brands\n"), "{text}");
        assert_eq!(text.matches("| Lesson | Principle | Used by |").count(), 1, "{text}");
        for part in ["| **A** | ", "| **B \\<i\\>** | ", "| C | failed | r3 |"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn different_lessons_are_told_apart() {
        let (ids, first) = ([run("r1"), run("r2")], records());
        let mut second = records();
        second[2].meta.payload_sha256 = "another".to_owned();
        second[2].payload["lessons"][0]["title"] = json!("Another lesson");
        let runs = [("A", &first), ("B", &second)];
        let compared: Vec<ComparedRun<'_>> = runs
            .iter()
            .zip(&ids)
            .map(|((brand, records), run)| ComparedRun { run, brand, content: Compared::Complete(records) })
            .collect();
        let text = render(None, &compared).unwrap().unwrap();
        assert_eq!(text.matches("| Lesson | Principle | Used by |").count(), 2, "{text}");
        assert!(text.contains("Another lesson") && !text.contains("- Only "), "{text}");
    }

    #[test]
    fn nothing_complete_makes_no_comparison() {
        let id = run("r1");
        let waiting = ComparedRun { run: &id, brand: "A", content: Compared::Nothing("running") };
        assert_eq!(render(None, &[waiting]).unwrap(), None);
    }
}
