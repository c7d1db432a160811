//! The material of a prompt, as an answer uses it: quotes, ids, and entries of lists. Each is read when it is first wanted.

use serde_json::Value;

use super::prompt::{Prompt, Quote};

#[derive(Debug)]
pub(super) struct Material<'a> {
    prompt: &'a Prompt,
    quotes: Option<Vec<Quote>>,
    objects: Option<Vec<Value>>,
}

impl<'a> Material<'a> {
    pub(super) const fn of(prompt: &'a Prompt) -> Self {
        Self { prompt, quotes: None, objects: None }
    }

    pub(super) fn quotes(&mut self) -> &[Quote] {
        let prompt = self.prompt;
        self.quotes.get_or_insert_with(|| prompt.quotes())
    }

    /// One of the quotes; the numbers go round.
    pub(super) fn quote(&mut self, number: usize) -> Option<Quote> {
        let quotes = self.quotes();
        quotes.get(number % quotes.len().max(1)).cloned()
    }

    pub(super) fn objects(&mut self) -> &[Value] {
        let prompt = self.prompt;
        self.objects.get_or_insert_with(|| prompt.objects())
    }

    pub(super) fn words_of(&self, field: &str) -> Vec<String> {
        self.prompt.words_of(field)
    }

    /// The list of this name: the ids of its items, or its entries.
    pub(super) fn references(&mut self, name: &str) -> Vec<String> {
        let listed = self.objects().iter().filter_map(|object| object[name].as_array()).map(|list| {
            let id = |item: &Value| item.as_str().or_else(|| item["id"].as_str()).map(str::to_owned);
            list.iter().filter_map(id).collect::<Vec<_>>()
        });
        listed.into_iter().find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// One of the lists that may be named, and an entry of it.
    pub(super) fn entry(&mut self, lists: &[Value], list: usize, item: usize) -> Option<(Value, String)> {
        let objects = self.objects();
        (0..lists.len()).find_map(|skipped| {
            let name = &lists[(list + skipped) % lists.len()];
            let entries = objects.iter().find_map(|object| object[name.as_str()?].as_array())?;
            let entry = entries.get(item % entries.len().max(1))?.as_str()?;
            Some((name.clone(), entry.to_owned()))
        })
    }
}
