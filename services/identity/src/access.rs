//! Who may make a call at all: one rule for each method. What a caller may do to which bot is for the service to say.

use crate::{
    caller::{Caller, Role},
    refusal::Refusal,
};

/// Who may make a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody: what it touches is looked at by the service.
    Anyone,
    /// Whoever shows a token, and processes of this system, for whomever they ask.
    Known,
    /// Companies, admins, and processes of this system; the service looks whose bot it is.
    Staff,
    /// Admins.
    Admin,
    /// Those who may change accounts.
    SuperAdmin,
    /// Processes of this system on their own behalf, and admins, who could change what they say.
    Service,
}

/// The methods of a role and who may call them, by their full names, such as `troika.tts.v1.TTS/Speak`.
pub type Rules = &'static [(&'static str, Access)];

impl Access {
    /// Holds a caller to the rule; `vouched` says that a process of this system made the call, for whomever.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(self, caller: &Caller, vouched: bool) -> Result<(), Refusal> {
        let (enough, refusal) = match self {
            Self::Anyone => return Ok(()),
            Self::Known => (vouched || caller.is_known(), Refusal::NoToken),
            Self::Staff => (
                caller.is_admin() || matches!(caller.role, Role::User | Role::Service),
                Refusal::AdminRequired,
            ),
            Self::Admin => (caller.is_admin(), Refusal::AdminRequired),
            Self::SuperAdmin => (caller.role == Role::SuperAdmin, Refusal::SuperAdminRequired),
            Self::Service => (
                caller.role == Role::Service || caller.is_admin(),
                Refusal::ServiceRequired,
            ),
        };
        if enough {
            Ok(())
        } else if caller.is_known() {
            Err(refusal)
        } else {
            Err(Refusal::NoToken)
        }
    }
}
