//! A value that must not be shown. It must not know what it opens.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What a secret shows instead of itself.
const REDACTED: &str = "[redacted]";

/// A password, key, token or an address that contains one. It prints and serializes as
/// `[redacted]`, or as nothing when it is empty.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The value itself: for the call that needs it, never for a log or an error.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn shown(&self) -> &'static str {
        if self.is_empty() { "" } else { REDACTED }
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self(value)
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.shown())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not as a string: formats refuse what is none by themselves, and quote it.
        deserializer.deserialize_any(Visitor)
    }
}

/// Refuses what is not text without showing it: serde's own messages quote the value.
struct Visitor;

impl Visitor {
    fn refuse<T, E: de::Error>() -> Result<T, E> {
        Err(E::custom("must be text: put it in quotes"))
    }
}

impl<'de> de::Visitor<'de> for Visitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text in quotes")
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Secret, E> {
        Ok(Secret(value.to_owned()))
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Secret, E> {
        Ok(Secret(value))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Secret, E> {
        Self::refuse()
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Secret, E> {
        Self::refuse()
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Secret, E> {
        Self::refuse()
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Secret, E> {
        Self::refuse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_shows_itself() {
        let secret = Secret::from("hunter2");
        let json = serde_json::to_string(&secret).unwrap();
        assert_eq!(
            format!("{secret} {secret:?} {json}"),
            "[redacted] [redacted] \"[redacted]\""
        );
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn an_empty_secret_shows_nothing() {
        assert_eq!(format!("{0}{0:?}", Secret::default()), "");
        assert!(Secret::default().is_empty());
    }

    #[test]
    fn a_secret_that_is_no_text_is_refused_without_being_shown() {
        for json in ["12345", "-12345", "true", "1.5"] {
            let error = serde_json::from_str::<Secret>(json)
                .unwrap_err()
                .to_string();
            assert!(error.starts_with("must be text"), "{error}");
        }
    }
}
