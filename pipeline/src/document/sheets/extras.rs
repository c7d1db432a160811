//! The content of a sheet beside its cells: drawings and comments.

use super::drawing::{Piece, pieces};
use crate::document::{
    content::LineRole,
    office::{
        chart::chart_lines,
        diagram::diagram_lines,
        package::{Package, Relationships},
        unread::Unread,
    },
    raw::RawPage,
};

/// Adds the texts and charts of a sheet's drawings to its page, and counts what is not read.
pub(super) fn add(package: &mut Package<'_>, links: &Relationships, page: &mut RawPage, unread: &mut Unread) {
    let drawings: Vec<String> = links.of_kind("drawing").map(|(_, target)| target.to_owned()).collect();
    for drawing in drawings {
        let Some(xml) = package.side_part(&drawing, "a drawing") else { continue };
        let found = pieces(&xml);
        let found = package.sound(found, "a drawing").unwrap_or_default();
        let drawing_links = package.relationships(&drawing);
        for piece in found {
            match piece {
                Piece::Text(text) => page.push("\n\n", &text, LineRole::Text),
                Piece::Picture => unread.pictures += 1,
                Piece::Chart(id) => lines(package, drawing_links.target(&id), true, page),
                Piece::Diagram(id) => lines(package, drawing_links.target(&id), false, page),
            }
        }
    }
    let comments: Vec<String> = links.of_kind("comments").map(|(_, target)| target.to_owned()).collect();
    for target in comments {
        let xml = package.side_part(&target, "the comments").unwrap_or_default();
        unread.comments += xml.matches("<comment ").count() + xml.matches(":comment ").count();
    }
}

fn lines(package: &mut Package<'_>, target: Option<&str>, is_chart: bool, page: &mut RawPage) {
    let what = if is_chart { "a chart" } else { "a diagram" };
    let Some(xml) = target.and_then(|target| package.side_part(target, what)) else { return };
    let lines = if is_chart { chart_lines(&xml) } else { diagram_lines(&xml) };
    for (at, line) in package.sound(lines, what).unwrap_or_default().iter().enumerate() {
        let role = if line.contains(" | ") { LineRole::TableRow } else { LineRole::Text };
        page.push(if at == 0 { "\n\n" } else { "\n" }, line, role);
    }
}
