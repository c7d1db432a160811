//! The table that `tesseract` writes: a line for each block, paragraph, line and word of a picture.
//!
//! The engine read a stranger's picture, so its answer is as hostile as the picture.

/// The most words of a page. A dense page of a newspaper has 10,000.
const WORDS_MAX: usize = 30_000;
/// The longest word. Longer ones are rules or patterns that the engine took for letters.
const WORD_CHARS_MAX: usize = 200;
/// The columns: level, page, block, paragraph, line, word, left, top, width, height, confidence, text.
const COLUMNS: usize = 12;
/// The level of a word.
const WORD: u32 = 5;

/// A word with its place in the picture, in pixels.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Word {
    pub(super) block: u32,
    pub(super) paragraph: u32,
    pub(super) line: u32,
    pub(super) left: f32,
    pub(super) top: f32,
    pub(super) right: f32,
    pub(super) bottom: f32,
    /// 0 to 100.
    pub(super) confidence: f32,
    pub(super) text: String,
}

/// The words in the order of reading. None if the bytes are no such table, or hold too many words.
pub(super) fn words(table: &[u8]) -> Option<Vec<Word>> {
    let table = std::str::from_utf8(table).ok()?;
    let mut lines = table.lines();
    // A picture without words has at least the table's head.
    if !lines.next()?.starts_with("level\t") {
        return None;
    }
    let mut words = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        if let Some(word) = word(line)? {
            if words.len() >= WORDS_MAX {
                return None;
            }
            words.push(word);
        }
    }
    Some(words)
}

/// The outer `None` means a line that is no line of the table, the inner one a line without a word.
fn word(line: &str) -> Option<Option<Word>> {
    let mut columns = line.splitn(COLUMNS, '\t');
    let mut number = || columns.next()?.parse::<u32>().ok();
    let level = number()?;
    let (_page, block, paragraph, line, _word) = (number()?, number()?, number()?, number()?, number()?);
    let mut side = || Some(number()? as f32);
    let (left, top, width, height) = (side()?, side()?, side()?, side()?);
    let confidence: f32 = columns.next()?.parse().ok()?;
    let text = columns.next().unwrap_or_default().trim();
    if level != WORD || text.is_empty() || text.chars().nth(WORD_CHARS_MAX).is_some() {
        return Some(None);
    }
    if !confidence.is_finite() {
        return None;
    }
    Some(Some(Word {
        block,
        paragraph,
        line,
        left,
        top,
        right: left + width,
        bottom: top + height,
        confidence,
        text: text.to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n";

    fn read(rows: &str) -> Option<Vec<Word>> {
        words(format!("{HEAD}{rows}").as_bytes())
    }

    #[test]
    fn words_come_with_their_places() {
        let rows =
            "1\t1\t0\t0\t0\t0\t0\t0\t1654\t2339\t-1\t\n5\t1\t2\t1\t3\t1\t10\t20\t30\t8\t96.5\tFa\u{e7}ade,\n";
        let word = Word {
            block: 2,
            paragraph: 1,
            line: 3,
            left: 10.0,
            top: 20.0,
            right: 40.0,
            bottom: 28.0,
            confidence: 96.5,
            text: "Fa\u{e7}ade,".to_owned(),
        };
        assert_eq!(read(rows), Some(vec![word]));
        assert_eq!(read(""), Some(Vec::new()), "a picture without words");
    }

    #[test]
    fn hostile_tables_are_refused() {
        assert_eq!(words(b""), None);
        assert_eq!(words(b"Error during processing.\n"), None);
        assert_eq!(words(&[HEAD.as_bytes(), b"5\t\xff"].concat()), None);
        for row in ["5\t1\t1", "5\t1\t1\t1\t1\t1\t-9\t0\t1\t1\t90\ta", "5\t1\t1\t1\t1\t1\t0\t0\t1\t1\tNaN\ta"]
        {
            assert_eq!(read(row), None, "{row}");
        }
        assert_eq!(read("5\t1\t1\t1\t1\t1\t4294967296\t0\t1\t1\t90\ta"), None);
        let many = "5\t1\t1\t1\t1\t1\t0\t0\t1\t1\t90\ta\n".repeat(WORDS_MAX + 1);
        assert_eq!(read(&many), None);
        let long = format!("5\t1\t1\t1\t1\t1\t0\t0\t1\t1\t90\t{}", "_".repeat(WORD_CHARS_MAX + 1));
        assert_eq!(read(&long), Some(Vec::new()));
    }
}
