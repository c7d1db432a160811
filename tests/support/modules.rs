//! The module graph of a crate: which file uses which, read from the paths in its code.
//!
//! A path counts in a `use` and anywhere else, if it begins with `crate`, `super`, `self` or the name of a child
//! module. It leads to the file of the last module that it names, so a re-export counts as a use of the parent that
//! re-exports. Code under `#[cfg(test)]` does not count.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::rust_files;

/// A module's path below the crate: `["document", "pdf"]`.
type Module = Vec<String>;

/// The files of one crate, and the files that each of them uses.
pub(crate) struct ModuleGraph {
    uses: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
}

impl ModuleGraph {
    /// Reads the crate whose root is `src/lib.rs`.
    pub(crate) fn read(src: &Path) -> Self {
        let binary = src.join("main.rs");
        let files: BTreeMap<Module, PathBuf> = rust_files(src)
            .into_iter()
            .filter(|path| *path != binary)
            .map(|path| (module_of(src, &path), path))
            .collect();
        let mut uses = BTreeMap::new();
        for (module, path) in &files {
            let text = fs::read_to_string(path).unwrap();
            let tokens: TokenStream =
                text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let mut reader = Reader { files: &files, module: module.clone(), used: BTreeSet::new() };
            reader.block(tokens);
            reader.used.remove(path);
            uses.insert(path.clone(), reader.used);
        }
        Self { uses }
    }

    /// Groups of files that use each other in a circle, each in alphabetical order.
    pub(crate) fn circles(&self) -> Vec<Vec<PathBuf>> {
        let reach: BTreeMap<&PathBuf, BTreeSet<&PathBuf>> =
            self.uses.keys().map(|file| (file, self.reached_from(file))).collect();
        let mut circles: Vec<Vec<PathBuf>> = Vec::new();
        for (file, reached) in &reach {
            let in_circle = |other: &&&PathBuf| reach.get(**other).is_some_and(|back| back.contains(*file));
            let circle: Vec<PathBuf> =
                reached.iter().filter(in_circle).map(|other| (*other).clone()).collect();
            if circle.len() > 1 && !circles.contains(&circle) {
                circles.push(circle);
            }
        }
        circles
    }

    fn reached_from(&self, file: &PathBuf) -> BTreeSet<&PathBuf> {
        let mut reached = BTreeSet::new();
        let mut waiting: Vec<&PathBuf> = self.uses.get(file).into_iter().flatten().collect();
        while let Some(next) = waiting.pop() {
            if reached.insert(next) {
                waiting.extend(self.uses.get(next).into_iter().flatten());
            }
        }
        reached
    }
}

/// `src/document/pdf/mod.rs` and `src/document/pdf.rs` are both the module `document::pdf`.
fn module_of(src: &Path, path: &Path) -> Module {
    let below = path.strip_prefix(src).unwrap().with_extension("");
    let mut names: Module = below.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
    if names.last().is_some_and(|last| last == "mod" || last == "lib") {
        names.pop();
    }
    names
}

/// Reads one file.
struct Reader<'f> {
    files: &'f BTreeMap<Module, PathBuf>,
    /// The module whose code is being read: the file's own, or one that stands in the file.
    module: Module,
    used: BTreeSet<PathBuf>,
}

