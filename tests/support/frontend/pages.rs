//! The frontend's pages: what a person sees there of a run. Each reads the rows as literally as the page does
//! (docs/FRONTEND.md, "Which page reads what"), and fails where the page would.

use serde_json::Value;

use super::{Frontend, quoted};

/// A line of the list of runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) run: String,
    pub(crate) status: String,
    /// Shown for a completed run.
    pub(crate) cards: Option<i64>,
    /// Minutes and seconds.
    pub(crate) duration: String,
}

/// A panel of the stages tab.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Panel {
    pub(crate) number: i64,
    pub(crate) name: String,
    pub(crate) status: String,
    /// None while there is nothing.
    pub(crate) content: Option<Value>,
    pub(crate) has_end: bool,
}

/// The report tab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReportTab {
    pub(crate) tracks: [String; 2],
    pub(crate) texts: Vec<String>,
    /// The stages whose text the tab shows as a block of JSON.
    pub(crate) blocks_of_json: Vec<usize>,
}

/// A card of the results page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResultCard {
    pub(crate) number: i64,
    pub(crate) title: String,
    /// In capitals; the general word where there are no tags.
    pub(crate) label: String,
    /// The general sentence where there is no description.
    pub(crate) subtitle: String,
    pub(crate) summary: String,
    pub(crate) opened: String,
}

/// A card of the run's own page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunCard {
    pub(crate) number: i64,
    pub(crate) title: String,
    pub(crate) content: String,
    pub(crate) is_starred: bool,
}

/// The page that launches a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct LaunchPage {
    /// The stage that it takes for the one under way.
    pub(crate) stage: i64,
    pub(crate) trend_title: Option<String>,
    /// As the page cuts them, the first three.
    pub(crate) mechanisms: Vec<String>,
    pub(crate) business_impact: Option<String>,
    pub(crate) transfers_to: Vec<String>,
    pub(crate) sparks: Vec<String>,
    /// Whether it goes on to the results.
    pub(crate) goes_on: bool,
}

pub(crate) const GENERAL_LABEL: &str = "OPPORTUNITY";
pub(crate) const GENERAL_SUBTITLE: &str = "An opportunity";

impl Frontend {
    async fn rows(&self, sql: String) -> Vec<Vec<Option<String>>> {
        self.sql(&sql).await.unwrap_or_else(|| panic!("the frontend's database did not answer: {sql}"))
    }

    async fn stage_rows(&self, run: &str) -> Vec<Vec<String>> {
        let sql = format!(
            r#"SELECT "stageNumber", "stageName", "status"::text, "output", ("completedAt" IS NOT NULL)::text
               FROM "StageOutput" WHERE "runId" = {} ORDER BY "stageNumber""#,
            quoted(run)
        );
        let rows = self.rows(sql).await;
        rows.into_iter().map(|row| row.into_iter().map(Option::unwrap_or_default).collect()).collect()
    }

    /// The list of a user's runs of a company.
    pub(crate) async fn list(&self, clerk_id: &str, company: &str) -> Vec<Listed> {
        let sql = format!(
            r#"SELECT r."id", r."status"::text, (SELECT count(*) FROM "OpportunityCard" c WHERE c."runId" = r."id"),
                 r."duration"
               FROM "PipelineRun" r JOIN "User" u ON u."id" = r."userId"
               WHERE u."clerkId" = {} AND r."companyName" = {} ORDER BY r."createdAt" DESC"#,
            quoted(clerk_id),
            quoted(company)
        );
        let listed = |row: Vec<Option<String>>| {
            let status = row[1].clone().unwrap();
            assert!(["PROCESSING", "COMPLETED", "FAILED", "CANCELLED"].contains(&&*status), "{status}");
            let seconds: i64 = row[3].as_deref().unwrap_or("0").parse().unwrap();
            Listed {
                run: row[0].clone().unwrap(),
                cards: (status == "COMPLETED").then(|| row[2].as_deref().unwrap().parse().unwrap()),
                status,
                duration: match seconds {
                    0 => "N/A".to_owned(),
                    _ => format!("{}m {}s", seconds / 60, seconds % 60),
                },
            }
        };
        self.rows(sql).await.into_iter().map(listed).collect()
    }

    /// The stages tab with every panel opened; an error where the page is replaced by the error page.
    pub(crate) async fn stages_tab(&self, run: &str) -> Result<Vec<Panel>, String> {
        let mut panels = Vec::new();
        for row in self.stage_rows(run).await {
            let content = match row[3].as_str() {
                "" => None,
                text => {
                    let value: Value =
                        serde_json::from_str(text).map_err(|error| format!("stage {}: {error}", row[0]))?;
                    if !value.is_object() {
                        return Err(format!("stage {}: no object", row[0]));
                    }
                    Some(value)
                }
            };
            panels.push(Panel {
                number: row[0].parse().unwrap(),
                name: row[1].clone(),
                status: row[2].clone(),
                content,
                has_end: row[4] == "true",
            });
        }
        Ok(panels)
    }

