//! What can be said about a bot on the command line, and how that becomes a message and a field mask. No
//! I/O beyond reading a persona's file; the chat role checks the values.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use clap::ValueEnum;
use prost_types::FieldMask;
use troika_proto::chat::v1::{Access as WireAccess, Bot, BotLimits, BotQuota};

use crate::exit::{Exit, Failure};

/// Everything but id and name.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Fields {
    /// Who it is and how it speaks: instructions to the model
    #[arg(long, value_name = "TEXT", conflicts_with = "persona_file")]
    persona: Option<String>,
    /// Read the persona from a file
    #[arg(long, value_name = "FILE")]
    persona_file: Option<PathBuf>,
    /// The model it asks; the service's default when absent
    #[arg(long)]
    model: Option<String>,
    /// 0 to 2; the service's default when absent
    #[arg(long)]
    temperature: Option<f64>,
    /// The language it speaks, such as en-US
    #[arg(long, value_name = "TAG")]
    language: Option<String>,
    /// Who may talk to it
    #[arg(long)]
    access: Option<Access>,
    /// A web origin whose pages may show it; can be given several times, any origin may when absent. Stored,
    /// and not yet enforced
    #[arg(long = "origin", value_name = "ORIGIN")]
    origins: Vec<String>,
    /// Where a visitor books a meeting
    #[arg(long, value_name = "URL")]
    booking_url: Option<String>,
    /// The most characters of an answer, 1 to 2000
    #[arg(long, value_name = "NUMBER")]
    answer_characters: Option<u32>,
    /// The most tokens the model may produce in one turn
    #[arg(long, value_name = "NUMBER")]
    completion_tokens: Option<u32>,
    /// Messages of history in the prompt, 0 to 50, and never more than chat.turn.history_messages
    #[arg(long, value_name = "NUMBER")]
    history_messages: Option<u32>,
    /// The longest turn, such as 60s
    #[arg(long = "turn", value_name = "DURATION", value_parser = humantime::parse_duration)]
    turn: Option<Duration>,
    /// Whose bot it is
    #[arg(long, value_name = "ID")]
    company: Option<String>,
    /// Tokens it may use in all
    #[arg(long, value_name = "NUMBER")]
    token_limit: Option<u64>,
    /// Tokens it may use in a calendar month (UTC)
    #[arg(long, value_name = "NUMBER")]
    monthly_limit: Option<u64>,
    /// It answers until then, such as 2027-01-01T00:00:00Z or 2027-01-01
    #[arg(long, value_name = "TIME", value_parser = time)]
    subscription_ends: Option<SystemTime>,
    /// Questions a session may ask before its visitor must sign in
    #[arg(long, value_name = "NUMBER")]
    free_messages: Option<u32>,
    /// How its visitors sign in, such as email; none: they cannot, and free messages have no end
    #[arg(long, value_name = "WORD")]
    auth_method: Option<String>,
}

/// A time as RFC 3339 writes it, or the beginning of a day in UTC.
fn time(text: &str) -> Result<SystemTime, String> {
    humantime::parse_rfc3339(text)
        .or_else(|_| humantime::parse_rfc3339(&format!("{text}T00:00:00Z")))
        .map_err(|_| {
            "must be a time such as 2027-01-01T00:00:00Z, or a day such as 2027-01-01".to_owned()
        })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Access {
    /// Anonymous visitors
    Public,
    /// Callers with a token; until the gateway checks tokens, nobody
    Private,
}

/// What can be taken away from a bot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Clearable {
    Persona,
    Model,
    Temperature,
    Language,
    Origins,
    BookingUrl,
    AnswerCharacters,
    CompletionTokens,
    HistoryMessages,
    Turn,
    Company,
    TokenLimit,
    MonthlyLimit,
    SubscriptionEnds,
    FreeMessages,
    AuthMethod,
}

impl Clearable {
    fn path(self) -> &'static str {
        match self {
            Self::Persona => "persona",
            Self::Model => "model",
            Self::Temperature => "temperature",
            Self::Language => "language",
            Self::Origins => "allowed_origins",
            Self::BookingUrl => "booking_url",
            Self::AnswerCharacters => "limits.answer_characters",
            Self::CompletionTokens => "limits.completion_tokens",
            Self::HistoryMessages => "limits.history_messages",
            Self::Turn => "limits.turn",
            Self::Company => "company_id",
            Self::TokenLimit => "quota.token_limit",
            Self::MonthlyLimit => "quota.monthly_limit",
            Self::SubscriptionEnds => "quota.subscription_ends",
            Self::FreeMessages => "quota.free_messages",
            Self::AuthMethod => "quota.auth_method",
        }
    }
}

