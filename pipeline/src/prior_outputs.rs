//! The outputs of earlier stages, kept small while a model thinks.

use std::io;

use parking_lot::Mutex;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    packed::{PackError, Packed},
    record::StageRecord,
    run::Stage,
    stages::{Outputs, StageOutput},
};

/// The outputs of earlier stages, compressed. They exist as values only between two stages.
#[derive(Debug, Default)]
pub struct Earlier {
    /// Each stage's record, or its output if it has no record.
    packed: Vec<(Stage, Packed)>,
    at_hand: Mutex<Option<Outputs>>,
}

impl Earlier {
    /// Takes outputs without records.
    ///
    /// # Errors
    ///
    /// `PackError` if the outputs cannot be written as JSON, which is a defect.
    pub fn new(outputs: Outputs) -> Result<Self, PackError> {
        fn pack(stage: Stage, output: Option<&impl Serialize>) -> Option<Result<(Stage, Packed), PackError>> {
            output.map(|output| Packed::new(output).map(|packed| (stage, packed)))
        }
        let Outputs { inspirations, trends, lessons, context } = &outputs;
        let packed = [
            pack(Stage::InputProcessing, inspirations.as_ref()),
            pack(Stage::SignalAmplification, trends.as_ref()),
            pack(Stage::GeneralTranslation, lessons.as_ref()),
            pack(Stage::BrandContextualization, context.as_ref()),
        ];
        let packed = packed.into_iter().flatten().collect::<Result<_, _>>()?;
        Ok(Self { packed, at_hand: Mutex::new(Some(outputs)) })
    }

    /// The outputs as values. The caller owns them, and should drop them before it waits for a model.
    ///
    /// # Errors
    ///
    /// `PackError` if the compressed outputs cannot be read back, which is a defect.
    pub fn outputs(&self) -> Result<Outputs, PackError> {
        if let Some(outputs) = self.at_hand().take() {
            return Ok(outputs);
        }
        let mut outputs = Outputs::default();
        for (stage, packed) in &self.packed {
            let mut payload: Map<String, Value> =
                serde_json::from_slice(&packed.json()?).map_err(io::Error::other)?;
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
    pub(crate) fn add(&mut self, record: &StageRecord, output: StageOutput) -> Result<(), PackError> {
        let mut outputs = self.outputs()?;
        self.packed.push((record.meta.stage, Packed::new(record)?));
        outputs.insert(output);
        self.put_back(outputs);
        Ok(())
    }

    /// The compressed records, in the order in which they were added.
    pub(crate) fn packed(&self) -> &[(Stage, Packed)] {
        &self.packed
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
        let earlier = Earlier::new(outputs.clone()).unwrap();
        assert!(earlier.at_hand().is_some());
        assert_eq!(earlier.outputs().unwrap(), outputs);
        assert!(earlier.at_hand().is_none(), "they were given away");
        assert_eq!(earlier.outputs().unwrap(), outputs, "and are made anew");
        earlier.put_back(Outputs::default());
        assert_eq!(earlier.outputs().unwrap(), Outputs::default());
    }
}
