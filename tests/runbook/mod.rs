//! The runbook, and the rehearsal that it asks for.

mod commands;
mod facts;
mod rehearsal;

use std::fs;

use crate::support::root;

/// A block of code with its words after the fence, and the number of its first line.
pub(crate) struct Block {
    pub(crate) kind: String,
    pub(crate) line: usize,
    pub(crate) text: String,
}

pub(crate) fn runbook() -> String {
    fs::read_to_string(root().join("docs/RUNBOOK.md")).unwrap()
}

/// All blocks of code of a page.
pub(crate) fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut is_open = false;
    for (index, line) in page.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(_) if is_open => is_open = false,
            Some(kind) => {
                is_open = true;
                blocks.push(Block { kind: kind.to_owned(), line: index + 2, text: String::new() });
            }
            None if is_open => {
                let block = blocks.last_mut().unwrap();
                block.text.push_str(line);
                block.text.push('\n');
            }
            None => {}
        }
    }
    assert!(!is_open, "a block of code does not end");
    blocks
}
