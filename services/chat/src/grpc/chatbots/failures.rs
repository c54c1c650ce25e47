//! What stores and the importer could not do, in the vocabulary of the wire.

use std::time::Duration;

use troika_chassis::error::{Code, Error};

use crate::{
    knowledge::{documents::DocumentError, importer::ImportError},
    store::StoreError,
};

/// When to try again what a store or a limit refused.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Nobody knows the bot.
pub(super) fn no_bot() -> Error {
    Error::new(
        Code::NotFound,
        "bot_not_found",
        "There is no bot with this id.",
    )
}

/// A store's failure. What does not exist is a bot: nothing else is named to a store.
pub(super) fn store_failure(error: StoreError) -> Error {
    match error {
        StoreError::NotFound => no_bot(),
        StoreError::AlreadyExists => {
            Error::new(Code::AlreadyExists, "already_exists", "It exists already.")
        }
        StoreError::Unavailable(_) => {
            let message = "The database is not available right now. Please try again in a moment.";
            Error::new(Code::Unavailable, "store_unavailable", message)
                .with_retry_after(RETRY_AFTER)
                .with_source(error)
        }
        StoreError::Corrupt { .. } => {
            let message = "Stored data cannot be read. The service's log says which.";
            Error::new(Code::Internal, "stored_data_unreadable", message).with_source(error)
        }
    }
}

/// An import's failure.
pub(super) fn import_failure(error: ImportError) -> Error {
    match error {
        ImportError::Document(error) => document_failure(&error),
        ImportError::Store(error) => store_failure(error),
        // The stream of pieces already speaks the wire's vocabulary where the sender is at fault.
        ImportError::Upload(source) => match source.downcast::<Error>() {
            Ok(error) => *error,
            Err(source) => Error::new(
                Code::Cancelled,
                "upload_interrupted",
                "The upload broke off. Please send it again.",
            )
            .with_source(source),
        },
        ImportError::Stalled(_) => {
            Error::new(Code::DeadlineExceeded, "upload_stalled", sentence(&error))
        }
        ImportError::TooMany(_) => Error::new(
            Code::ResourceExhausted,
            "too_many_imports",
            sentence(&error),
        )
        .with_retry_after(RETRY_AFTER),
        ImportError::Cut => Error::internal(error),
    }
}

fn document_failure(error: &DocumentError) -> Error {
    let code = match error {
        DocumentError::TooLarge(_) => Code::PayloadTooLarge,
        DocumentError::TooSlow(_) => Code::DeadlineExceeded,
        DocumentError::Busy => Code::ResourceExhausted,
        DocumentError::NoReader => Code::Unavailable,
        _ => Code::InvalidArgument,
    };
    let failure = Error::new(code, error.reason(), sentence(error));
    if code == Code::ResourceExhausted {
        failure.with_retry_after(RETRY_AFTER)
    } else {
        failure
    }
}

/// An error's text as a sentence.
fn sentence(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), chars.as_str()),
        None => text,
    }
}
