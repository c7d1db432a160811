use super::*;

const XML: &str = "<w:numbering><w:abstractNum w:abstractNumId='0'><w:lvl w:ilvl='0'><w:start w:val='3'/><w:numFmt \
    w:val='upperRoman'/><w:pStyle w:val='H1'/><w:lvlText w:val='%1.'/></w:lvl><w:lvl w:ilvl='1'><w:numFmt \
    w:val='lowerLetter'/><w:lvlText w:val='%1.%2)'/></w:lvl><w:lvl w:ilvl='2'><w:numFmt w:val='decimal'/><w:isLgl/>\
    <w:lvlText w:val='%1.%2.%3'/></w:lvl></w:abstractNum><w:abstractNum w:abstractNumId='1'><w:lvl w:ilvl='0'>\
    <w:numFmt w:val='bullet'/><w:lvlText w:val='-'/></w:lvl></w:abstractNum><w:num w:numId='1'><w:abstractNumId \
    w:val='0'/></w:num><w:num w:numId='2'><w:abstractNumId w:val='0'/><w:lvlOverride w:ilvl='0'><w:startOverride \
    w:val='1'/></w:lvlOverride></w:num><w:num w:numId='3'><w:abstractNumId w:val='1'/></w:num></w:numbering>";

#[test]
fn levels_count_and_start_anew() {
    let numbering = numbering(XML).unwrap();
    let mut counter = Counter::default();
    let mut next = |id: &str, level| match counter.next(&numbering, id, level) {
        Some(Label::Number(text)) => text.trim_end().to_owned(),
        other => format!("{other:?}"),
    };
    let labels = [
        next("1", 0),
        next("1", 1),
        next("1", 1),
        next("1", 2),
        next("1", 0),
        next("1", 1),
        next("2", 0),
        next("2", 0),
        next("1", 0),
        next("3", 0),
        next("9", 0),
    ];
    assert_eq!(
        labels,
        ["III.", "III.a)", "III.b)", "3.2.1", "IV.", "IV.a)", "I.", "II.", "III.", "Some(Bullet)", "None"]
    );
    assert_eq!(numbering.level_of_style("1", "H1"), Some(0));
}
