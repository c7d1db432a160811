//! Links from an opportunity to entries of the brand's profile.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use crate::{
    brand::{BrandProfile, ProfileField},
    run::shortened,
    stages::brand_contextualization::ProfileLink,
};

/// Shorter texts (in characters) name nothing.
const NAME_CHARS_MIN: usize = 3;

/// Replaces each link by the profile's own entry, and drops links to entries that the profile does not list.
pub(super) fn check(
    item: &str,
    links: &mut Vec<ProfileLink>,
    brand: &BrandProfile,
    warnings: &mut Vec<String>,
) {
    let mut kept: Vec<ProfileLink> = Vec::with_capacity(links.len());
    for link in links.drain(..) {
        match find(&link, brand) {
            Found::Entry(found) => {
                if found.field != link.field {
                    warnings.push(format!(
                        "{item}: {:?} stands in the profile's {}, not in its {}; the link was corrected.",
                        shortened(&found.entry),
                        found.field.name(),
                        link.field.name()
                    ));
                }
                if kept.contains(&found) {
                    warnings
                        .push(format!("{item}: a second link to {:?} was dropped.", shortened(&found.entry)));
                } else {
                    kept.push(found);
                }
            }
            Found::Several => warnings.push(format!(
                "{item}: the link to {:?} was dropped, because several entries of the profile may be meant.",
                shortened(&link.entry)
            )),
            Found::Nothing => warnings.push(format!(
                "{item}: the link to {:?} was dropped, because the profile does not list it.",
                shortened(&link.entry)
            )),
        }
    }
    if kept.is_empty() {
        warnings.push(format!("{item}: no valid link to the brand's profile is left."));
    }
    *links = kept;
}

enum Found {
    Entry(ProfileLink),
    Several,
    Nothing,
}

/// Looks for the whole entry first, then for a part that names it. The named field comes before the others.
fn find(link: &ProfileLink, brand: &BrandProfile) -> Found {
    let wanted = words(&link.entry);
    let others: Vec<ProfileField> =
        ProfileField::ALL.into_iter().filter(|field| *field != link.field).collect();
    for names in [is_same as fn(&[String], &str) -> bool, is_named_by] {
        for fields in [&[link.field][..], &others] {
            let mut matching = fields.iter().flat_map(|field| {
                let entries = brand.entries(*field).iter();
                entries.filter(|entry| names(&wanted, entry)).map(|entry| (*field, entry))
            });
            let Some((field, entry)) = matching.next() else {
                continue;
            };
            // The same text may stand in two fields. It is an entry all the same.
            if matching.any(|(_, another)| words(another) != words(entry)) {
                return Found::Several;
            }
            let entry = entry.clone();
            return Found::Entry(ProfileLink { field, entry });
        }
    }
    Found::Nothing
}

fn is_same(wanted: &[String], entry: &str) -> bool {
    !wanted.is_empty() && words(entry) == wanted
}

/// Whether the words begin the entry, stand in its name, or begin with its name. The name ends at a dash,
/// colon, comma or parenthesis: `Cracker Barrel - cheddar cheese`.
fn is_named_by(wanted: &[String], entry: &str) -> bool {
    if wanted.iter().map(|word| word.chars().count()).sum::<usize>() < NAME_CHARS_MIN {
        return false;
    }
    let name = words(name_part(entry));
    words(entry).starts_with(wanted)
        || name.windows(wanted.len()).any(|part| part == wanted)
        || (name_part(entry).len() < entry.len() && !name.is_empty() && wanted.starts_with(&name))
}

fn name_part(entry: &str) -> &str {
    let end = [" - ", " – ", " — ", ":", "(", ",", ";"]
        .into_iter()
        .filter_map(|separator| entry.find(separator))
        .min();
    end.and_then(|end| entry.get(..end)).unwrap_or(entry)
}

/// A text's words, without case, accents, punctuation and typographic differences.
fn words(text: &str) -> Vec<String> {
    let folded: String = text
        .nfkd()
        .filter(|c| !is_combining_mark(*c) && !matches!(c, '\'' | '’' | '‘' | '`' | '®' | '™' | '\u{ad}'))
        .flat_map(char::to_lowercase)
        .collect();
    folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}
