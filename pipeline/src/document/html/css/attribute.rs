//! Tests of attributes in selectors, and the names of the attributes that style sheets test.

use super::{reader::Reader, sheet::StyleSheet};

/// A test of an attribute: `[hidden]`, `[data-state="closed" i]`.
#[derive(Debug)]
pub(super) struct AttributeTest {
    name: String,
    value: Option<(Comparison, String)>,
    ignores_case: bool,
}

#[derive(Debug, Clone, Copy)]
enum Comparison {
    Equal,
    /// `~=`: one of its words.
    Word,
    /// `|=`: it, or it and a hyphen.
    Language,
    Start,
    End,
    Within,
}

impl AttributeTest {
    /// Reads what follows an opening bracket.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        reader.skip_blanks();
        let name = reader.name()?.to_ascii_lowercase();
        reader.skip_blanks();
        let comparison = match reader.next()? {
            ']' => return Some(Self { name, value: None, ignores_case: false }),
            '=' => Comparison::Equal,
            mark => {
                let comparison = match mark {
                    '~' => Comparison::Word,
                    '|' => Comparison::Language,
                    '^' => Comparison::Start,
                    '$' => Comparison::End,
                    '*' => Comparison::Within,
                    _ => return None,
                };
                (reader.next()? == '=').then_some(comparison)?
            }
        };
        reader.skip_blanks();
        let value = match reader.peek()? {
            quote @ ('"' | '\'') => {
                reader.next();
                let (value, rest) = reader.rest.split_once(quote)?;
                reader.rest = rest;
                value.to_owned()
            }
            _ => reader.name()?,
        };
        reader.skip_blanks();
        let flag = reader.next()?.to_ascii_lowercase();
        let ignores_case = flag == 'i';
        if matches!(flag, 'i' | 's') {
            reader.skip_blanks();
            (reader.next()? == ']').then_some(())?;
        } else if flag != ']' {
            return None;
        }
        Some(Self { name, value: Some((comparison, value)), ignores_case })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn holds(&self, found: Option<&str>) -> bool {
        let Some(found) = found else { return false };
        let Some((comparison, value)) = &self.value else { return true };
        if self.ignores_case {
            return compare(*comparison, &found.to_lowercase(), &value.to_lowercase());
        }
        compare(*comparison, found, value)
    }
}

fn compare(comparison: Comparison, found: &str, value: &str) -> bool {
    match comparison {
        Comparison::Equal => found == value,
        Comparison::Language => {
            found.strip_prefix(value).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        }
        _ if value.is_empty() => false,
        Comparison::Word => found.split_whitespace().any(|word| word == value),
        Comparison::Start => found.starts_with(value),
        Comparison::End => found.ends_with(value),
        Comparison::Within => found.contains(value),
    }
}

/// The names of the attributes that the style sheets of a page test, in lower case.
pub(in crate::document::html) fn tested_names(source: &str, sheets: &[StyleSheet]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    sheets.iter().for_each(|sheet| add_names(&sheet.text, &mut names));
    let bytes = source.as_bytes();
    let mut from = 0;
    while let Some(start) = next_tag(bytes, from, b"<style") {
        let end = next_tag(bytes, start, b"</style").unwrap_or(bytes.len());
        add_names(source.get(start..end).unwrap_or_default(), &mut names);
        from = end + 1;
    }
    names
}

fn add_names(sheet: &str, names: &mut Vec<String>) {
    /// Real style sheets test about ten. Elements keep what is named here, so the memory must have a bound.
    const NAMES_MAX: usize = 64;
    const NAME_BYTES_MAX: usize = 64;
    for test in sheet.split('[').skip(1) {
        let test = test.trim_start();
        let letters =
            test.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        let name = test.get(..letters.take(NAME_BYTES_MAX).count()).unwrap_or_default().to_ascii_lowercase();
        if !name.is_empty() && !names.contains(&name) && names.len() < NAMES_MAX {
            names.push(name);
        }
    }
}

fn next_tag(bytes: &[u8], from: usize, tag: &[u8]) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let starts = memchr::memchr_iter(b'<', rest);
    starts
        .map(|at| at + from)
        .find(|at| bytes.get(*at..*at + tag.len()).is_some_and(|name| name.eq_ignore_ascii_case(tag)))
}
