//! What may be done with flags, as changes of the book. Must not know the wire.

use std::sync::Arc;

use troika_chassis::error::{Code, Error};
use troika_evaluation::{built_in, check, flag::Flag};

use crate::{
    author::invalid,
    book::{Book, Edit, flag_not_found, unavailable},
    log::{Author, Entry},
    state::State,
};

/// Flags there may be. Every process holds them all.
const MOST: usize = 1000;

/// Makes a new flag.
///
/// # Errors
/// When it is wrong, or there already.
pub(crate) async fn create(book: &Book, flag: Flag, author: Author) -> Result<Flag, Error> {
    checked(&flag)?;
    let key = flag.key.clone();
    let state = book
        .change(author, |state| {
            if state.flags.contains_key(&flag.key) {
                return Err(Error::new(
                    Code::AlreadyExists,
                    "flag_exists",
                    format!("There is a flag `{}` already.", flag.key),
                ));
            }
            if state.flags.len() >= MOST {
                return Err(Error::new(
                    Code::ResourceExhausted,
                    "too_many_flags",
                    format!(
                        "There are {MOST} flags already: delete one that is not used any more."
                    ),
                ));
            }
            Ok(becomes(&flag.key, Some(flag.clone())))
        })
        .await?;
    found(&state, &key)
}

/// Replaces a flag as a whole.
///
/// # Errors
/// When it is wrong or not there, has changed meanwhile, or a rollout steers its percentage.
pub(crate) async fn update(
    book: &Book,
    flag: Flag,
    expected: u64,
    author: Author,
) -> Result<Flag, Error> {
    checked(&flag)?;
    let key = flag.key.clone();
    let state = book
        .change(author, |state| {
            let current = at_revision(state, &flag.key, expected)?;
            if current.kind != flag.kind {
                return Err(Error::new(
                    Code::Conflict,
                    "flag_type",
                    format!(
                        "The flag `{}` is a {}: who asks for one relies on that. Make a new flag instead.",
                        flag.key,
                        current.kind.name()
                    ),
                ));
            }
            if current.percentage != flag.percentage {
                steered_by_nobody(state, &flag.key)?;
            }
            Ok(becomes(&flag.key, Some(flag.clone())))
        })
        .await?;
    found(&state, &key)
}

/// Deletes a flag.
///
/// # Errors
/// When it is not there, has changed meanwhile, comes with the product, or a rollout steers it.
pub(crate) async fn delete(
    book: &Book,
    key: &str,
    expected: u64,
    author: Author,
) -> Result<(), Error> {
    book.change(author, |state| {
        at_revision(state, key, expected)?;
        steered_by_nobody(state, key)?;
        if built_in::KEYS.contains(&key) {
            return Err(Error::new(
                Code::Conflict,
                "flag_built_in",
                format!("The flag `{key}` comes with the product: switch it off instead."),
            ));
        }
        Ok(becomes(key, None))
    })
    .await
    .map(drop)
}

/// Sets how many are let in.
///
/// # Errors
/// When the flag is not there, the percentage is none, or a rollout steers it.
pub(crate) async fn set_percentage(
    book: &Book,
    key: &str,
    percentage: f64,
    author: Author,
) -> Result<Flag, Error> {
    check::percentage("percentage", percentage).map_err(|fault| invalid(vec![fault]))?;
    let state = book
        .change(author, |state| {
            let flag = found(state, key)?;
            steered_by_nobody(state, key)?;
            Ok(becomes(key, Some(Flag { percentage, ..flag })))
        })
        .await?;
    found(&state, key)
}

/// Makes a flag what it was once; one that was deleted since is there again.
///
/// # Errors
/// When its history has no such revision, or it has changed meanwhile.
pub(crate) async fn restore(
    book: &Book,
    key: &str,
    revision: u64,
    expected: u64,
    author: Author,
) -> Result<Flag, Error> {
    let now = book.now()?;
    let past = match revision {
        // Before anyone changed it.
        0 => built_in::flags().into_iter().find(|flag| flag.key == key),
        _ => book
            .store()
            .before(revision.saturating_add(1), Some(key), 1)
            .await
            .map_err(unavailable)?
            .into_iter()
            .find(|entry| entry.revision == revision)
            .and_then(|entry| entry.flag?.after),
    };
    let Some(past) = past else {
        return Err(Error::new(
            Code::NotFound,
            "revision_not_found",
            format!("The history of this flag has no revision {revision}."),
        ));
    };
    let is_there = now.flags.contains_key(key);
    let state = book
        .change(author, |state| {
            if is_there {
                let current = at_revision(state, key, expected)?;
                if current.percentage != past.percentage {
                    steered_by_nobody(state, key)?;
                }
            }
            Ok(becomes(key, Some(past.clone())))
        })
        .await?;
    found(&state, key)
}

/// Changes of flags, newest first.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn changes(
    book: &Book,
    key: Option<&str>,
    before: u64,
    limit: usize,
) -> Result<Vec<Entry>, Error> {
    book.now()?;
    book.store()
        .before(before, key, limit)
        .await
        .map_err(unavailable)
}

/// A flag as it is.
///
/// # Errors
/// When there is none of that key.
pub(crate) fn found(state: &State, key: &str) -> Result<Flag, Error> {
    state
        .flags
        .get(key)
        .cloned()
        .ok_or_else(|| flag_not_found(key))
}

fn checked(flag: &Flag) -> Result<(), Error> {
    match check::check(flag) {
        faults if faults.is_empty() => Ok(()),
        faults => Err(invalid(faults)),
    }
}

fn at_revision<'s>(state: &'s State, key: &str, expected: u64) -> Result<&'s Flag, Error> {
    let flag = state.flags.get(key).ok_or_else(|| flag_not_found(key))?;
    if flag.revision == expected {
        return Ok(flag);
    }
    Err(Error::new(
        Code::Conflict,
        "revision_conflict",
        format!(
            "The flag `{key}` is at revision {}, not {expected}: read it again and repeat the change.",
            flag.revision
        ),
    ))
}

fn steered_by_nobody(state: &State, key: &str) -> Result<(), Error> {
    match state.steering(key) {
        None => Ok(()),
        Some(rollout) => Err(Error::new(
            Code::Conflict,
            "rollout_running",
            format!(
                "The rollout {} steers the percentage of `{key}`: abort it first, or set its step.",
                rollout.id
            ),
        )),
    }
}

fn becomes(key: &str, flag: Option<Flag>) -> Edit {
    Edit {
        flag: Some((key.to_owned(), flag)),
        rollout: None,
    }
}

/// All flags, as those who watch are told.
pub(crate) fn snapshot(state: &Arc<State>) -> troika_proto::flags::v1::Snapshot {
    troika_proto::flags::v1::Snapshot {
        revision: state.revision,
        flags: state.flags.values().map(Into::into).collect(),
    }
}
