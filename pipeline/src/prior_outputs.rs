//! The outputs of earlier stages, kept small while a model thinks.

use std::io;

use parking_lot::Mutex;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    compressed::{CompressError, Compressed},
    record::{StageRecord, sha256_canonical},
    run::Stage,
    stages::{Outputs, StageOutput},
};

/// The outputs of earlier stages, compressed. They exist as values only between two stages.
#[derive(Debug, Default)]
pub struct PriorOutputs {
    /// Each stage's record, or its output if it has no record.
    compressed: Vec<(Stage, Compressed)>,
    /// The payload digests of the records.
    digests: Vec<(Stage, String)>,
    at_hand: Mutex<Option<Outputs>>,
}

impl PriorOutputs {
    /// Takes outputs without records.
    ///
    /// # Errors
    ///
    /// `CompressError` if the outputs cannot be written as JSON, which is a defect.
    pub fn new(outputs: Outputs) -> Result<Self, CompressError> {
        fn pack(
            stage: Stage,
            output: Option<&impl Serialize>,
        ) -> Option<Result<(Stage, Compressed), CompressError>> {
            output.map(|output| Compressed::new(output).map(|compressed| (stage, compressed)))
        }
        let Outputs { inspirations, trends, lessons, context } = &outputs;
        let compressed = [
            pack(Stage::InputProcessing, inspirations.as_ref()),
            pack(Stage::SignalAmplification, trends.as_ref()),
            pack(Stage::GeneralTranslation, lessons.as_ref()),
            pack(Stage::BrandContextualization, context.as_ref()),
        ];
        let compressed = compressed.into_iter().flatten().collect::<Result<_, _>>()?;
        Ok(Self { compressed, digests: Vec::new(), at_hand: Mutex::new(Some(outputs)) })
    }

    /// The outputs as values. The caller owns them, and should drop them before it waits for a model.
    ///
    /// # Errors
    ///
    /// `CompressError` if the compressed outputs cannot be read back, which is a defect.
    pub fn outputs(&self) -> Result<Outputs, CompressError> {
        if let Some(outputs) = self.at_hand().take() {
            return Ok(outputs);
        }
        let mut outputs = Outputs::default();
        for (stage, compressed) in &self.compressed {
            let mut payload: Map<String, Value> =
                serde_json::from_slice(&compressed.json()?).map_err(io::Error::other)?;
            payload.remove("meta");
            outputs.insert(StageOutput::from_json(*stage, Value::Object(payload)).map_err(io::Error::other)?);
        }
        Ok(outputs)
    }

    /// Keeps the values for the next caller of [`Self::outputs`].
    pub(crate) fn put_back(&self, outputs: Outputs) {
        *self.at_hand() = Some(outputs);
    }

    /// Adds the record and the output of a stage.
    pub(crate) fn add(&mut self, record: &StageRecord, output: StageOutput) -> Result<(), CompressError> {
        let mut outputs = self.outputs()?;
        let sealed = record.sealed().map_err(io::Error::other)?;
        self.compressed.push((record.meta.stage, Compressed::of_json(sealed.json.as_bytes())?));
        self.digests.push((record.meta.stage, record.meta.payload_sha256.clone()));
        outputs.insert(output);
        self.put_back(outputs);
        Ok(())
    }

    /// The SHA-256 (hex) of each payload's canonical form, in order.
    ///
    /// # Errors
    ///
    /// `CompressError` if the compressed outputs cannot be read back, which is a defect.
    pub(crate) fn digests(&self) -> Result<Vec<(Stage, String)>, CompressError> {
        let digest = |(stage, compressed): &(Stage, Compressed)| {
            if let Some((_, known)) = self.digests.iter().find(|(known, _)| known == stage) {
                return Ok((*stage, known.clone()));
            }
            let payload: Value = serde_json::from_slice(&compressed.json()?).map_err(io::Error::other)?;
            Ok((*stage, sha256_canonical(&payload).map_err(io::Error::other)?))
        };
        self.compressed.iter().map(digest).collect()
    }

    /// The compressed records, in the order in which they were added.
    pub(crate) fn compressed(&self) -> &[(Stage, Compressed)] {
        &self.compressed
    }

    fn at_hand(&self) -> parking_lot::MutexGuard<'_, Option<Outputs>> {
        self.at_hand.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::example_answer;

    #[test]
    fn outputs_survive_compression() {
        let mut outputs = Outputs::default();
        for stage in Stage::ALL {
            outputs.insert(StageOutput::from_json(stage, example_answer(stage)).unwrap());
        }
        let earlier = PriorOutputs::new(outputs.clone()).unwrap();
        assert!(earlier.at_hand().is_some());
        assert_eq!(earlier.outputs().unwrap(), outputs);
        assert!(earlier.at_hand().is_none(), "they were given away");
        assert_eq!(earlier.outputs().unwrap(), outputs, "and are made anew");
        earlier.put_back(Outputs::default());
        assert_eq!(earlier.outputs().unwrap(), Outputs::default());
    }
}
