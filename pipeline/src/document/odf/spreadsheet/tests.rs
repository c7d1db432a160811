use super::*;
use crate::document::archive::tests::zip;

fn cell(attributes: &str, text: &str) -> String {
    format!("<table:table-cell {attributes}><text:p>{text}</text:p></table:table-cell>")
}

#[test]
fn sheets_show_their_cells_and_repeats_are_bounded() {
    let content = format!(
        "<office:document-content><office:body><office:spreadsheet><table:table table:name='Numbers'><table:table-column/>\
         <table:table-column table:visibility='collapse'/><table:table-row>{}{}{}<table:table-cell \
         table:number-columns-repeated='16381'/></table:table-row><table:table-row table:visibility='filter'>{}\
         </table:table-row><table:table-row table:number-rows-repeated='1048574'><table:table-cell \
         table:number-columns-repeated='16384'/></table:table-row></table:table><table:table table:name='More'>\
         <table:table-row table:number-rows-repeated='2000000'>{}</table:table-row></table:table></office:spreadsheet>\
         </office:body></office:document-content>",
        cell("office:value='0.425'", "42.5%"),
        cell("", "hidden column"),
        cell("table:number-columns-repeated='2'", "x"),
        cell("", "filtered"),
        cell("", "again"),
    );
    let document = extract_sheets(&zip(&[("content.xml", content.as_bytes())])).unwrap();
    assert_eq!(document.pages[0].text, "42.5% | x | x");
    assert_eq!(document.pages[0].label.as_deref(), Some("Numbers"));
    assert_eq!(document.pages[1].text.lines().count(), 1_000);
    let hidden: Vec<&str> = document.hidden.iter().map(|it| it.text.as_str()).collect();
    assert_eq!(hidden, ["hidden column", "filtered"]);
    assert_eq!(document.warnings.len(), 2);
}

#[test]
fn values_without_text_are_written_plainly() {
    let cells = "<table:table-cell office:value-type='percentage' office:value='0.425'/><table:table-cell \
                 office:value-type='currency' office:currency='EUR' office:value='9.5'/><table:table-cell \
                 office:value-type='date' office:date-value='2026-01-05'/><table:table-cell office:value-type='float' \
                 office:value='3'/>";
    let content = format!(
        "<o><office:body><table:table><table:table-row>{cells}</table:table-row></table:table></office:body></o>"
    );
    let document = extract_sheets(&zip(&[("content.xml", content.as_bytes())])).unwrap();
    assert_eq!(document.pages[0].text, "42.5% | 9.50 EUR | 2026-01-05 | 3");
}
