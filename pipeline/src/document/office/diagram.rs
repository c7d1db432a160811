//! The text of SmartArt: its points in the order of their tree.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::document::{
    error::DocumentError,
    xml::{Xml, walk},
};

/// A diagram that people read has tens of points.
const POINTS_MAX: usize = 2_000;

#[derive(Debug, Default)]
struct Reading {
    /// The texts of the points that hold content, in the order of the file.
    points: Vec<(String, String)>,
    /// The children of a point, by their order.
    children: HashMap<String, BTreeMap<(u32, usize), String>>,
    root: Option<String>,
    current: Option<(String, String)>,
    in_text: bool,
    links: usize,
}

/// The lines of a diagram's data, one for each point.
pub(in crate::document) fn diagram_lines(xml: &str) -> Result<Vec<String>, DocumentError> {
    let mut reading = Reading::default();
    walk(xml, |event| match event {
        Xml::Start(element) => match element.name {
            "pt" => {
                let id = element.attribute("modelId").unwrap_or_default();
                match element.attribute("type").as_deref() {
                    None | Some("node" | "asst") => reading.current = Some((id, String::new())),
                    Some("doc") => reading.root = Some(id),
                    Some(_) => reading.current = None,
                }
            }
            "cxn"
                if element.attribute("type").is_none_or(|kind| kind == "parOf")
                    && reading.links < POINTS_MAX =>
            {
                reading.links += 1;
                let order = (element.number("srcOrd").unwrap_or_default(), reading.links);
                if let (Some(from), Some(to)) = (element.attribute("srcId"), element.attribute("destId")) {
                    reading.children.entry(from).or_default().insert(order, to);
                }
            }
            "t" => reading.in_text = element.name == "t",
            "p" | "br" => {
                if let Some((_, text)) = &mut reading.current {
                    text.push(' ');
                }
            }
            _ => {}
        },
        Xml::Text(text) => {
            if reading.in_text
                && let Some((_, own)) = &mut reading.current
            {
                own.push_str(text);
            }
        }
        Xml::End("t") => reading.in_text = false,
        Xml::End("pt") => {
            if reading.points.len() < POINTS_MAX {
                reading.points.extend(reading.current.take());
            }
        }
        Xml::End(_) => {}
    })?;
    Ok(reading.lines())
}

impl Reading {
    /// The points from the root downwards, then those that hang nowhere.
    fn lines(&self) -> Vec<String> {
        let texts: HashMap<&str, &str> =
            self.points.iter().map(|(id, text)| (id.as_str(), text.as_str())).collect();
        let mut seen = HashSet::new();
        let mut order = Vec::new();
        let mut open: Vec<&str> = self.root.iter().map(String::as_str).collect();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            order.push(id);
            if let Some(children) = self.children.get(id) {
                open.extend(children.values().rev().map(String::as_str));
            }
        }
        order.extend(self.points.iter().map(|(id, _)| id.as_str()).filter(|id| !seen.contains(id)));
        let lines = order.iter().filter_map(|id| texts.get(id));
        let lines = lines.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
        lines.filter(|line| !line.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_follow_their_tree() {
        let point = |id: &str, text: &str| {
            format!("<dgm:pt modelId='{id}'><dgm:t><a:p><a:r><a:t>{text}</a:t></a:r></a:p></dgm:t></dgm:pt>")
        };
        let link = |from: &str, to: &str, order: u32| {
            format!("<dgm:cxn modelId='c{to}' srcId='{from}' destId='{to}' srcOrd='{order}'/>")
        };
        let xml = format!(
            "<dgm:dataModel><dgm:ptLst><dgm:pt modelId='0' type='doc'/>{}{}{}<dgm:pt modelId='9' type='pres'><dgm:t><a:p>\
             <a:r><a:t>twice</a:t></a:r></a:p></dgm:t></dgm:pt></dgm:ptLst><dgm:cxnLst>{}{}{}<dgm:cxn type='presOf' \
             srcId='0' destId='9' srcOrd='0'/></dgm:cxnLst></dgm:dataModel>",
            point("2", "Second"),
            point("1", "First"),
            point("3", "Below the first"),
            link("0", "2", 1),
            link("0", "1", 0),
            link("1", "3", 0),
        );
        assert_eq!(diagram_lines(&xml).unwrap(), ["First", "Below the first", "Second"]);
    }

    #[test]
    fn circles_of_points_end() {
        let xml = "<d><pt modelId='a'><t>A</t></pt><pt type='doc' modelId='r'/><cxn srcId='r' destId='a'/>\
                   <cxn srcId='a' destId='r'/></d>";
        assert_eq!(diagram_lines(xml).unwrap(), ["A"]);
    }
}
