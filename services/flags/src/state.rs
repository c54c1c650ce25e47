//! All flags and rollouts at one revision: what the log adds up to. Pure.

use std::{collections::BTreeMap, sync::OnceLock};

use troika_evaluation::{built_in, flag::Flag, snapshot::Snapshot};
use troika_rollouts::rollout::Rollout;

use crate::log::Entry;

/// Everything at one revision.
#[derive(Clone, Debug)]
pub struct State {
    /// The last entry's number; 0 before the first.
    pub revision: u64,
    /// By key. The flags that come with the product are there before anyone changed them.
    pub flags: BTreeMap<String, Flag>,
    /// By id.
    pub rollouts: BTreeMap<String, RolloutAt>,
    /// The flags ready to be asked, once somebody asked.
    ready: OnceLock<Snapshot>,
}

/// A rollout, and when it last changed.
#[derive(Clone, Debug, PartialEq)]
pub struct RolloutAt {
    /// The revision of its last change.
    pub revision: u64,
    /// As it is.
    pub rollout: Rollout,
}

impl Default for State {
    fn default() -> Self {
        let flags = built_in::flags();
        Self {
            revision: 0,
            flags: flags
                .into_iter()
                .map(|flag| (flag.key.clone(), flag))
                .collect(),
            rollouts: BTreeMap::new(),
            ready: OnceLock::new(),
        }
    }
}

impl State {
    /// Takes the next entry in. Entries that were taken in before change nothing.
    pub fn take(&mut self, entry: &Entry) {
        if entry.revision <= self.revision {
            return;
        }
        self.revision = entry.revision;
        self.ready = OnceLock::new();
        if let Some(change) = &entry.flag {
            match &change.after {
                Some(flag) => self.flags.insert(change.key.clone(), flag.clone()),
                None => self.flags.remove(&change.key),
            };
        }
        if let Some(rollout) = &entry.rollout {
            let at = RolloutAt {
                revision: entry.revision,
                rollout: (**rollout).clone(),
            };
            self.rollouts.insert(rollout.id.clone(), at);
        }
    }

    /// Puts a kill switch in force that the log does not know yet.
    pub fn switch(&mut self, key: &str, enabled: bool) {
        if let Some(flag) = self.flags.get_mut(key) {
            flag.enabled = enabled;
            self.ready = OnceLock::new();
        }
    }

    /// The flags ready to be asked.
    pub fn snapshot(&self) -> &Snapshot {
        self.ready
            .get_or_init(|| Snapshot::new(self.revision, self.flags.values().cloned()))
    }

    /// The rollout that steers a flag, if one does.
    pub fn steering(&self, key: &str) -> Option<&Rollout> {
        self.rollouts
            .values()
            .map(|at| &at.rollout)
            .find(|rollout| rollout.flag == key && !rollout.state.is_final())
    }
}
