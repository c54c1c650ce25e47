//! Collects what is wrong with a request, so that all of it is told at once. Knows the forms that values
//! have; knows no message of the contract.

use troika_chassis::{
    error::{Code, Error, Violation},
    origin::Pattern,
};
use url::Url;

use crate::bots::BotId;

/// Characters of a session's name.
const SESSION: usize = 255;
/// Characters of an address.
const ADDRESS: usize = 2048;

/// What is wrong with a request, so far.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Violation>);

impl Faults {
    /// Adds a fault; the message goes on after the field's name.
    pub(super) fn push(&mut self, field: &str, kind: &str, message: impl AsRef<str>) {
        let message = format!("{field} {}", message.as_ref());
        self.0.push(Violation {
            field: field.to_owned(),
            message,
            kind: kind.to_owned(),
        });
    }

    /// All faults as one error.
    pub(super) fn none(self) -> Result<(), Error> {
        if self.0.is_empty() {
            return Ok(());
        }
        let messages: Vec<&str> = self
            .0
            .iter()
            .map(|violation| violation.message.as_str())
            .collect();
        let message = messages.join("; ");
        Err(Error::new(Code::InvalidArgument, "invalid_argument", message).with_violations(self.0))
    }

    /// The value, which is there when nothing was wrong.
    pub(super) fn with<T>(self, value: Option<T>) -> Result<T, Error> {
        self.none()?;
        value.ok_or_else(|| Error::of(Code::InvalidArgument))
    }

    /// An id of 24 hexadecimal digits.
    pub(super) fn bot_id(&mut self, field: &str, id: &str) -> Option<BotId> {
        if id.is_empty() {
            self.push(field, "any.required", "is required");
            return None;
        }
        let id = id.parse();
        if id.is_err() {
            self.push(field, "string.hex", "must be 24 hexadecimal digits");
        }
        id.ok()
    }

    /// A session's name: a UUID, or any string in old data.
    pub(super) fn session_id(&mut self, field: &str, id: &str) {
        if id.trim().is_empty() {
            self.push(field, "any.required", "is required");
        } else {
            self.length(field, id, SESSION);
        }
    }

    /// A count of 1 to the most, or the default where 0 was sent.
    pub(super) fn count(&mut self, field: &str, count: u32, (most, default): (u32, u32)) -> usize {
        if count > most {
            self.push(field, "number.max", format!("must be at most {most}"));
        }
        (if count == 0 { default } else { count.min(most) }) as usize
    }

    /// A page token is the id of the last bot of the page before.
    pub(super) fn page_token(&mut self, token: &str) -> Option<BotId> {
        if token.is_empty() {
            return None;
        }
        let after = token.parse();
        if after.is_err() {
            self.push(
                "page_token",
                "any.invalid",
                "must come from the page before, unchanged",
            );
        }
        after.ok()
    }

    /// A text of so many characters at most.
    pub(super) fn length(&mut self, field: &str, text: &str, most: usize) {
        if text.chars().nth(most).is_some() {
            self.push(
                field,
                "string.max",
                format!("must be at most {most} characters long"),
            );
        }
    }

    /// A number within bounds, where there is one.
    pub(super) fn range(&mut self, field: &str, value: Option<u32>, least: u32, most: u32) {
        if value.is_some_and(|value| value < least) {
            self.push(field, "number.min", format!("must be at least {least}"));
        }
        if value.is_some_and(|value| value > most) {
            self.push(field, "number.max", format!("must be at most {most}"));
        }
    }

    /// An absolute http or https address.
    pub(super) fn address(&mut self, field: &str, text: &str) -> Option<Url> {
        self.length(field, text, ADDRESS);
        let url = Url::parse(text)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if url.is_none() {
            self.push(
                field,
                "string.uri",
                "must be an address that starts with http:// or https://",
            );
        }
        url
    }

    /// A web origin, in the form browsers send, or all of them below a host.
    pub(super) fn origin(&mut self, field: &str, text: &str) -> Option<String> {
        self.length(field, text, ADDRESS);
        let pattern = Pattern::parse(text);
        if pattern.is_none() {
            self.push(
                field,
                "string.uri",
                "must be an origin alone, such as https://example.com, or https://*.example.com for all below it: no path, no user",
            );
        }
        pattern.map(|pattern| pattern.to_string())
    }
}
