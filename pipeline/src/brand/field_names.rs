//! The fields of a profile, and how a profile may write them.

use serde_yaml::Spanned;

use super::yaml::Node;

pub(super) type Pairs = [(Spanned<Node>, Spanned<Node>)];

/// The fields that a profile must have. The documentation has this order, and so have problems without a
/// line.
pub(super) const TEXT_FIELDS: [&str; 4] = ["brand_name", "country", "industry", "positioning"];
pub(super) const OPTIONAL_TEXT_FIELD: &str = "tone";
/// The lists, each with its fewest entries. An optional list has 0.
pub(super) const LIST_FIELDS: [(&str, usize); 7] = [
    ("product_portfolio", 3),
    ("target_customers", 2),
    ("recent_innovations", 2),
    ("strategic_priorities", 3),
    ("brand_values", 3),
    ("competitors", 0),
    ("constraints", 0),
];

/// Fields with a second spelling in existing profiles. The standard spelling comes first.
const SPELLINGS: [(&str, &str); 2] = [("brand_name", "company_name"), ("product_portfolio", "portfolio")];

/// The spelling of a field in this profile. If the profile has both, the second is an unknown field.
pub(super) fn written<'n>(name: &'n str, pairs: &Pairs) -> &'n str {
    let second = SPELLINGS.iter().find(|(first, _)| *first == name).map(|(_, second)| *second);
    second.filter(|second| find(name, pairs).is_none() && find(second, pairs).is_some()).unwrap_or(name)
}

pub(super) fn find<'a>(name: &str, pairs: &'a Pairs) -> Option<&'a (Spanned<Node>, Spanned<Node>)> {
    pairs.iter().find(|(key, _)| matches!(&key.value, Node::Text(text) if text == name))
}

pub(super) fn is_known(name: &str, pairs: &Pairs) -> bool {
    SPELLINGS.iter().any(|(first, second)| *second == name && written(first, pairs) == name)
        || TEXT_FIELDS.contains(&name)
        || name == OPTIONAL_TEXT_FIELD
        || LIST_FIELDS.iter().any(|(field, _)| *field == name)
}
