//! A cache for the codes of a run, so that a letter that repeats within a run is looked up once.
//!
//! For a font that is not embedded, the interpreter searches several hash maps of names for every glyph. A
//! run has one font, so a code always gives the same result.

/// The cache has a slot for each last byte of a code. Most fonts have one-byte codes.
const SLOTS: usize = 256;

/// The meaning of a code: one character, and how far its glyph moves the pen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said {
    pub(super) character: char,
    pub(super) advance: Option<f64>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    run: u64,
    code: u32,
    said: Said,
}

/// The codes of the current run.
#[derive(Debug)]
pub(super) struct Repeats {
    /// Counts from 1, so that no slot of a new table belongs to a run.
    run: u64,
    slots: Vec<Slot>,
}

impl Repeats {
    pub(super) fn new() -> Self {
        let unused = Slot { run: 0, code: 0, said: Said { character: ' ', advance: None } };
        Self { run: 1, slots: vec![unused; SLOTS] }
    }

    /// Forgets all codes, because the next run may have another font.
    pub(super) fn start_run(&mut self) {
        self.run += 1;
    }

    pub(super) fn get(&self, code: u32) -> Option<Said> {
        let slot = self.slots.get(code as usize % SLOTS)?;
        (slot.run == self.run && slot.code == code).then_some(slot.said)
    }

    /// Notes the meaning of a code, if it is one character.
    pub(super) fn note(&mut self, code: u32, text: &str, advance: Option<f64>) {
        let mut characters = text.chars();
        if let (Some(character), None) = (characters.next(), characters.next())
            && let Some(slot) = self.slots.get_mut(code as usize % SLOTS)
        {
            *slot = Slot { run: self.run, code, said: Said { character, advance } };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_known_until_the_run_ends() {
        let mut repeats = Repeats::new();
        assert!(repeats.get(0).is_none(), "an unused slot says nothing");
        repeats.note(65, "A", Some(500.0));
        let said = repeats.get(65).unwrap();
        assert_eq!((said.character, said.advance), ('A', Some(500.0)));
        assert!(repeats.get(65 + 256).is_none(), "another code of the same slot");
        repeats.start_run();
        assert!(repeats.get(65).is_none());
    }

    #[test]
    fn only_single_characters_are_cached() {
        let mut repeats = Repeats::new();
        repeats.note(1, "ffi", None);
        repeats.note(2, "", None);
        assert!(repeats.get(1).is_none() && repeats.get(2).is_none());
    }
}
