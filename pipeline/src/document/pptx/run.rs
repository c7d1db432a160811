//! The run and the paragraph of a shape that are being read.

/// The look of a run.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) is_raised: bool,
    pub(super) is_tiny: bool,
    pub(super) is_white: bool,
    pub(super) font: String,
}

/// The paragraph that is being read.
#[derive(Debug, Default)]
pub(super) struct Paragraph {
    pub(super) text: String,
    pub(super) tiny: String,
    pub(super) has_white: bool,
    pub(super) has_other: bool,
    pub(super) level: usize,
    pub(super) numbered: Option<(String, u32)>,
}
