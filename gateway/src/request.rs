//! What clients send, as JSON knows it. Types are checked here and values are not: what a chatbot
//! id or an email address may look like is chat's knowledge. No `Debug`: questions and visitors'
//! details are personal and must not slip into a log.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, Visitor, value::MapAccessDeserializer},
};
use troika_proto::chat::v1::{QueryRequest, StopRequest, stop_request::Target};
use utoipa::ToSchema;

/// A visitor's question. Fields that are not listed are ignored.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Question {
    /// The question.
    #[serde(deserialize_with = "text")]
    #[schema(
        required,
        min_length = 1,
        max_length = 5000,
        example = "What is troika?"
    )]
    query: String,
    /// The chatbot, 24 hexadecimal digits.
    #[serde(deserialize_with = "text")]
    #[schema(
        required,
        pattern = "^[0-9a-fA-F]{24}$",
        example = "000000000000000000000001"
    )]
    chatbot_id: String,
    /// The conversation that the question goes on with, a UUID; a new one begins without it.
    #[serde(deserialize_with = "optional_text")]
    #[schema(format = Uuid)]
    session_id: Option<String>,
    /// The visitor's email address; null or empty when unknown.
    #[serde(deserialize_with = "optional_text")]
    email: Option<String>,
    /// The visitor's phone number; null or empty when unknown.
    #[serde(deserialize_with = "optional_text")]
    #[schema(pattern = r"^\+?[0-9]{7,15}$")]
    phone: Option<String>,
    /// The visitor's name; null or empty when unknown.
    #[serde(deserialize_with = "optional_text")]
    name: Option<String>,
    /// The language of the answer, such as `en-IN`; the chatbot's own when null or empty.
    #[serde(deserialize_with = "optional_text")]
    language: Option<String>,
    /// Speak the answer.
    #[serde(rename = "enableTTS")]
    #[schema(rename = "enableTTS")]
    enable_tts: Option<bool>,
    /// Taken for the sake of clients that send it, and not used.
    #[schema(value_type = Option<Object>)]
    #[allow(dead_code, reason = "documents a field that clients send")]
    context: Option<Ignored>,
}

/// A value that is read over.
#[derive(Deserialize)]
struct Ignored(#[allow(dead_code, reason = "read over, never read")] IgnoredAny);

impl From<Question> for QueryRequest {
    fn from(question: Question) -> Self {
        Self {
            query: question.query,
            chatbot_id: question.chatbot_id,
            session_id: question.session_id,
            email: question.email,
            phone: question.phone,
            name: question.name,
            language: question.language,
            enable_tts: question.enable_tts,
            client_address: None,
        }
    }
}

/// Names the turn to stop, or the conversation whose running turns to stop: exactly one of them.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Stop {
    /// One turn, as its `connected` event named it.
    #[serde(deserialize_with = "optional_text")]
    #[schema(format = Uuid)]
    turn_id: Option<String>,
    /// All running turns of this conversation.
    #[serde(deserialize_with = "optional_text")]
    #[schema(format = Uuid)]
    session_id: Option<String>,
}

impl Stop {
    /// The contract's request; `None` when both or neither are named.
    pub(crate) fn into_request(self) -> Option<StopRequest> {
        let target = match (self.turn_id, self.session_id) {
            (Some(turn), None) => Target::TurnId(turn),
            (None, Some(session)) => Target::SessionId(session),
            _ => return None,
        };
        Some(StopRequest {
            target: Some(target),
        })
    }
}

/// A required text. Absent and null read as empty, which chat then reports together with
/// everything else that is wrong.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.unwrap_or_default())
}

/// An optional text. Clients send null or an empty string for what they do not know.
pub(crate) fn optional_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()))
}

/// An optional object. serde would take a list for it, field by field: an empty one for all that is absent.
pub(crate) fn optional_object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_any(OptionalObject(PhantomData))
}

struct OptionalObject<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OptionalObject<T> {
    type Value = Option<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map")
    }

    fn visit_unit<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Option<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields)).map(Some)
    }
}
