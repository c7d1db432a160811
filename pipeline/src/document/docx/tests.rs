use super::extract;
use crate::document::archive::tests::zip;

fn document(body: &str) -> Vec<u8> {
    let xml = format!("<w:document><w:body>{body}</w:body></w:document>");
    let styles = r#"<w:styles><w:style w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>
        <w:style w:styleId="L"><w:name w:val="List Bullet"/></w:style><w:style w:styleId="T"><w:name w:val="Title"/></w:style></w:styles>"#;
    let notes = r#"<w:footnotes><w:footnote w:type="separator" w:id="0"><w:p><w:r><w:t>no</w:t></w:r></w:p></w:footnote>
        <w:footnote w:id="2"><w:p><w:r><w:t>The note.</w:t></w:r></w:p></w:footnote></w:footnotes>"#;
    zip(&[
        ("word/document.xml", xml.as_bytes()),
        ("word/styles.xml", styles.as_bytes()),
        ("word/footnotes.xml", notes.as_bytes()),
    ])
}

fn p(properties: &str, text: &str) -> String {
    format!("<w:p><w:pPr>{properties}</w:pPr><w:r><w:t xml:space=\"preserve\">{text}</w:t></w:r></w:p>")
}

fn texts(body: &str) -> Vec<String> {
    extract(&document(body)).unwrap().pages.into_iter().map(|page| page.text).collect()
}

