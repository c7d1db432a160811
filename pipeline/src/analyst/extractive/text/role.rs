//! The role of a text in its document, taken from the heading above it.

/// The role that a heading gives to the text under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// Contents, method, legal notes: not cited.
    Matter,
    Summary,
    Lead,
    Context,
    Case,
    Mechanism,
    Result,
    Reason,
    Counter,
    Outlook,
    /// Text under a sub-heading that no list names.
    Aside,
}

impl Role {
    /// The role with this name in `lexicon/headings.txt`.
    pub(crate) fn named(name: &str) -> Option<Role> {
        Some(match name {
            "matter" => Role::Matter,
            "summary" => Role::Summary,
            "mechanism" => Role::Mechanism,
            "reason" => Role::Reason,
            "counter" => Role::Counter,
            "outlook" => Role::Outlook,
            "case" => Role::Case,
            "result" => Role::Result,
            "context" => Role::Context,
            _ => return None,
        })
    }
}
