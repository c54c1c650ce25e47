//! Who changes something: what is accepted.

use troika_chassis::error::{Code, Error, Violation};
use troika_identity::Caller;
use troika_proto::flags::v1 as wire;

use crate::log::Author;

const LONGEST_NAME: usize = 200;
const LONGEST_REASON: usize = 1000;

/// Checks who changes something: whoever calls, whatever name they sign with.
///
/// # Errors
/// When nobody is named, or at too much length.
pub(crate) fn checked(caller: &Caller, sent: Option<wire::Author>) -> Result<Author, Error> {
    let sent = sent.unwrap_or_default();
    let author = Author {
        name: plain(&caller.signature(&sent.name)),
        reason: plain(&sent.reason),
    };
    let fault = if author.name.is_empty() {
        (
            "author.name",
            "any.required",
            "author.name is required: every change has somebody who made it".to_owned(),
        )
    } else if author.name.chars().count() > LONGEST_NAME {
        (
            "author.name",
            "string.max",
            format!("author.name must be at most {LONGEST_NAME} characters long"),
        )
    } else if author.reason.chars().count() > LONGEST_REASON {
        (
            "author.reason",
            "string.max",
            format!("author.reason must be at most {LONGEST_REASON} characters long"),
        )
    } else {
        return Ok(author);
    };
    let (field, kind, message) = fault;
    Err(invalid(vec![Violation {
        field: field.to_owned(),
        kind: kind.to_owned(),
        message,
    }]))
}

/// Without control characters and blanks around it.
fn plain(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .collect::<String>()
        .trim()
        .to_owned()
}

/// Bad input, with all of its faults.
pub(crate) fn invalid(faults: Vec<Violation>) -> Error {
    let message = faults
        .iter()
        .map(|fault| fault.message.as_str())
        .collect::<Vec<_>>()
        .join("; ");
    Error::new(Code::InvalidArgument, "invalid_argument", message).with_violations(faults)
}
