//! What may be done with rollouts, as changes of the book: a rollout's state and its flag's percentage
//! change in one entry or not at all. Must not know the wire, nor how anything is judged.

use std::{
    cmp::Reverse,
    sync::atomic::{AtomicBool, Ordering},
    time::SystemTime,
};

use troika_chassis::error::{Code, Error, Violation};
use troika_evaluation::flag::Flag;
use troika_rollouts::{
    plan::Plan,
    rollout::{Refused, Rollout, Transition},
};
use uuid::Uuid;

use crate::{
    author::invalid,
    book::{Book, Edit, flag_not_found},
    log::Author,
    state::{RolloutAt, State},
};

/// Longest name of a candidate, in characters.
const LONGEST_CANDIDATE: usize = 200;

/// What is to be rolled out.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) flag: String,
    pub(crate) candidate: String,
    pub(crate) plan: Plan,
    pub(crate) override_rejection: bool,
}

/// Begins a rollout with its first step.
///
/// # Errors
/// When the plan is wrong, there is no such flag, another rollout steers it, or the candidate was rolled back before.
pub(crate) async fn start(book: &Book, start: Start, author: Author) -> Result<RolloutAt, Error> {
    check(&start)?;
    let id = Uuid::now_v7().to_string();
    let (name, reason) = (author.name.clone(), author.reason.clone());
    let state = book
        .change(author, |state| {
            if !state.flags.contains_key(&start.flag) {
                return Err(flag_not_found(&start.flag));
            }
            let previous = state.rollouts.values().map(|at| &at.rollout);
            Rollout::may_start(
                previous,
                &start.flag,
                &start.candidate,
                start.override_rejection,
            )
            .map_err(refused)?;
            let transition = Rollout::start(
                id.clone(),
                start.flag.clone(),
                start.candidate.clone(),
                start.plan.clone(),
                name.clone(),
                reason.clone(),
                SystemTime::now(),
            );
            edit(state, transition)
        })
        .await?;
    found(&state, &id)
}

/// Carries out what a person says of a rollout.
///
/// # Errors
/// When there is no such rollout, or its state does not allow it.
pub(crate) async fn change(
    book: &Book,
    id: &str,
    author: Author,
    make: impl Fn(&Rollout, SystemTime) -> Result<Transition, Refused> + Send + Sync,
) -> Result<RolloutAt, Error> {
    let state = book
        .change(author, |state| {
            let RolloutAt { rollout, .. } = found(state, id)?;
            edit(state, make(&rollout, SystemTime::now()).map_err(refused)?)
        })
        .await?;
    found(&state, id)
}

/// Carries out what was decided about a rollout as it was at a revision. Whether it was: a rollout that has
/// changed since then is left alone, so that no step is taken twice.
///
/// # Errors
/// When the store is away.
pub(crate) async fn carry_out(
    book: &Book,
    at: &RolloutAt,
    transition: Transition,
    author: Author,
) -> Result<bool, Error> {
    let is_current = AtomicBool::new(false);
    book.change(author, |state| {
        let current = found(state, &at.rollout.id)?.revision == at.revision;
        is_current.store(current, Ordering::Relaxed);
        if current {
            edit(state, transition.clone())
        } else {
            Ok(Edit::default())
        }
    })
    .await?;
    Ok(is_current.into_inner())
}

/// A rollout as it is.
///
/// # Errors
/// When there is none of that id.
pub(crate) fn found(state: &State, id: &str) -> Result<RolloutAt, Error> {
    state.rollouts.get(id).cloned().ok_or_else(|| {
        Error::new(
            Code::NotFound,
            "rollout_not_found",
            "There is no rollout with this id.",
        )
    })
}

/// Rollouts of one flag or of all, newest first.
pub(crate) fn list(state: &State, flag: Option<&str>, limit: usize) -> Vec<RolloutAt> {
    let mut found: Vec<RolloutAt> = state
        .rollouts
        .values()
        .filter(|at| flag.is_none_or(|flag| at.rollout.flag == flag))
        .cloned()
        .collect();
    found.sort_by_key(|at| Reverse(at.rollout.started_at));
    found.truncate(limit);
    found
}

/// The rollout's change and, where it has one, its flag's.
fn edit(state: &State, transition: Transition) -> Result<Edit, Error> {
    let key = &transition.rollout.flag;
    let flag = match transition.set_percentage {
        None => None,
        Some(percentage) => {
            let flag = state.flags.get(key).ok_or_else(|| flag_not_found(key))?;
            let flag = Flag {
                percentage,
                ..flag.clone()
            };
            Some((key.clone(), Some(flag)))
        }
    };
    Ok(Edit {
        flag,
        rollout: Some(transition.rollout),
    })
}

fn check(start: &Start) -> Result<(), Error> {
    let mut faults: Vec<Violation> = start
        .plan
        .check()
        .into_iter()
        .map(|fault| Violation {
            field: format!("plan.{}", fault.field),
            kind: "any.invalid".to_owned(),
            message: fault.message,
        })
        .collect();
    let candidate = start.candidate.trim();
    let wrong = candidate.is_empty()
        || candidate.chars().count() > LONGEST_CANDIDATE
        || candidate.chars().any(char::is_control);
    if wrong {
        faults.push(Violation {
            field: "candidate".to_owned(),
            kind: "string.max".to_owned(),
            message: format!(
                "candidate must name what is rolled out, such as a version, in 1 to {LONGEST_CANDIDATE} characters"
            ),
        });
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(invalid(faults))
    }
}

fn refused(refused: Refused) -> Error {
    Error::new(Code::Conflict, refused.code, refused.message)
}
