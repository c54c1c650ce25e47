//! All flags at one revision, ready to be asked.

use std::{collections::HashMap, time::SystemTime};

use crate::{
    context::Context,
    evaluate::{Compiled, Evaluation, Silent, Step, Trace},
    flag::Flag,
};

/// All flags at one revision. Asking it allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    revision: u64,
    flags: HashMap<Box<str>, Compiled>,
}

impl Snapshot {
    /// Makes flags ready. One that names a variant that it has not is left out, as if it did not exist:
    /// the flags role stores none such.
    pub fn new(revision: u64, flags: impl IntoIterator<Item = Flag>) -> Self {
        let flags = flags
            .into_iter()
            .filter_map(|flag| Some((flag.key.as_str().into(), Compiled::new(flag)?)))
            .collect();
        Self { revision, flags }
    }

    /// Counts up with every change.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The flags, in no order.
    pub fn flags(&self) -> impl Iterator<Item = &Flag> {
        self.flags.values().map(|compiled| &compiled.flag)
    }

    /// A flag's definition.
    pub fn flag(&self, key: &str) -> Option<&Flag> {
        self.flags.get(key).map(|compiled| &compiled.flag)
    }

    /// What a flag says to whoever asks; `None` when there is no such flag.
    pub fn evaluate(&self, key: &str, context: &impl Context) -> Option<Evaluation<'_>> {
        let compiled = self.flags.get(key)?;
        Some(compiled.decide(context, SystemTime::now, &mut Silent))
    }

    /// As [`Snapshot::evaluate`], at a given moment and with every step that was looked at on the way.
    pub fn explain(
        &self,
        key: &str,
        context: &impl Context,
        now: SystemTime,
    ) -> Option<Explanation<'_>> {
        let compiled = self.flags.get(key)?;
        let mut steps = Vec::new();
        let evaluation = compiled.decide(context, || now, &mut steps);
        let identifier = context.identifier();
        Some(Explanation {
            evaluation,
            steps,
            identifier_from: identifier.map(|(from, _)| from),
            bucket: identifier
                .map(|(_, identifier)| f64::from(compiled.bucket(identifier)) / 1000.0),
        })
    }
}

/// Why a flag said what it said.
#[derive(Clone, Debug)]
pub struct Explanation<'f> {
    /// What it said.
    pub evaluation: Evaluation<'f>,
    /// What was looked at, in order; the last one decided.
    pub steps: Vec<Finding>,
    /// Which attribute the identifier came from.
    pub identifier_from: Option<&'static str>,
    /// Where it falls, 0 to below 100.
    pub bucket: Option<f64>,
}

/// One step of an explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which one.
    pub step: Step,
    /// It decided.
    pub decided: bool,
    /// In words.
    pub found: String,
}

impl Trace for Vec<Finding> {
    fn looked_at(&mut self, step: Step, decided: bool, found: impl FnOnce() -> String) {
        self.push(Finding {
            step,
            decided,
            found: found(),
        });
    }
}
