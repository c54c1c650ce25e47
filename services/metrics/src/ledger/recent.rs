//! The newest names, so that none counts twice. Pure.

use std::collections::{HashSet, VecDeque};

/// Names that are remembered.
const MOST: usize = 10_000;

/// Names in the order in which they came.
#[derive(Default)]
pub(super) struct Recent {
    known: HashSet<String>,
    order: VecDeque<String>,
}

impl Recent {
    /// Whether a name did not come before, as far as is remembered.
    pub(super) fn is_new(&mut self, name: &str) -> bool {
        if !self.known.insert(name.to_owned()) {
            return false;
        }
        self.order.push_back(name.to_owned());
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}
