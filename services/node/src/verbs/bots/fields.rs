//! What can be said about a bot on the command line, and how that becomes a message and a field mask. No
//! I/O beyond reading a persona's file; the chat role checks the values.

use std::{fs, path::PathBuf, time::Duration};

use clap::ValueEnum;
use prost_types::FieldMask;
use troika_proto::chat::v1::{Access as WireAccess, Bot, BotLimits};

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