impl Fields {
    /// The message.
    ///
    /// # Errors
    /// When the persona's file cannot be read, or a duration is too long for the wire.
    pub(super) fn bot(&self, id: String, name: String) -> Result<Bot, Failure> {
        let persona = match &self.persona_file {
            Some(file) => fs::read_to_string(file).map_err(|error| {
                Failure::because(
                    Exit::Usage,
                    &format!("{} cannot be read", file.display()),
                    &error,
                )
            })?,
            None => self.persona.clone().unwrap_or_default(),
        };
        let turn = self.turn.map(prost_types::Duration::try_from).transpose();
        let limits = BotLimits {
            answer_characters: self.answer_characters,
            completion_tokens: self.completion_tokens,
            history_messages: self.history_messages,
            turn: turn.map_err(|_| Failure::new(Exit::Usage, "--turn is too long"))?,
        };
        let quota = BotQuota {
            token_limit: self.token_limit,
            monthly_limit: self.monthly_limit,
            subscription_ends: self.subscription_ends.map(Into::into),
            free_messages: self.free_messages,
            auth_method: self.auth_method.clone().unwrap_or_default(),
            ..BotQuota::default()
        };
        let access = match self.access {
            None => WireAccess::Unspecified,
            Some(Access::Public) => WireAccess::Public,
            Some(Access::Private) => WireAccess::Private,
        };
        Ok(Bot {
            id,
            name,
            persona,
            model: self.model.clone().unwrap_or_default(),
            temperature: self.temperature,
            language: self.language.clone().unwrap_or_default(),
            access: access.into(),
            allowed_origins: self.origins.clone(),
            booking_url: self.booking_url.clone().unwrap_or_default(),
            limits: (limits != BotLimits::default()).then_some(limits),
            company_id: self.company.clone().unwrap_or_default(),
            quota: (quota != BotQuota::default()).then_some(quota),
            ..Bot::default()
        })
    }

    /// Which fields the message is to change.
    ///
    /// # Errors
    /// When nothing is named, or one field is given and cleared at once.
    pub(super) fn mask(&self, name: bool, clear: &[Clearable]) -> Result<FieldMask, Failure> {
        let given = [
            (name, "name"),
            (
                self.persona.is_some() || self.persona_file.is_some(),
                "persona",
            ),
            (self.model.is_some(), "model"),
            (self.temperature.is_some(), "temperature"),
            (self.language.is_some(), "language"),
            (self.access.is_some(), "access"),
            (!self.origins.is_empty(), "allowed_origins"),
            (self.booking_url.is_some(), "booking_url"),
            (self.answer_characters.is_some(), "limits.answer_characters"),
            (self.completion_tokens.is_some(), "limits.completion_tokens"),
            (self.history_messages.is_some(), "limits.history_messages"),
            (self.turn.is_some(), "limits.turn"),
            (self.company.is_some(), "company_id"),
            (self.token_limit.is_some(), "quota.token_limit"),
            (self.monthly_limit.is_some(), "quota.monthly_limit"),
            (self.subscription_ends.is_some(), "quota.subscription_ends"),
            (self.free_messages.is_some(), "quota.free_messages"),
            (self.auth_method.is_some(), "quota.auth_method"),
        ];
        let mut paths: Vec<String> = given
            .iter()
            .filter(|(given, _)| *given)
            .map(|(_, path)| (*path).to_owned())
            .collect();
        for field in clear {
            let path = field.path().to_owned();
            if paths.contains(&path) {
                return Err(Failure::new(
                    Exit::Usage,
                    format!("{path} is given and cleared at once"),
                ));
            }
            paths.push(path);
        }
        if paths.is_empty() {
            return Err(Failure::new(
                Exit::Usage,
                "nothing to change: name a field, see `troika bots update --help`",
            ));
        }
        Ok(FieldMask { paths })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_names_what_is_given_and_what_is_cleared() {
        let fields = Fields {
            temperature: Some(0.2),
            turn: Some(Duration::from_secs(60)),
            ..Fields::default()
        };
        let mask = fields.mask(true, &[Clearable::Model]).unwrap();
        assert_eq!(mask.paths, ["name", "temperature", "limits.turn", "model"]);
        let bot = fields.bot("1".into(), "Guide".into()).unwrap();
        assert_eq!(bot.limits.unwrap().turn.unwrap().seconds, 60);
        assert!(bot.model.is_empty());
    }

    #[test]
    fn a_quota_is_named_field_by_field_and_a_day_is_a_time() {
        let fields = Fields {
            company: Some("c".into()),
            token_limit: Some(0),
            subscription_ends: Some(time("2027-01-01").unwrap()),
            ..Fields::default()
        };
        let mask = fields.mask(false, &[Clearable::FreeMessages]).unwrap();
        let expected = [
            "company_id",
            "quota.token_limit",
            "quota.subscription_ends",
            "quota.free_messages",
        ];
        assert_eq!(mask.paths, expected);
        let bot = fields.bot("1".into(), "Guide".into()).unwrap();
        let quota = bot.quota.unwrap();
        assert_eq!((bot.company_id.as_str(), quota.token_limit), ("c", Some(0)));
        assert_eq!(quota.subscription_ends.unwrap().seconds, 1_798_761_600);
        assert_eq!(time("2027-01-01T01:00:00Z").unwrap().elapsed().ok(), None);
        assert!(time("next year").is_err());
    }

    #[test]
    fn an_update_of_nothing_and_one_of_both_ways_are_wrong_usage() {
        assert_eq!(
            Fields::default().mask(false, &[]).unwrap_err().exit(),
            Exit::Usage
        );
        let fields = Fields {
            model: Some("m".into()),
            ..Fields::default()
        };
        assert_eq!(
            fields.mask(false, &[Clearable::Model]).unwrap_err().exit(),
            Exit::Usage
        );
    }

    #[test]
    fn a_persona_can_come_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("persona.txt");
        fs::write(&file, "Be kind.").unwrap();
        let fields = Fields {
            persona_file: Some(file),
            ..Fields::default()
        };
        assert_eq!(
            fields.bot(String::new(), "Guide".into()).unwrap().persona,
            "Be kind."
        );
        let missing = Fields {
            persona_file: Some(folder.path().join("none")),
            ..Fields::default()
        };
        assert_eq!(
            missing
                .bot(String::new(), "Guide".into())
                .unwrap_err()
                .exit(),
            Exit::Usage
        );
    }
}
