//! What may be a password. Pure; it knows neither hashes nor stores.

mod commonest;

use std::collections::HashSet;

use troika_chassis::error::Violation;
use unicode_normalization::UnicodeNormalization as _;

use crate::account::Email;

/// Fewest and most characters.
pub(crate) const SHORTEST: usize = 12;
pub(crate) const LONGEST: usize = 256;

/// Fewer different characters than this are guessed however often they are repeated.
const FEWEST_DIFFERENT: usize = 5;

/// Something typed as a password, in one spelling whatever keyboard it came from. Neither shown nor compared.
pub(crate) struct Password(String);

impl Password {
    /// What was typed to sign in; whatever could not have been accepted is none.
    pub(crate) fn typed(text: &str) -> Option<Self> {
        // Composing changes the count of characters; what is far too long need not be composed.
        if text.len() > LONGEST * 16 {
            return None;
        }
        let text = spelled(text);
        (1..=LONGEST)
            .contains(&text.chars().count())
            .then_some(Self(text))
    }

    /// Checks a new password for the account of `email`.
    ///
    /// # Errors
    /// What to change.
    pub(crate) fn chosen(text: &str, email: Option<&Email>) -> Result<Self, Violation> {
        let wrong = |kind: &str, message: String| Violation {
            field: "password".to_owned(),
            kind: kind.to_owned(),
            message,
        };
        if text.is_empty() {
            return Err(wrong("any.required", "password is required".to_owned()));
        }
        let too_long = || {
            wrong(
                "string.max",
                format!("password must be at most {LONGEST} characters long"),
            )
        };
        if text.len() > LONGEST * 16 {
            return Err(too_long());
        }
        let text = spelled(text);
        let count = text.chars().count();
        if count < SHORTEST {
            return Err(wrong(
                "string.min",
                format!(
                    "password must be at least {SHORTEST} characters long: four words that have nothing to do with each other are easy to remember"
                ),
            ));
        }
        if count > LONGEST {
            return Err(too_long());
        }
        if text.chars().any(char::is_control) {
            return Err(wrong(
                "string.pattern",
                "password must not hold line breaks, tabs or other characters that a form cannot take".to_owned(),
            ));
        }
        let lower = text.to_lowercase();
        if email.is_some_and(|email| is_address(&lower, email)) {
            return Err(wrong(
                "password.address",
                "password must not be the address: whoever guesses begins with it".to_owned(),
            ));
        }
        if lower.chars().collect::<HashSet<_>>().len() < FEWEST_DIFFERENT || commonest::is(&lower) {
            return Err(wrong(
                "password.common",
                "password is among those that are tried first: choose one that nobody else would, such as four words that have nothing to do with each other"
                    .to_owned(),
            ));
        }
        Ok(Self(text))
    }

    /// The bytes to hash.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// In one spelling (RFC 8265, 4.2): composed, and with one kind of space.
fn spelled(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            letter if letter.is_whitespace() && !letter.is_control() => ' ',
            letter => letter,
        })
        .nfc()
        .collect()
}

fn is_address(password: &str, email: &Email) -> bool {
    let password = password.trim();
    password == email.as_str() || password == email.local_part()
}

#[cfg(test)]
mod tests;
