//! Judges the running rollouts again and again: figures in, decisions out, carried out through the book. Of several
//! replicas one judges at a time; if it dies, another one goes on where the log stands.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::SystemTime,
};

use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use tracing::{info, warn};
use troika_chassis::lifecycle::Drain;
use troika_rollouts::{
    decide::{Decision, Verdict, decide_over},
    evidence::Evidence,
    rollout::Rollout,
};
use uuid::Uuid;

use crate::{
    book::Book,
    config,
    evidence::{Comparison, Source},
    log::Author,
    rollouts,
    state::RolloutAt,
};

/// Decisions by rollout: the newest of each that runs.
pub(crate) type Newest = Arc<BTreeMap<String, Decision>>;

/// The one who judges.
pub(crate) struct Controller {
    book: Arc<Book>,
    source: Arc<dyn Source>,
    config: config::Rollouts,
    /// Names this process for as long as it lives.
    holder: String,
    newest: watch::Sender<Newest>,
}

impl Controller {
    pub(crate) fn new(book: Arc<Book>, source: Arc<dyn Source>, config: config::Rollouts) -> Self {
        Self {
            book,
            source,
            config,
            holder: Uuid::new_v4().to_string(),
            newest: watch::Sender::default(),
        }
    }

    /// The newest decisions, whoever made them; wakes with each.
    pub(crate) fn newest(&self) -> watch::Receiver<Newest> {
        self.newest.subscribe()
    }

    /// Judges until the process leaves, then gives the lease back so that another one goes on at once.
    pub(crate) async fn run(&self, drain: Drain) {
        let mut looks = interval(self.config.interval);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let judging = async {
            let mut led = false;
            loop {
                looks.tick().await;
                led = self.look(led).await;
            }
        };
        tokio::select! {
            () = drain.started() => {}
            () = judging => {}
        }
        if let Err(error) = self.book.store().release(&self.holder).await {
            warn!(
                error = &error as &dyn std::error::Error,
                "the lease is not given back: it runs out"
            );
        }
    }

    /// One look at every running rollout. Returns whether this process leads.
    async fn look(&self, led: bool) -> bool {
        let Ok(state) = self.book.now() else {
            return false;
        };
        let running: Vec<&RolloutAt> = state
            .rollouts
            .values()
            .filter(|at| !at.rollout.state.is_final())
            .collect();
        if running.is_empty() {
            self.forget_others(&BTreeSet::new());
            return led;
        }
        let leads = match self
            .book
            .store()
            .lease(&self.holder, self.config.lease)
            .await
        {
            Ok(leads) => leads,
            Err(error) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "rollouts are not judged: the store is away"
                );
                return false;
            }
        };
        if leads && !led {
            info!("this process judges the rollouts");
        }
        self.forget_others(&running.iter().map(|at| at.rollout.id.clone()).collect());
        for at in running {
            if leads {
                self.judge(at).await;
            } else {
                self.read_newest(&at.rollout.id).await;
            }
        }
        leads
    }

    async fn judge(&self, at: &RolloutAt) {
        let rollout = &at.rollout;
        let now = SystemTime::now();
        let timing = rollout.timing(now);
        // A fault that is new shows in the newest figures; a slight one, and few visitors, only add up over the
        // whole step.
        let (newest, whole) = tokio::join!(
            self.figures(rollout, rollout.figures_since(now)),
            self.figures(rollout, rollout.step_started_at),
        );
        let criteria = &rollout.plan.criteria;
        let decision = decide_over(criteria, newest.as_ref(), whole.as_ref(), &timing);
        tell(at, &decision, self.newest.borrow().get(&rollout.id));
        if let Err(error) = self.book.store().decide(&rollout.id, &decision).await {
            warn!(
                error = &error as &dyn std::error::Error,
                rollout = rollout.id,
                "a decision could not be kept"
            );
        }
        self.publish(&rollout.id, decision.clone());
        if let Some(transition) = rollout.judge(&decision, now) {
            let author = Author {
                name: "rollout controller".to_owned(),
                reason: transition.note.clone(),
            };
            match rollouts::carry_out(&self.book, at, transition, author).await {
                Ok(true) => {}
                Ok(false) => info!(
                    rollout = rollout.id,
                    "changed meanwhile: judged again next time"
                ),
                Err(error) => warn!(
                    error = &error as &dyn std::error::Error,
                    rollout = rollout.id,
                    "a decision could not be carried out: judged again next time"
                ),
            }
        }
    }

    /// Both arms of a rollout since a moment; `None` while nobody can tell.
    async fn figures(&self, rollout: &Rollout, since: SystemTime) -> Option<Evidence> {
        let state = self.book.now().ok()?;
        let flag = state.flags.get(&rollout.flag)?;
        let comparison = Comparison {
            flag: rollout.flag.clone(),
            candidate: flag.on_variant.clone(),
            control: flag.off_variant.clone(),
            since,
        };
        self.source.compare(comparison).await
    }

    async fn read_newest(&self, id: &str) {
        if let Ok(found) = self.book.store().decisions(id, 1).await
            && let Some(decision) = found.into_iter().next()
        {
            self.publish(id, decision);
        }
    }

    fn publish(&self, id: &str, decision: Decision) {
        self.newest.send_if_modified(|newest| {
            if newest.get(id) == Some(&decision) {
                return false;
            }
            Arc::make_mut(newest).insert(id.to_owned(), decision);
            true
        });
    }

    fn forget_others(&self, running: &BTreeSet<String>) {
        self.newest.send_if_modified(|newest| {
            if newest.keys().any(|id| !running.contains(id)) {
                Arc::make_mut(newest).retain(|id, _| running.contains(id));
            }
            // Nobody waits for what is over.
            false
        });
    }
}

/// One line for each decision that is more than "go on": an operator's log, and what alerts are made of.
fn tell(at: &RolloutAt, decision: &Decision, before: Option<&Decision>) {
    let rollout = &at.rollout;
    let reasons = || {
        decision
            .reasons
            .iter()
            .map(|reason| reason.message.as_str())
            .collect::<Vec<_>>()
            .join("; ")
    };
    let (flag, step) = (&rollout.flag, rollout.step);
    match decision.verdict {
        Verdict::RollBack => warn!(
            rollout = rollout.id,
            flag,
            step,
            reasons = reasons(),
            "rolling back"
        ),
        Verdict::Advance => info!(
            rollout = rollout.id,
            flag,
            step,
            reasons = reasons(),
            "advancing"
        ),
        _ if decision.stalled && before.is_none_or(|before| !before.stalled) => {
            warn!(
                rollout = rollout.id,
                flag,
                step,
                reasons = reasons(),
                "a rollout is stalled"
            );
        }
        Verdict::Hold | Verdict::Inconclusive => {}
    }
}

#[cfg(test)]
mod tests;
