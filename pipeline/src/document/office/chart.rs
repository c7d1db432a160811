//! The text of charts: titles, and the numbers that they draw.

use std::collections::BTreeMap;

use super::number_format::NumberFormat;
use crate::document::{
    error::DocumentError,
    xml::{Element, Xml, walk},
};

/// A chart draws hundreds of points; a reader reads fewer.
const POINTS_MAX: usize = 5_000;
const SERIES_MAX: usize = 100;

/// Values by their place.
type Points = BTreeMap<u32, String>;

#[derive(Debug, Default)]
struct Series {
    name: Points,
    /// Categories, from the innermost level to the outermost.
    levels: Vec<Points>,
    values: Points,
}

/// The place of a point that is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    #[default]
    Nowhere,
    Name,
    Category,
    Value,
}

/// The state of the reader.
#[derive(Debug, Default)]
struct Reading {
    title: String,
    axis_titles: Vec<String>,
    series: Vec<Series>,
    points: usize,
    has_legend: bool,
    has_no_title: bool,
    in_axis: bool,
    /// The text of a title, while one is read.
    current_title: Option<String>,
    place: Place,
    in_text: bool,
    point: Option<u32>,
    format: NumberFormat,
    in_format: bool,
    format_code: String,
    value: String,
}

/// The lines of a chart: its title, then a line for each category, with the values as the chart shows them.
pub(in crate::document) fn chart_lines(xml: &str) -> Result<Vec<String>, DocumentError> {
    let mut reading = Reading::default();
    walk(xml, |event| match event {
        Xml::Start(element) => reading.start(&element),
        Xml::End(name) => reading.end(name),
        Xml::Text(text) => reading.text(text),
    })?;
    Ok(reading.lines())
}

impl Reading {
    fn start(&mut self, element: &Element<'_>) {
        match element.name {
            "title" => self.current_title = Some(String::new()),
            "catAx" | "valAx" | "dateAx" | "serAx" | "axis" => self.in_axis = true,
            "legend" => self.has_legend = true,
            "autoTitleDeleted" => self.has_no_title = element.is_on(),
            "ser" | "series" if self.series.len() < SERIES_MAX => self.series.push(Series::default()),
            "tx" if self.current_title.is_none() => self.place = Place::Name,
            "cat" | "xVal" => self.place = Place::Category,
            "val" | "yVal" => self.place = Place::Value,
            // The data of newer charts stand before their series.
            "strDim" => self.new_dimension(Place::Category),
            "numDim" => self.new_dimension(Place::Value),
            "strCache" | "strLit" | "numCache" | "numLit" | "lvl" => {
                self.format = NumberFormat::default();
                if self.place == Place::Category
                    && let Some(series) = self.series.last_mut()
                    && series.levels.len() < 10
                {
                    series.levels.push(Points::new());
                }
            }
            "formatCode" => {
                self.in_format = true;
                self.format_code.clear();
            }
            "pt" => self.point = element.number("idx"),
            "t" | "v" => self.in_text = true,
            "p" => {
                if let Some(title) = &mut self.current_title {
                    title.push(' ');
                }
            }
            _ => {}
        }
        if element.name == "pt" && self.is_new_kind() {
            self.in_text = true;
        }
    }

    /// Charts since 2016 have their values right in the points.
    fn is_new_kind(&self) -> bool {
        self.series.last().is_some_and(|series| series.name.is_empty()) && self.place != Place::Nowhere
    }

    fn new_dimension(&mut self, place: Place) {
        self.place = place;
        if self.series.is_empty() {
            self.series.push(Series::default());
        }
    }

    fn text(&mut self, text: &str) {
        if self.in_format {
            self.format_code.push_str(text);
        } else if !self.in_text {
        } else if let Some(title) = &mut self.current_title {
            title.push_str(text);
        } else {
            self.value.push_str(text);
        }
    }

    fn end(&mut self, name: &str) {
        match name {
            "title" => {
                let title = self.current_title.take().unwrap_or_default();
                let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
                if !self.in_axis {
                    self.title = title;
                } else if !title.is_empty() && self.axis_titles.len() < 8 {
                    self.axis_titles.push(title);
                }
            }
            "catAx" | "valAx" | "dateAx" | "serAx" | "axis" => self.in_axis = false,
            "formatCode" => {
                self.in_format = false;
                self.format = NumberFormat::new(&self.format_code, false);
            }
            "t" | "v" => {
                self.in_text = false;
                // A name that is written out has no point.
                if self.point.is_none() && self.place == Place::Name {
                    self.keep(0);
                }
            }
            "pt" => {
                self.in_text = false;
                if let Some(index) = self.point.take() {
                    self.keep(index);
                }
            }
            "tx" | "cat" | "xVal" | "val" | "yVal" | "strDim" | "numDim" => self.place = Place::Nowhere,
            _ => {}
        }
        if self.place == Place::Nowhere {
            self.value.clear();
        }
    }

    /// Keeps the value of a point.
    fn keep(&mut self, index: u32) {
        let value = std::mem::take(&mut self.value);
        let value = value.trim();
        self.points += 1;
        if value.is_empty() || self.points > POINTS_MAX {
            return;
        }
        let Some(series) = self.series.last_mut() else { return };
        let shown = match value.parse::<f64>() {
            Ok(number) if self.place != Place::Name => self.format.number(number),
            _ => value.to_owned(),
        };
        let points = match self.place {
            Place::Name => Some(&mut series.name),
            Place::Category => series.levels.last_mut(),
            Place::Value => Some(&mut series.values),
            Place::Nowhere => None,
        };
        points.and_then(|points| points.insert(index, shown));
    }

