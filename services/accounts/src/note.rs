//! Telling what was changed, and by whom. It must not know how it was changed.

use troika_identity::Caller;

use crate::account::Account;

/// What was done to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    Created,
    Updated,
    Deleted,
}

impl Done {
    fn as_str(self) -> &'static str {
        match self {
            Self::Created => "account.create",
            Self::Updated => "account.update",
            Self::Deleted => "account.delete",
        }
    }
}

/// Tells of a change that was made, with what the account was and what it is. The log names ids alone: addresses are
/// personal.
pub(crate) fn note(caller: &Caller, done: Done, before: Option<&Account>, after: Option<&Account>) {
    let Some(account) = after.or(before) else {
        return;
    };
    let password = match (before, after) {
        (Some(before), Some(after)) => before.password_hash != after.password_hash,
        _ => false,
    };
    tracing::info!(
        action = done.as_str(),
        account = %account.id,
        role = account.role.as_str(),
        enabled = account.enabled,
        password_changed = password,
        by_role = caller.role.as_str(),
        "an account was changed"
    );
}
