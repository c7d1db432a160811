use super::builder::{Draft, line, page};

/// A document of this page tree, with the pages `10 0 R`, `12 0 R` and `14 0 R`.
fn tree(kids: &str, count: i32) -> Draft {
    let mut draft = page("").object(2, &format!("<< /Type /Pages /Kids [{kids}] /Count {count} >>"));
    for (number, text) in [(10, "A"), (12, "B"), (14, "C")] {
        let content = number + 1;
        let object = format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents {content} 0 R \
             /Resources << /Font << /F1 5 0 R >> >> >>"
        );
        draft = draft.object(number, &object).stream(content, "", line(50.0, 700.0, text).as_bytes());
    }
    draft
}

fn texts(draft: &Draft) -> Vec<String> {
    draft.read().unwrap().pages.into_iter().map(|page| page.text).collect()
}

#[test]
fn a_page_used_twice_counts_twice() {
    assert_eq!(texts(&tree("10 0 R 12 0 R 10 0 R 14 0 R", 4)), ["A", "B", "A", "C"]);
    let branch = tree("20 0 R 10 0 R 20 0 R", 5);
    let branch = branch.object(20, "<< /Type /Pages /Parent 2 0 R /Kids [12 0 R 14 0 R] /Count 2 >>");
    assert_eq!(texts(&branch), ["B", "C", "A", "B", "C"]);
}

#[test]
fn missing_kids_count_if_the_document_counts_them() {
    assert_eq!(texts(&tree("10 0 R null 12 0 R", 3)), ["A", "", "B"]);
    assert_eq!(texts(&tree("10 0 R 99 0 R 12 0 R", 3)), ["A", "", "B"]);
    assert_eq!(texts(&tree("10 0 R 99 0 R 12 0 R", 2)), ["A", "B"]);
}

#[test]
fn broken_counts_and_circles_lose_no_page() {
    for count in [-3, 1, 9] {
        assert_eq!(texts(&tree("10 0 R 12 0 R", count)), ["A", "B"], "{count}");
    }
    let circle = tree("10 0 R 20 0 R 14 0 R", 3);
    let circle = circle.object(20, "<< /Type /Pages /Parent 2 0 R /Kids [12 0 R 2 0 R] /Count 2 >>");
    assert_eq!(texts(&circle), ["A", "B", "C"]);
}

#[test]
fn labels_differ_from_numbers() {
    let labels = "/PageLabels << /Nums [0 << /S /r >> 1 << /P (A-) /S /D >> 2 << /S /D /St 3 >>] >>";
    let document = tree("10 0 R 12 0 R 14 0 R", 3).catalog(labels).read().unwrap();
    let labels: Vec<Option<&str>> = document.pages.iter().map(|page| page.label.as_deref()).collect();
    assert_eq!(labels, [Some("i"), Some("A-1"), None]);
}
