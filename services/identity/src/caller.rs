//! Who asks, and what that says about what they may touch. It knows neither tokens nor wires.

use std::net::IpAddr;

use http::Extensions;
use troika_proto::identity::v1 as wire;

/// What somebody is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Nobody in particular: a visitor without a token.
    #[default]
    Anonymous,
    /// Somebody who talks to one bot.
    Visitor,
    /// A company that has bots.
    User,
    /// Staff that may change everything but accounts.
    Admin,
    /// Staff that may change accounts too.
    SuperAdmin,
    /// A process of this system on its own behalf.
    Service,
}

impl Role {
    /// The word for it in tokens, logs and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Visitor => "visitor",
            Self::User => "user",
            Self::Admin => "admin",
            Self::SuperAdmin => "super_admin",
            Self::Service => "service",
        }
    }
}

/// Who asks. No `Debug`: names and subjects are personal and must not slip into a log.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// What they are.
    pub role: Role,
    /// Who it is, in the words of the token: an id that stays. Empty for who is anonymous.
    pub subject: String,
    /// Who it is for the audit log: an email address, or the subject.
    pub name: String,
    /// The one bot that a visitor's token names: 24 hex digits in lower case.
    pub chatbot: Option<String>,
    /// The company of a user.
    pub company: Option<String>,
    /// The conversation that a signed session names.
    pub session: Option<SignedSession>,
    /// The web origin of the page that asks, as its browser says.
    pub origin: Option<String>,
    /// Where they ask from, as the edge saw it.
    pub address: Option<IpAddr>,
}

/// A conversation of one bot, as it was signed: with another bot it is none.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedSession {
    /// 24 hex digits.
    pub bot: String,
    /// A UUID.
    pub id: String,
}

/// A process of this system made the call, for whom it names or for itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vouched(pub bool);

impl Vouched {
    /// As the door noted it.
    pub fn from_extensions(extensions: &Extensions) -> Self {
        extensions.get().copied().unwrap_or_default()
    }
}

impl Caller {
    /// A process on its own behalf.
    pub fn service(name: &str) -> Self {
        Self {
            role: Role::Service,
            subject: name.to_owned(),
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// Who makes a request, as the door noted it; anonymous where no door did.
    pub fn from_extensions(extensions: &Extensions) -> Self {
        extensions.get::<Self>().cloned().unwrap_or_default()
    }

    /// Whether they may change what all share: flags, rollouts, bots, figures.
    pub fn is_admin(&self) -> bool {
        matches!(self.role, Role::Admin | Role::SuperAdmin)
    }

    /// The name under a change: who they are, and as whom they sign where that is somebody else.
    pub fn signature(&self, signed: &str) -> String {
        let signed = signed.trim();
        match (self.name.as_str(), signed) {
            ("", signed) => signed.to_owned(),
            (name, "") => name.to_owned(),
            (name, signed) if name == signed => name.to_owned(),
            (name, signed) => format!("{name} as {signed}"),
        }
    }

    /// Whether they showed who they are.
    pub fn is_known(&self) -> bool {
        self.role != Role::Anonymous
    }

    /// Who it is in one text, for whoever showed who they are; no process of this system.
    pub fn principal(&self) -> Option<String> {
        let is_somebody = self.role != Role::Service && !self.subject.is_empty();
        is_somebody.then(|| format!("{}:{}", self.role.as_str(), self.subject))
    }

    /// Whether a bot of this company is theirs to look after.
    pub fn owns(&self, company: Option<&str>) -> bool {
        self.is_admin()
            || (self.role == Role::User
                && self.company.is_some()
                && self.company.as_deref() == company)
    }
}

impl From<&Caller> for wire::Caller {
    fn from(caller: &Caller) -> Self {
        let role = match caller.role {
            Role::Anonymous => wire::Role::Anonymous,
            Role::Visitor => wire::Role::Visitor,
            Role::User => wire::Role::User,
            Role::Admin => wire::Role::Admin,
            Role::SuperAdmin => wire::Role::SuperAdmin,
            Role::Service => wire::Role::Service,
        };
        let session = caller.session.as_ref();
        Self {
            role: role.into(),
            subject: caller.subject.clone(),
            name: caller.name.clone(),
            chatbot_id: caller.chatbot.clone().unwrap_or_default(),
            company_id: caller.company.clone().unwrap_or_default(),
            session_id: session.map(|it| it.id.clone()).unwrap_or_default(),
            origin: caller.origin.clone().unwrap_or_default(),
            session_chatbot_id: session.map(|it| it.bot.clone()).unwrap_or_default(),
            address: caller.address.map(|it| it.to_string()).unwrap_or_default(),
        }
    }
}

impl From<wire::Caller> for Caller {
    /// A role that is not known is nobody's.
    fn from(sent: wire::Caller) -> Self {
        let role = match sent.role() {
            wire::Role::Unspecified | wire::Role::Anonymous => Role::Anonymous,
            wire::Role::Visitor => Role::Visitor,
            wire::Role::User => Role::User,
            wire::Role::Admin => Role::Admin,
            wire::Role::SuperAdmin => Role::SuperAdmin,
            wire::Role::Service => Role::Service,
        };
        let filled = |text: String| (!text.is_empty()).then_some(text);
        Self {
            role,
            subject: sent.subject,
            name: sent.name,
            chatbot: filled(sent.chatbot_id),
            company: filled(sent.company_id),
            session: filled(sent.session_id).map(|id| SignedSession {
                bot: sent.session_chatbot_id,
                id,
            }),
            origin: filled(sent.origin),
            address: sent.address.parse().ok(),
        }
    }
}
