//! The state within a group of RTF.

/// Where the text of a group goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Target {
    #[default]
    Body,
    Note,
    /// The bullet or number of a list item, written for old readers.
    ListMark,
    Title,
    Fonts,
    Styles,
    Nothing,
}

/// The state of a group. The group within begins with a copy.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Group {
    pub(super) target: Target,
    /// So many characters after `\u` stand for the same character, for old readers.
    pub(super) fallback: usize,
    pub(super) font: i32,
    pub(super) is_hidden: bool,
    pub(super) is_deleted: bool,
    /// `\*`: a reader that does not know the next word skips the group.
    pub(super) may_skip: bool,
    pub(super) style: i32,
    pub(super) level: Option<u8>,
    pub(super) in_table: bool,
    pub(super) is_raised: bool,
}

/// Where the text goes after a word that begins a part of the document. `None` if the word begins none.
pub(super) fn target(word: &str) -> Option<Target> {
    Some(match word {
        "fonttbl" => Target::Fonts,
        "stylesheet" => Target::Styles,
        "title" => Target::Title,
        "ftnsep" | "ftnsepc" | "ftncn" | "aftnsep" | "aftnsepc" | "aftncn" => Target::Nothing,
        "footnote" => Target::Note,
        "listtext" | "pntext" => Target::ListMark,
        "shptxt" | "fldrslt" | "result" | "ud" => Target::Body,
        "author" | "operator" | "subject" | "keywords" | "comment" | "doccomm" | "hlinkbase" | "company"
        | "manager" | "category" | "creatim" | "revtim" | "printim" | "buptim" | "vern" | "version" => {
            Target::Nothing
        }
        "colortbl" | "info" | "pict" | "object" | "objdata" | "nonshppict" | "shppict" | "fldinst"
        | "header" | "headerl" | "headerr" | "headerf" | "footer" | "footerl" | "footerr" | "footerf"
        | "annotation" | "atnid" | "atnauthor" | "filetbl" | "revtbl" | "bkmkstart" | "bkmkend" | "xe"
        | "tc" | "rxe" | "template" | "private" | "sp" | "upr" | "listtable" | "themedata" | "datastore"
        | "generator" | "falt" | "panose" => Target::Nothing,
        _ => return None,
    })
}

/// The character that a word stands for.
pub(super) fn character(word: &str) -> Option<char> {
    Some(match word {
        "tab" => '\t',
        "line" | "softline" => '\n',
        "emdash" => '\u{2014}',
        "endash" => '\u{2013}',
        "bullet" => '\u{2022}',
        "lquote" => '\u{2018}',
        "rquote" => '\u{2019}',
        "ldblquote" => '\u{201c}',
        "rdblquote" => '\u{201d}',
        "emspace" | "enspace" | "qmspace" => ' ',
        "zwj" => '\u{200d}',
        "zwnj" => '\u{200c}',
        _ => return None,
    })
}
