use super::*;

fn texts(source: &str) -> Vec<String> {
    let document = extract(source.as_bytes()).unwrap();
    document.pages.into_iter().map(|page| page.text.trim().to_owned()).collect()
}

#[test]
fn letters_come_in_any_form() {
    let source = r"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset204 A;}{\f2\fcharset128 B;}}{\colortbl;\red0;}
\pard Caf\'e9 \u8211- na\u239\'efve \f1\'cf \f2 \'83\'65\'83X \f0{\uc2\u12486 ab}\u-10179?\u-8704?\~\emdash\ldblquote x\rdblquote\par}";
    assert_eq!(texts(source), ["Café – naïve П テス テ\u{1f600}\u{a0}—“x”"]);
}

#[test]
fn structure_stays() {
    let source = r"{\rtf1{\stylesheet{\s1 heading 1;}{\s2\b heading 2;}}{\info{\title The title}{\author A}}
{\header Head}\pard\s1 One\par\pard Text{\footnote\pard Note.} goes on.\par{\listtext\pard 1.\tab}first\par{\pntext\'B7\tab}dot\par
\trowd\pard\intbl a\cell b\cell\row\trowd\pard\intbl c\par d\cell\cell\row\pard\s2 Two\par\pard{\field{\*\fldinst HYPERLINK x}{\fldrslt link}}{\v secret}{\deleted gone} 10{\super 6}{\pict abc} end}";
    let document = extract(source.as_bytes()).unwrap();
    assert_eq!(document.title.as_deref(), Some("The title"));
    let texts: Vec<&str> = document.pages.iter().map(|page| page.text.trim()).collect();
    assert_eq!(
        texts,
        ["One\n\nText goes on.\n\n1. first\n\u{2022} dot\n\na | b\nc d\n\nNote.", "Two\n\nlink 10⁶ end"]
    );
    assert_eq!(document.hidden[0].text, "secret");
    assert_eq!(document.warnings.len(), 2);
}

#[test]
fn damaged_files_end_somewhere() {
    assert_eq!(texts(r"{\rtf1 a\bin99999999999 "), ["a"]);
    assert_eq!(texts(r"{\rtf1 a}}}}b\'zz"), ["abzz"]);
    assert!(matches!(extract("{".repeat(100_000).as_bytes()), Err(DocumentError::Corrupt(_))));
}
