//! Who asks: attributes by name, and the identifier that is dealt to a bucket. Borrowed, so that asking
//! copies nothing.

use serde_json::{Map, Value};

/// The attributes an identifier is taken from, the first that is there: OpenFeature's targeting key, then the
/// order of the backend that came before.
pub const IDENTIFIERS: [&str; 5] = ["targetingKey", "userId", "sessionId", "ip", "chatbotId"];

/// An attribute's value, as conditions see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Attribute<'a> {
    /// A text.
    Text(&'a str),
    /// A number.
    Number(f64),
    /// A truth value.
    Bool(bool),
    /// There, and nothing that conditions can look into: a list or an object.
    Other,
}

/// Who asks.
pub trait Context {
    /// The attribute of that name.
    fn attribute(&self, name: &str) -> Option<Attribute<'_>>;

    /// What is dealt to a bucket, and which attribute it came from. Empty texts do not count.
    fn identifier(&self) -> Option<(&'static str, &str)> {
        IDENTIFIERS
            .into_iter()
            .find_map(|name| match self.attribute(name) {
                Some(Attribute::Text(text)) if !text.is_empty() => Some((name, text)),
                _ => None,
            })
    }
}

/// A visitor, as troika's own roles know one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Visitor<'a> {
    /// Of a signed-in visitor.
    pub user_id: Option<&'a str>,
    /// Of a conversation.
    pub session_id: Option<&'a str>,
    /// The address of the client.
    pub ip: Option<&'a str>,
    /// The bot that is asked.
    pub chatbot_id: Option<&'a str>,
    /// BCP 47.
    pub language: Option<&'a str>,
}

impl Context for Visitor<'_> {
    fn attribute(&self, name: &str) -> Option<Attribute<'_>> {
        let text = match name {
            "userId" => self.user_id,
            "sessionId" => self.session_id,
            "ip" => self.ip,
            "chatbotId" => self.chatbot_id,
            "language" => self.language,
            _ => None,
        };
        text.map(Attribute::Text)
    }
}

impl Context for Map<String, Value> {
    fn attribute(&self, name: &str) -> Option<Attribute<'_>> {
        Some(match self.get(name)? {
            Value::Null => return None,
            Value::Bool(value) => Attribute::Bool(*value),
            Value::Number(number) => Attribute::Number(number.as_f64()?),
            Value::String(text) => Attribute::Text(text),
            Value::Array(_) | Value::Object(_) => Attribute::Other,
        })
    }
}