    /// The report tab; none where there is no row.
    pub(crate) async fn report_tab(&self, run: &str) -> Option<ReportTab> {
        let sql = format!(
            r#"SELECT "selectedTrack", "nonSelectedTrack", "stage1Output", "stage2Output", "stage3Output", "stage4Output",
                 "stage5Output" FROM "InspirationReport" WHERE "runId" = {}"#,
            quoted(run)
        );
        let row = self.rows(sql).await.into_iter().next()?;
        let mut texts = row.into_iter().map(Option::unwrap);
        let tracks = [texts.next()?, texts.next()?];
        let texts: Vec<String> = texts.collect();
        let is_json = |text: &str| text.trim_start().starts_with(['{', '[']);
        let blocks_of_json = (1..).zip(&texts).filter(|(_, text)| is_json(text)).map(|(at, _)| at).collect();
        Some(ReportTab { tracks, texts, blocks_of_json })
    }

    /// The results page: the cards, and whether it warns that some are missing.
    pub(crate) async fn results(&self, run: &str) -> (Vec<ResultCard>, bool) {
        let rows = self.stage_rows(run).await;
        let fifth = rows.iter().find(|row| row[0] == "5").map(|row| row[3].clone()).unwrap_or_default();
        let parsed: Value = serde_json::from_str(&fifth).unwrap_or_default();
        let entries = parsed["opportunities"].as_array().cloned().unwrap_or_default();
        let warns = entries.len() < 5;
        (entries.iter().map(result_card).collect(), warns)
    }

    /// The cards of the run's own page.
    pub(crate) async fn run_cards(&self, run: &str) -> Vec<RunCard> {
        let sql = format!(
            r#"SELECT "number", "title", "content", "isStarred"::text FROM "OpportunityCard" WHERE "runId" = {}
               ORDER BY "number""#,
            quoted(run)
        );
        let card = |row: Vec<Option<String>>| RunCard {
            number: row[0].as_deref().unwrap().parse().unwrap(),
            title: row[1].clone().unwrap(),
            content: row[2].clone().unwrap(),
            is_starred: row[3].as_deref() == Some("true"),
        };
        self.rows(sql).await.into_iter().map(card).collect()
    }

    /// The page that launched the run, as it looks at this moment.
    pub(crate) async fn launch_page(&self, run: &str) -> LaunchPage {
        let status = self.status(run).await.flatten().unwrap_or_default();
        let rows = self.stage_rows(run).await;
        let stage = rows.iter().filter_map(|row| row[0].parse().ok()).max().unwrap_or(0);
        let output = |number: &str| -> Value {
            let row = rows.iter().find(|row| row[0] == number);
            row.and_then(|row| serde_json::from_str(&row[3]).ok()).unwrap_or_default()
        };
        let first = output("1");
        let text = |name: &str| first[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let texts = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
        };
        let entries = output("5")["opportunities"].as_array().cloned().unwrap_or_default();
        LaunchPage {
            stage,
            trend_title: text("trendTitle"),
            mechanisms: text("coreMechanism").map(|text| mechanisms(&text)).unwrap_or_default(),
            business_impact: text("businessImpact"),
            transfers_to: texts(&first["patternTransfersTo"]),
            sparks: entries.iter().map(|entry| entry["title"].as_str().unwrap().to_owned()).collect(),
            goes_on: status == "COMPLETED" && stage == 5,
        }
    }
}

/// At each number before a full stop or a closing parenthesis, else at each hyphen, else at each full stop.
fn mechanisms(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 && rest[digits..].starts_with(['.', ')']) {
            parts.push(String::new());
            rest = rest[digits + 1..].trim_start();
            continue;
        }
        let length = digits.max(rest.chars().next().map_or(1, char::len_utf8));
        parts.last_mut().unwrap().push_str(&rest[..length]);
        rest = &rest[length..];
    }
    parts.retain(|part| !part.is_empty());
    if parts.len() < 2 {
        parts = text.split(['•', '-', '*']).filter(|part| !part.is_empty()).map(str::to_owned).collect();
    }
    if parts.len() < 2 {
        parts = text.split(". ").map(str::to_owned).collect();
    }
    parts.iter().take(3).map(|part| part.trim().to_owned()).collect()
}

fn result_card(entry: &Value) -> ResultCard {
    let markdown = entry["markdown"].as_str().unwrap();
    let parts = markdown.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n"));
    let (front, opened) = parts.unwrap_or(("", markdown));
    let tags = front.lines().find_map(|line| line.strip_prefix("tags: "));
    let label = tags.and_then(|tags| tags.split(',').next()).map(|tag| tag.trim().to_uppercase());
    let paragraph = markdown.split_once("## Description\n\n").and_then(|(_, rest)| rest.split_once("\n\n"));
    let subtitle = paragraph.and_then(|(paragraph, _)| paragraph.split('.').next());
    ResultCard {
        number: entry["number"].as_i64().unwrap(),
        title: entry["title"].as_str().unwrap().to_owned(),
        label: label.unwrap_or_else(|| GENERAL_LABEL.to_owned()),
        subtitle: subtitle.unwrap_or(GENERAL_SUBTITLE).to_owned(),
        summary: entry["description"].as_str().unwrap().to_owned(),
        opened: opened.to_owned(),
    }
}