    fn lines(&self) -> Vec<String> {
        let names: Vec<String> = self
            .series
            .iter()
            .map(|series| series.name.values().cloned().collect::<Vec<_>>().join(" "))
            .collect();
        let is_single = self.series.len() == 1;
        let mut lines = Vec::new();
        match names.first() {
            _ if !self.title.is_empty() => lines.push(self.title.clone()),
            // Without a title of its own, a single row gives the chart its name.
            Some(name) if is_single && !self.has_no_title && !name.is_empty() => lines.push(name.clone()),
            _ => {}
        }
        lines.extend(self.axis_titles.iter().cloned());
        let shows_names = !is_single || self.has_legend;
        if shows_names && names.iter().any(|name| !name.is_empty() && !lines.contains(name)) {
            let corner = if is_single { "" } else { "| " };
            lines.push(format!("{corner}{}", names.join(" | ")));
        }
        let separator = if is_single { " " } else { " | " };
        let places: std::collections::BTreeSet<u32> =
            self.series.iter().flat_map(|series| series.values.keys().copied()).collect();
        for place in places {
            let values = self.series.iter().map(|it| it.values.get(&place).cloned().unwrap_or_default());
            let cells = std::iter::once(self.category(place)).chain(values).collect::<Vec<_>>();
            lines.push(cells.join(separator).trim().to_owned());
        }
        lines
    }

    /// The category of a place, with the outer levels before it. An outer one counts until the next.
    fn category(&self, place: u32) -> String {
        let Some(series) = self.series.iter().find(|series| !series.levels.is_empty()) else {
            return String::new();
        };
        let levels = series.levels.iter().enumerate().rev();
        let names = levels.filter_map(|(level, points)| {
            let mut known = points.range(if level == 0 { place..=place } else { 0..=place });
            known.next_back().map(|(_, name)| name.as_str())
        });
        names.collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, values: [&str; 2]) -> String {
        format!(
            "<c:ser><c:tx><c:strRef><c:f>A!$1</c:f><c:strCache><c:pt idx='0'><c:v>{name}</c:v></c:pt></c:strCache>\
             </c:strRef></c:tx><c:cat><c:strRef><c:strCache><c:pt idx='0'><c:v>Oslo</c:v></c:pt><c:pt idx='1'><c:v>\
             Bergen</c:v></c:pt></c:strCache></c:strRef></c:cat><c:val><c:numRef><c:numCache><c:formatCode>0%\
             </c:formatCode><c:pt idx='0'><c:v>{}</c:v></c:pt><c:pt idx='1'><c:v>{}</c:v></c:pt></c:numCache></c:numRef>\
             </c:val></c:ser>",
            values[0], values[1]
        )
    }

    fn chart(title: &str, content: &str) -> String {
        format!(
            "<c:chartSpace><c:chart>{title}<c:plotArea><c:barChart>{content}</c:barChart><c:valAx><c:title><c:tx><c:rich>\
             <a:p><a:r><a:t>Share</a:t></a:r></a:p></c:rich></c:tx></c:title></c:valAx></c:plotArea></c:chart></c:chartSpace>"
        )
    }

    #[test]
    fn one_row_reads_as_words_and_numbers() {
        let title =
            "<c:title><c:tx><c:rich><a:p><a:r><a:t>Refills</a:t></a:r></a:p></c:rich></c:tx></c:title>";
        let xml = chart(title, &series("2026", ["0.42", "0.17"]));
        assert_eq!(chart_lines(&xml).unwrap(), ["Refills", "Share", "Oslo 42%", "Bergen 17%"]);
        let untitled = chart("", &series("2026", ["0.42", "0.17"]));
        assert_eq!(chart_lines(&untitled).unwrap()[0], "2026");
    }

    #[test]
    fn several_rows_become_a_table() {
        let content = [series("2025", ["0.4", "0.1"]), series("2026", ["0.42", "0.17"])].concat();
        let lines = chart_lines(&chart("", &content)).unwrap();
        assert_eq!(lines, ["Share", "| 2025 | 2026", "Oslo | 40% | 42%", "Bergen | 10% | 17%"]);
    }

    #[test]
    fn newer_charts_have_values_in_points() {
        let xml = "<cx:chartSpace><cx:chartData><cx:data id='0'><cx:strDim type='cat'><cx:lvl ptCount='2'><cx:pt idx='0'>\
                   Oslo</cx:pt><cx:pt idx='1'>Bergen</cx:pt></cx:lvl></cx:strDim><cx:numDim type='val'><cx:lvl><cx:pt \
                   idx='0'>42</cx:pt><cx:pt idx='1'>17</cx:pt></cx:lvl></cx:numDim></cx:data></cx:chartData><cx:chart>\
                   <cx:title><cx:tx><cx:txData><cx:v>Refills</cx:v></cx:txData></cx:tx></cx:title></cx:chart></cx:chartSpace>";
        assert_eq!(chart_lines(xml).unwrap(), ["Refills", "Oslo 42", "Bergen 17"]);
    }
}
