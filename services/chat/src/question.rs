//! A visitor's question, checked. All of its faults are told at once. Knows no wire but its fields' names.

use std::sync::LazyLock;

use troika_chassis::{
    email::is_address,
    error::{Code, Error, Violation},
};
use troika_identity::Caller;
use uuid::Uuid;

use crate::{
    bots::BotId,
    history::Visitor,
    language,
    text::{has_control, has_hidden, tidy},
};

/// Longest question, in characters.
pub(crate) const MAX_QUERY_CHARACTERS: usize = 5000;
/// Longest visitor's name, in characters.
const MAX_NAME_CHARACTERS: usize = 200;

/// What a caller sent.
#[derive(Default)]
pub(crate) struct Unchecked {
    pub(crate) query: String,
    pub(crate) chatbot_id: String,
    pub(crate) session_id: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) language: Option<String>,
    pub(crate) enable_tts: Option<bool>,
    pub(crate) client_address: Option<String>,
    pub(crate) caller: Caller,
}

/// A question that can be asked.
pub(crate) struct Question {
    /// Trimmed, its letters composed, without control characters.
    pub(crate) query: String,
    pub(crate) bot: BotId,
    /// The caller's, or a new one.
    pub(crate) session: Uuid,
    pub(crate) visitor: Visitor,
    /// A served language, when the caller named one.
    pub(crate) language: Option<&'static str>,
    /// The answer is to be heard too.
    pub(crate) speak: bool,
    /// The answer is wanted in one piece, by whoever cannot take a stream.
    pub(crate) whole: bool,
    /// The caller named the session: others come and go with each question.
    pub(crate) named_session: bool,
    /// The client's address as the edge saw it: for flags alone.
    pub(crate) client_address: Option<String>,
    /// Who asks.
    pub(crate) caller: Caller,
}

impl TryFrom<Unchecked> for Question {
    type Error = Error;

    fn try_from(sent: Unchecked) -> Result<Self, Error> {
        let mut faults = Vec::new();
        let mut fault = |field: &str, kind: &str, message: String| {
            faults.push(Violation {
                field: field.into(),
                kind: kind.into(),
                message,
            });
        };

        let query = tidy(&sent.query, MAX_QUERY_CHARACTERS);
        if query.is_empty() {
            fault("query", "string.empty", "query must not be empty".into());
        } else if query.chars().count() > MAX_QUERY_CHARACTERS {
            fault(
                "query",
                "string.max",
                format!("query must be at most {MAX_QUERY_CHARACTERS} characters long"),
            );
        }
        if has_control(&query) {
            fault(
                "query",
                "string.control",
                "query must not have control characters other than line ends and tabs".into(),
            );
        }

        let bot = if sent.chatbot_id.trim().is_empty() {
            fault("chatbot_id", "any.required", "chatbotId is required".into());
            None
        } else {
            let bot = sent.chatbot_id.trim().parse::<BotId>();
            if bot.is_err() {
                fault(
                    "chatbot_id",
                    "string.hex",
                    "chatbotId must be 24 hexadecimal digits".into(),
                );
            }
            bot.ok()
        };

        let session = given(sent.session_id);
        let named_session = session.is_some();
        let session = match session {
            None => Some(Uuid::new_v4()),
            Some(text) => {
                let session = Uuid::try_parse(&text)
                    .ok()
                    .filter(|id| matches!(id.get_version_num(), 4 | 5));
                if session.is_none() {
                    fault(
                        "session_id",
                        "string.guid",
                        "sessionId must be a UUID of version 4 or 5".into(),
                    );
                }
                session
            }
        };

        let email = given(sent.email);
        if email
            .as_deref()
            .is_some_and(|text| has_hidden(text) || !is_address(text))
        {
            fault(
                "email",
                "string.email",
                "email must be an e-mail address".into(),
            );
        }
        let phone = given(sent.phone);
        if phone.as_deref().is_some_and(|text| !is_phone(text)) {
            fault(
                "phone",
                "string.pattern.base",
                "phone must be 7 to 15 digits, with a leading + if you like".into(),
            );
        }
        let name = given(sent.name).map(|name| tidy(&name, MAX_NAME_CHARACTERS));
        if name
            .as_deref()
            .is_some_and(|text| text.chars().count() > MAX_NAME_CHARACTERS)
        {
            fault(
                "name",
                "string.max",
                format!("name must be at most {MAX_NAME_CHARACTERS} characters long"),
            );
        }
        if name.as_deref().is_some_and(has_hidden) {
            fault(
                "name",
                "string.control",
                "name must be one line without control characters and without marks that turn the direction of text"
                    .into(),
            );
        }
        let language = match given(sent.language) {
            None => None,
            Some(tag) => {
                let served = language::resolve(&tag);
                if served.is_none() {
                    fault(
                        "language",
                        "any.only",
                        format!("language must be one of {}", *SERVED),
                    );
                }
                served
            }
        };

        match (bot, session) {
            (Some(bot), Some(session)) if faults.is_empty() => Ok(Self {
                query,
                bot,
                session,
                visitor: Visitor { email, phone, name },
                language,
                speak: sent.enable_tts.unwrap_or(false),
                whole: false,
                named_session,
                client_address: given(sent.client_address),
                caller: sent.caller,
            }),
            _ => {
                let message = faults
                    .iter()
                    .map(|fault| fault.message.as_str())
                    .collect::<Vec<_>>()
                    .join("; ");
                Err(
                    Error::new(Code::InvalidArgument, "invalid_argument", message)
                        .with_violations(faults),
                )
            }
        }
    }
}

