//! The role of a text in its document, as the heading above it tells.

/// What a heading says about the text under it.
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
    /// A sub-heading that no rule knows.
    Aside,
}

impl Role {
    /// The role that `lexicon/headings.txt` calls so.
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
