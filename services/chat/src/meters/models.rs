//! Names of models as labels: each bot may name any, and labels must stay few. Pure.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

/// Models that are told apart.
const MOST: usize = 20;

/// Longest name that is told.
const LONGEST: usize = 100;

/// Stands for models beyond those.
pub(super) const OTHER: &str = "other";

/// The models that were seen first.
#[derive(Debug, Default)]
pub(super) struct Models {
    known: Mutex<BTreeSet<String>>,
}

impl Models {
    /// The model, while there are few; empty for none.
    pub(super) fn bounded(&self, model: &str) -> String {
        if model.is_empty() {
            return String::new();
        }
        if model.len() > LONGEST {
            return OTHER.to_owned();
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains(model) {
            if known.len() >= MOST {
                return OTHER.to_owned();
            }
            known.insert(model.to_owned());
        }
        model.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_twenty_models_have_names() {
        let models = Models::default();
        for number in 0..MOST {
            let name = format!("model {number}");
            assert_eq!(models.bounded(&name), name);
        }
        assert_eq!(models.bounded("one more"), OTHER);
        assert_eq!(models.bounded("model 3"), "model 3");
        assert_eq!(models.bounded(""), "");
    }

    #[test]
    fn a_name_that_is_too_long_is_not_kept() {
        let models = Models::default();
        assert_eq!(models.bounded(&"x".repeat(LONGEST + 1)), OTHER);
    }
}