static SERVED: LazyLock<String> = LazyLock::new(|| language::SERVED.join(", "));

/// Old clients send null, "" or nothing for a field they have no value for.
fn given(field: Option<String>) -> Option<String> {
    field
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}

/// `^\+?[0-9]{7,15}$`
fn is_phone(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent() -> Unchecked {
        Unchecked {
            query: " Hi ".into(),
            chatbot_id: "0".repeat(24),
            ..Unchecked::default()
        }
    }

    #[test]
    fn a_plain_question_is_trimmed_and_gets_a_session() {
        let question = Question::try_from(sent()).unwrap();
        assert_eq!(question.query, "Hi");
        assert_eq!(question.session.get_version_num(), 4);
        assert_eq!(question.language, None);
    }

    #[test]
    fn empty_optional_fields_are_absent() {
        let empty = || Some(String::new());
        let question = Question::try_from(Unchecked {
            email: empty(),
            phone: empty(),
            name: empty(),
            session_id: empty(),
            language: empty(),
            ..sent()
        })
        .unwrap();
        assert!(question.visitor == Visitor::default());
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let error = Question::try_from(Unchecked {
            query: " ".into(),
            chatbot_id: "xyz".into(),
            session_id: Some("11111111-1111-1111-8111-111111111111".into()),
            email: Some("nobody".into()),
            phone: Some("12345".into()),
            name: Some("n".repeat(201)),
            language: Some("tlh".into()),
            enable_tts: Some(true),
            client_address: None,
            caller: Caller::default(),
        })
        .err()
        .unwrap();
        let fields: Vec<&str> = error
            .violations()
            .iter()
            .map(|fault| fault.field.as_str())
            .collect();
        assert_eq!(
            fields,
            [
                "query",
                "chatbot_id",
                "session_id",
                "email",
                "phone",
                "name",
                "language"
            ]
        );
        assert_eq!(error.code(), Code::InvalidArgument);
    }

    fn faults(sent: Unchecked) -> Vec<(String, String)> {
        let error = Question::try_from(sent).err();
        let violations = error.as_ref().map(Error::violations).unwrap_or_default();
        violations
            .iter()
            .map(|fault| (fault.field.clone(), fault.kind.clone()))
            .collect()
    }

    #[test]
    fn letters_nobody_types_are_refused_together_with_all_else() {
        for (query, name, expected) in [
            ("two\nlines\tand a tab", "Zoë", &[][..]),
            ("Windows\r\nlines", "Zoë", &[]),
            ("a\0b", "Zoë", &[("query", "string.control")]),
            ("a\u{1b}[2Jb", "Zoë", &[("query", "string.control")]),
            ("a\u{9b}b", "", &[("query", "string.control")]),
            ("\0", "", &[("query", "string.control")]),
            ("Hi", "two\nlines", &[("name", "string.control")]),
            ("Hi", "gpj.\u{202e}exe", &[("name", "string.control")]),
            (
                "a\u{7}",
                "\u{2066}b",
                &[("query", "string.control"), ("name", "string.control")],
            ),
        ] {
            let told = faults(Unchecked {
                query: query.into(),
                name: Some(name.into()),
                ..sent()
            });
            let told: Vec<(&str, &str)> = told
                .iter()
                .map(|(field, kind)| (field.as_str(), kind.as_str()))
                .collect();
            assert_eq!(told, expected, "{query:?} {name:?}");
        }
        let other = |change: fn(&mut Unchecked)| {
            let mut question = sent();
            change(&mut question);
            faults(question).len()
        };
        assert_eq!(other(|it| it.email = Some("a\0@b.example".into())), 1);
        assert_eq!(other(|it| it.phone = Some("123\n4567".into())), 1);
        assert_eq!(other(|it| it.language = Some("en\0".into())), 1);
        assert_eq!(other(|it| it.session_id = Some("\u{202e}".into())), 1);
        assert_eq!(other(|it| it.chatbot_id = "\0".repeat(24)), 1);
        assert_eq!(
            other(|it| it.chatbot_id = format!(" {}\n", "0".repeat(24))),
            0
        );
    }

    #[test]
    fn the_same_words_are_the_same_question() {
        let asked = |query: &str| {
            let sent = Unchecked {
                query: query.into(),
                name: Some(" Zoe\u{308} ".into()),
                ..sent()
            };
            Question::try_from(sent).unwrap()
        };
        let question = asked(" Cafe\u{301}? ");
        assert_eq!(question.query, "Caf\u{e9}?");
        assert_eq!(question.visitor.name.as_deref(), Some("Zo\u{eb}"));
        // The length is that of the composed text.
        assert_eq!(asked(&"e\u{301}".repeat(5000)).query.chars().count(), 5000);
        let long = |count| Unchecked {
            query: "e\u{301}".repeat(count),
            ..sent()
        };
        assert!(Question::try_from(long(5001)).is_err());
        assert!(Question::try_from(long(1_000_000)).is_err());
    }

    #[test]
    fn the_longest_question_is_counted_in_characters() {
        assert!(
            Question::try_from(Unchecked {
                query: "क".repeat(5000),
                ..sent()
            })
            .is_ok()
        );
        assert!(
            Question::try_from(Unchecked {
                query: "क".repeat(5001),
                ..sent()
            })
            .is_err()
        );
    }
}
