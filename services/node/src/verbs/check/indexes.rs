//! `troika check indexes`: the declared indexes beside those of the database, and the missing ones made on
//! demand. It must not know what an index is for.

use std::time::Duration;

use troika_chassis::mongo::{Mongo, MongoConfig};
use troika_chat::store::indexes::{self, IndexState};

use super::cause;
use crate::{
    config::Config,
    connection_string,
    exit::{Exit, Failure},
    output,
};

/// What making one index may take before it is left to the server.
const BUILD: Duration = Duration::from_secs(600);

/// Prints every declared index and whether it is there.
///
/// # Errors
/// When no database is configured or answers, and when an index is missing.
pub(super) async fn run(create: bool, config: &Config) -> Result<(), Failure> {
    if config.mongodb.uri.is_empty() {
        return Err(
            Failure::new(Exit::Usage, "no MongoDB is configured: set MONGODB_URI")
                .with_detail("the embedded store needs no indexes"),
        );
    }
    let settings = MongoConfig {
        operation_timeout: if create {
            BUILD
        } else {
            config.mongodb.operation_timeout
        },
        ..config.mongodb.clone()
    };
    let mongo = Mongo::connect(&settings)
        .await
        .map_err(|problem| Failure::new(Exit::Usage, problem.to_string()))?;
    let states = if create {
        indexes::create(&mongo).await
    } else {
        indexes::inspect(&mongo).await
    };
    let states = states.map_err(|error| {
        let server = connection_string::hosts(config.mongodb.uri.expose());
        Failure::new(
            Exit::Unreachable,
            format!("the MongoDB at {server} cannot be asked: {}", cause(&error)),
        )
    })?;

    output::table(
        &["Collection", "Index", "For", "State"],
        states.iter().map(row),
    )?;
    match states.iter().filter(|state| !state.present).count() {
        0 => Ok(()),
        missing => {
            let failure = Failure::new(
                Exit::Failed,
                format!("{missing} of {} indexes are missing", states.len()),
            );
            Err(if create {
                failure
            } else {
                failure.with_detail("`troika check indexes --create` makes them")
            })
        }
    }
}

fn row(state: &IndexState) -> Vec<String> {
    let keys: Vec<_> = state
        .keys
        .iter()
        .map(|(field, direction)| {
            if *direction < 0 {
                format!("{field} ↓")
            } else {
                (*field).to_owned()
            }
        })
        .collect();
    let unique = if state.unique { " (unique)" } else { "" };
    let stands = match (&state.problem, state.present) {
        (_, true) => "present".to_owned(),
        (Some(problem), false) => problem.clone(),
        (None, false) => "missing".to_owned(),
    };
    vec![
        state.collection.to_owned(),
        format!("{}{unique}", keys.join(", ")),
        state.why.to_owned(),
        stands,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_tells_keys_uniqueness_and_what_to_do() {
        let state = IndexState {
            collection: "messages",
            name: "x".into(),
            keys: &[("session_id", 1), ("timestamp", -1)],
            unique: true,
            why: "the latest messages",
            present: false,
            problem: Some("drop it first".into()),
        };
        assert_eq!(
            row(&state),
            [
                "messages",
                "session_id, timestamp ↓ (unique)",
                "the latest messages",
                "drop it first"
            ]
        );
        let present = IndexState {
            present: true,
            problem: None,
            ..state
        };
        assert_eq!(row(&present)[3], "present");
    }

    #[tokio::test]
    async fn without_a_database_there_is_nothing_to_check() {
        assert_eq!(
            run(false, &Config::default()).await.unwrap_err().exit(),
            Exit::Usage
        );
    }
}