impl Reader<'_> {
    /// Reads a stretch of code, groups in brackets included.
    fn block(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let rest = &tokens[at..];
            at += match token {
                TokenTree::Punct(_) if is_test_attribute(rest) => 2 + item_length(&tokens[at + 2..]),
                // `pub(in crate::x)` and `impl T + use<'a>` name no module that is used.
                TokenTree::Ident(word) if word == "pub" && rest.get(1).is_some_and(is_parentheses) => 2,
                TokenTree::Ident(word)
                    if word == "use" && !rest.get(1).is_some_and(|next| is_punct(next, '<')) =>
                {
                    1 + self.import(&rest[1..])
                }
                TokenTree::Ident(word) if word == "mod" && inline_module(rest).is_some() => {
                    let (name, code) = inline_module(rest).unwrap();
                    self.module.push(name);
                    self.block(code);
                    self.module.pop();
                    3
                }
                TokenTree::Ident(_) => self.path(&tokens, at),
                TokenTree::Group(group) => {
                    self.block(group.stream());
                    1
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => 1,
            };
        }
    }

    /// Reads a `use` up to its semicolon. Returns how many tokens it has.
    fn import(&mut self, tokens: &[TokenTree]) -> usize {
        let length = tokens.iter().position(|token| is_punct(token, ';')).unwrap_or(tokens.len());
        self.use_tree(&tokens[..length], &[]);
        length
    }

    /// Reads `a::b::{c, d::e as f, self}` below `prefix`.
    fn use_tree(&mut self, tokens: &[TokenTree], prefix: &[String]) {
        // Nothing stands behind a last comma.
        for tree in tokens.split(|token| is_punct(token, ',')).filter(|tree| !tree.is_empty()) {
            let mut path = prefix.to_vec();
            for token in tree {
                match token {
                    TokenTree::Ident(word) if word == "as" => break,
                    // In braces it names the module before them.
                    TokenTree::Ident(word) if word == "self" && !prefix.is_empty() => {}
                    TokenTree::Ident(word) => path.push(word.to_string()),
                    TokenTree::Group(group) => {
                        let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                        self.use_tree(&inner, &std::mem::take(&mut path));
                    }
                    TokenTree::Punct(_) | TokenTree::Literal(_) => {}
                }
            }
            self.resolve(&path);
        }
    }

    /// Reads a path in an expression or type. Returns how many tokens it has.
    fn path(&mut self, tokens: &[TokenTree], at: usize) -> usize {
        let mut path = Vec::new();
        let mut end = at;
        while let Some(TokenTree::Ident(word)) = tokens.get(end) {
            path.push(word.to_string());
            let goes_on = tokens.get(end + 1).is_some_and(|token| is_punct(token, ':'))
                && tokens.get(end + 2).is_some_and(|token| is_punct(token, ':'));
            end += if goes_on { 3 } else { 1 };
            if !goes_on {
                break;
            }
        }
        let before = at.checked_sub(1).and_then(|before| tokens.get(before));
        let is_a_part = before.is_some_and(|token| is_punct(token, ':') || is_punct(token, '.'));
        if path.len() > 1 && !is_a_part {
            self.resolve(&path);
        }
        end - at
    }

    /// Notes the file of the last module that a path names. A path that begins outside of the crate names none.
    fn resolve(&mut self, path: &[String]) {
        let Some(first) = path.first() else { return };
        let mut module = self.module.clone();
        let mut names = path;
        match first.as_str() {
            "crate" => {
                module.clear();
                names = &names[1..];
            }
            "self" | "super" => {
                while let Some(step) = names.first().filter(|name| *name == "self" || *name == "super") {
                    if step == "super" {
                        module.pop();
                    }
                    names = &names[1..];
                }
            }
            child => {
                if !self.files.contains_key(&below(&module, child)) {
                    return;
                }
            }
        }
        for name in names {
            let child = below(&module, name);
            if !self.files.contains_key(&child) {
                break;
            }
            module = child;
        }
        // A module that stands in a file belongs to that file.
        while !self.files.contains_key(&module) && !module.is_empty() {
            module.pop();
        }
        self.used.extend(self.files.get(&module).cloned());
    }
}

fn below(module: &Module, name: &str) -> Module {
    module.iter().cloned().chain([name.to_owned()]).collect()
}

fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}

fn is_parentheses(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis)
}

/// Whether the tokens begin with `#[cfg(test)]`, or with another `cfg` that names `test`.
fn is_test_attribute(tokens: &[TokenTree]) -> bool {
    let [hash, TokenTree::Group(attribute), ..] = tokens else { return false };
    let words: Vec<String> =
        attribute.to_string().split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect();
    let names = |word: &str| words.iter().any(|other| other == word);
    let is_attribute = is_punct(hash, '#') && attribute.delimiter() == Delimiter::Bracket;
    is_attribute && names("cfg") && names("test") && !names("not")
}

/// How many tokens the item has that follows an attribute: up to its body, its semicolon or its comma.
fn item_length(tokens: &[TokenTree]) -> usize {
    let ends = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        other => is_punct(other, ';') || is_punct(other, ','),
    };
    tokens.iter().position(ends).map_or(tokens.len(), |end| end + 1)
}

/// The name and the code of `mod name { … }`.
fn inline_module(tokens: &[TokenTree]) -> Option<(String, TokenStream)> {
    match tokens {
        [_, TokenTree::Ident(name), TokenTree::Group(body), ..] => Some((name.to_string(), body.stream())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The circles of a crate with these files, by name.
    fn circles(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let name = |path: PathBuf| path.strip_prefix(folder.path()).unwrap().to_str().unwrap().to_owned();
        let found = ModuleGraph::read(folder.path()).circles();
        found.into_iter().map(|circle| circle.into_iter().map(name).collect()).collect()
    }

    #[test]
    fn architecture_reader_finds_circles() {
        let root = ("lib.rs", "mod a; mod b;");
        for (a, b) in [
            ("use super::b::B;", "use crate::a::A;"),
            ("use crate::{b::{self, B}};", "fn f() { let x = vec![super::a::A::new()]; }"),
            ("mod inner { use super::super::b; }", "pub(crate) use crate::a as other;"),
        ] {
            assert_eq!(circles(&[root, ("a.rs", a), ("b.rs", b)]), [["a.rs", "b.rs"]], "{a} {b}");
        }
        let parent = ("a/mod.rs", "mod c; pub use c::C; fn f() { c::g() }");
        assert_eq!(circles(&[root, parent, ("a/c.rs", "use super::A;")]), [["a/c.rs", "a/mod.rs"]]);
    }

    #[test]
    fn architecture_reader_leaves_tests_out() {
        let files = [
            ("lib.rs", "mod a; mod b; mod c; use a::A;"),
            ("c.rs", ""),
            ("a.rs", "use super::b::B; // crate::b"),
            (
                "b.rs",
                "use crate::{c::C,}; const A: &str = \"crate::a::A\"; #[cfg(test)] mod tests { use crate::a::A; }",
            ),
        ];
        assert_eq!(circles(&files), Vec::<Vec<String>>::new());
    }
}
