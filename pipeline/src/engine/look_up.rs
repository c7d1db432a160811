//! Looks an answer's quotes and numbers up, apart from the async threads where that takes long.

use crate::{
    brand::BrandProfile,
    compressed::CompressError,
    document::CompressedDocument,
    failure::{FailureCode, RunFailure},
    grounding::{self, PageIndex, StageGrounding},
    run::Stage,
    stages::{Outputs, StageOutput},
};

/// A document with more text is looked through on a thread for blocking work. It takes longer than an async thread may
/// be held up.
const GROUNDED_APART_BYTES: usize = 256 * 1024;

/// The material of one stage's look-up.
pub(super) struct LookUp {
    pub(super) output: StageOutput,
    pub(super) earlier: Outputs,
    pub(super) document: CompressedDocument,
    pub(super) brand: BrandProfile,
}

/// The result of one stage's look-up.
pub(super) struct Grounded {
    pub(super) output: StageOutput,
    pub(super) earlier: Outputs,
    pub(super) grounding: StageGrounding,
    pub(super) warnings: Vec<String>,
}

impl LookUp {
    pub(super) async fn run(self, stage: Stage) -> Result<Grounded, RunFailure> {
        let found = if self.document.text_bytes < GROUNDED_APART_BYTES {
            self.ground()
        } else {
            let apart = tokio::task::spawn_blocking(|| self.ground()).await;
            apart.map_err(|error| {
                RunFailure::new(
                    FailureCode::Internal,
                    Some(stage),
                    format!("the look-up of quotes failed: {error}"),
                    true,
                )
            })?
        };
        found.map_err(|error| RunFailure::from_compression(Some(stage), &error))
    }

    /// The index is built for each stage, within a millisecond for most documents. It is several times as large as
    /// the document, so it must not wait while a model thinks.
    fn ground(self) -> Result<Grounded, CompressError> {
        let Self { mut output, earlier, document, brand } = self;
        let index = PageIndex::new(&document.decompress()?);
        let (grounding, warnings) = grounding::ground(&mut output, &earlier, &index, &brand);
        Ok(Grounded { output, earlier, grounding, warnings })
    }
}