#[test]
fn headings_start_sections_and_tables_keep_lines() {
    let heading = r#"<w:pStyle w:val="berschrift1"/>"#;
    let item = "<w:numPr/>";
    let table = "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>b</w:t></w:r></w:p>\
                 </w:tc></w:tr><w:tr><w:tc><w:p><w:r><w:t>c</w:t></w:r></w:p></w:tc><w:tc><w:p/></w:tc></w:tr></w:tbl>";
    let body = [
        p(r#"<w:pStyle w:val="T"/>"#, "The title"),
        p(heading, "First"),
        p(item, "one"),
        p(r#"<w:pStyle w:val="L"/>"#, "two"),
        table.to_owned(),
        p(heading, "Second"),
        p("", "R&amp;D text"),
    ]
    .concat();
    assert_eq!(
        texts(&body),
        ["The title", "First\n\n\u{2022} one\n\u{2022} two\n\na | b\nc | ", "Second\n\nR&D text"]
            .map(str::trim_end)
    );
    assert_eq!(extract(&document(&body)).unwrap().title.as_deref(), Some("The title"));
}

#[test]
fn notes_stand_at_the_end_of_sections() {
    let body = "<w:p><w:r><w:t>Before</w:t><w:footnoteReference w:id=\"2\"/></w:r><w:r><w:br w:type=\"page\"/></w:r>\
                <w:r><w:t>after</w:t></w:r></w:p>";
    assert_eq!(texts(body), ["Before\n\nThe note.", "after"]);
}

#[test]
fn text_boxes_count_once_and_deletions_never() {
    let body = "<w:p><w:r><mc:AlternateContent><mc:Choice><w:txbxContent><w:p><w:r><w:t>Box</w:t></w:r></w:p>\
                </w:txbxContent></mc:Choice><mc:Fallback><w:p><w:r><w:t>Box</w:t></w:r></w:p></mc:Fallback>\
                </mc:AlternateContent></w:r><w:del><w:r><w:delText>gone</w:delText></w:r></w:del>\
                <w:r><w:t>Text</w:t></w:r></w:p>";
    assert_eq!(texts(body), ["Box\n\nText"]);
}

#[test]
fn moves_count_once_and_joined_paragraphs_continue() {
    let body = "<w:p><w:pPr><w:rPr><w:moveFrom/></w:rPr></w:pPr><w:moveFrom><w:r><w:t>Moved.</w:t></w:r></w:moveFrom></w:p>\
                <w:p><w:pPr><w:rPr><w:del/></w:rPr><w:pPrChange><w:pPr><w:pStyle w:val='berschrift1'/></w:pPr></w:pPrChange>\
                </w:pPr><w:r><w:t xml:space='preserve'>One </w:t></w:r></w:p><w:p><w:r><w:t>line.</w:t></w:r></w:p>\
                <w:p><w:moveTo><w:r><w:t>Moved.</w:t></w:r></w:moveTo></w:p>";
    assert_eq!(texts(body), ["One line.\n\nMoved."]);
}

#[test]
fn hidden_text_is_set_apart_with_its_reason() {
    let run =
        |properties: &str, text: &str| format!("<w:r><w:rPr>{properties}</w:rPr><w:t>{text}</w:t></w:r>");
    let body = [
        "<w:p>".to_owned(),
        run("", "Shown"),
        run("<w:vanish/>", "marked"),
        run("<w:vanish w:val='0'/>", " text"),
        run("<w:color w:val='FFFFFF'/>", "white"),
        run("<w:color w:val='FEFEFE'/>", "nearly"),
        run("<w:color w:val='FFFFFF'/><w:shd w:val='clear' w:fill='000000'/>", " on black"),
        run("<w:sz w:val='2'/>", "tiny"),
        "</w:p>".to_owned(),
    ]
    .concat();
    let document = extract(&document(&body)).unwrap();
    assert_eq!(document.pages[0].text, "Shown text on black");
    let hidden: Vec<&str> = document.hidden.iter().map(|it| it.text.as_str()).collect();
    assert_eq!(hidden, ["marked", "whitenearly", "tiny"]);
    assert_eq!(document.warnings.len(), 1);
}

#[test]
fn fields_show_results_and_forms_answers() {
    let body = "<w:p><w:r><w:fldChar w:fldCharType='begin'/></w:r><w:r><w:instrText>REF x</w:instrText></w:r><w:r>\
                <w:fldChar w:fldCharType='begin'/></w:r><w:r><w:t>inner code</w:t></w:r><w:r><w:fldChar \
                w:fldCharType='end'/></w:r><w:r><w:fldChar w:fldCharType='separate'/></w:r><w:r><w:t>Result</w:t></w:r>\
                <w:r><w:fldChar w:fldCharType='end'/></w:r><w:r><w:fldChar w:fldCharType='begin'><w:ffData><w:checkBox>\
                <w:default w:val='0'/><w:checked/></w:checkBox></w:ffData></w:fldChar></w:r><w:r><w:fldChar \
                w:fldCharType='end'/></w:r></w:p><w:p><w:r><w:fldChar w:fldCharType='begin'/></w:r></w:p><w:p><w:r>\
                <w:t>After</w:t></w:r></w:p>";
    assert_eq!(texts(body), ["Result\u{2612}\n\nAfter"]);
}

#[test]
fn signs_formulas_and_exponents_keep_their_meaning() {
    let body = "<w:p><w:r><w:sym w:font='Wingdings' w:char='F0FC'/></w:r><w:r><w:t xml:space='preserve'> 10</w:t></w:r><w:r>\
                <w:rPr><w:vertAlign w:val='superscript'/></w:rPr><w:t>-6</w:t></w:r><m:oMath><m:f><m:num><m:r><m:t>1</m:t>\
                </m:r></m:num><m:den><m:r><m:t>2</m:t></m:r></m:den></m:f><m:d><m:e><m:r><m:t>a</m:t></m:r></m:e></m:d>\
                <m:sSup><m:e><m:r><m:t>x</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup></m:oMath></w:p>";
    assert_eq!(texts(body), ["\u{2713} 10\u{207b}\u{2076}1/2(a)x\u{b2}"]);
}

/// A package with these parts and links beside the main part's body.
fn linked(body: &str, links: &[(&str, &str)], parts: &[(&str, &str)]) -> Vec<u8> {
    let main = format!("<w:document><w:body>{body}</w:body></w:document>");
    let links: String = links
        .iter()
        .map(|(kind, target)| format!("<Relationship Id='{kind}' Type='http://x/{kind}' Target='{target}'/>"))
        .collect();
    let links = format!("<Relationships>{links}</Relationships>");
    let mut all =
        vec![("word/document.xml", main.as_bytes()), ("word/_rels/document.xml.rels", links.as_bytes())];
    all.extend(parts.iter().map(|(name, text)| (*name, text.as_bytes())));
    zip(&all)
}

#[test]
fn headers_and_footers_stand_around_the_text() {
    let paragraph = |text: &str| format!("<w:hdr><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:hdr>");
    let page_number = "<w:ftr><w:p><w:r><w:t>Page </w:t></w:r><w:fldSimple w:instr=' PAGE '><w:r><w:t>3</w:t></w:r>\
                       </w:fldSimple></w:p><w:p><w:r><w:t>The foot</w:t></w:r></w:p></w:ftr>";
    let body = "<w:p><w:r><w:t>Text</w:t></w:r></w:p><w:sectPr><w:headerReference w:type='default' r:id='header'/>\
                <w:headerReference w:type='first' r:id='first'/><w:footerReference r:id='footer'/></w:sectPr>";
    let bytes = linked(
        body,
        &[("header", "h.xml"), ("first", "f.xml"), ("footer", "foot.xml")],
        &[
            ("word/h.xml", &paragraph("The head")),
            ("word/f.xml", &paragraph("unseen")),
            ("word/foot.xml", page_number),
        ],
    );
    let document = extract(&bytes).unwrap();
    assert_eq!(document.pages[0].text, "The head\n\nText\n\nThe foot");
    assert_eq!(document.pages[0].edge_lines, (1, 1));
}

#[test]
fn documents_within_are_read_once_or_named() {
    let body = "<w:p><w:r><w:t>Own</w:t></w:r></w:p><w:altChunk r:id='aFChunk'/><w:altChunk r:id='aFChunk'/>";
    let chunk = ("word/c.htm", "<html><h1>Taken</h1><p>in</p></html>");
    let bytes = linked(body, &[("aFChunk", "c.htm")], &[chunk]);
    assert_eq!(extract(&bytes).unwrap().pages[0].text, "Own\n\nTaken\n\nin");
    let bytes = linked(body, &[("aFChunk", "c.rtf")], &[("word/c.rtf", "{\\rtf1 a}")]);
    assert_eq!(extract(&bytes).unwrap().pages[0].text, "Own\n\na");
    let bytes = linked(body, &[("aFChunk", "c.bin")], &[("word/c.bin", "\u{1}")]);
    assert!(extract(&bytes).unwrap().warnings[0].contains("c.bin"));
    let inner = document("<w:p><w:r><w:t>Inner</w:t></w:r></w:p>");
    let main = format!("<w:document><w:body>{body}</w:body></w:document>");
    let links =
        "<Relationships><Relationship Id='aFChunk' Type='x/aFChunk' Target='/inner.docx'/></Relationships>";
    let bytes = zip(&[
        ("word/document.xml", main.as_bytes()),
        ("word/_rels/document.xml.rels", links.as_bytes()),
        ("inner.docx", &inner),
    ]);
    assert_eq!(extract(&bytes).unwrap().pages[0].text, "Own\n\nInner");
}

#[test]
fn broken_side_parts_are_warnings() {
    let body = "<w:p><w:r><w:t>Sound</w:t></w:r></w:p>";
    let kinds = [("styles", "s.xml"), ("numbering", "n.xml"), ("footnotes", "f.xml"), ("comments", "c.xml")];
    let parts = [
        ("word/s.xml", "<a"),
        ("word/n.xml", "<a><b></a>"),
        ("word/f.xml", "<!DOCTYPE a [<!ENTITY b 'c'>]><a/>"),
    ];
    let document = extract(&linked(body, &kinds, &parts)).unwrap();
    assert_eq!((document.pages[0].text.as_str(), document.warnings.len()), ("Sound", 3));
}

#[test]
fn hidden_rows_are_set_apart() {
    let row = |properties: &str, text: &str| {
        format!(
            "<w:tr><w:trPr>{properties}</w:trPr><w:tc><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:tc></w:tr>"
        )
    };
    let rows = [row("", "seen"), row("<w:hidden/>", "secret"), row("<w:del/>", "gone")].concat();
    let document = extract(&document(&format!("<w:tbl>{rows}</w:tbl>"))).unwrap();
    assert_eq!((document.pages[0].text.as_str(), document.hidden[0].text.as_str()), ("seen", "secret"));
}

#[test]
fn drop_caps_join_their_words() {
    let body =
        [p("<w:framePr w:dropCap='drop' w:lines='3'/>", "R"), p("", "efill counters opened.")].concat();
    assert_eq!(texts(&body), ["Refill counters opened."]);
}

#[test]
fn cells_that_go_on_below_stay_empty() {
    let cell = |properties: &str, text: &str| {
        format!("<w:tc><w:tcPr>{properties}</w:tcPr><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:tc>")
    };
    let rows = [
        [cell("<w:vMerge w:val='restart'/>", "North"), cell("", "41%")],
        [cell("<w:vMerge/>", "kept by Word"), cell("", "22%")],
    ];
    let rows: String = rows.iter().map(|cells| format!("<w:tr>{}</w:tr>", cells.concat())).collect();
    assert_eq!(texts(&format!("<w:tbl>{rows}</w:tbl>")), ["North | 41%\n| 22%"]);
}
