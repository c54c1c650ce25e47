//! `troika flags`: flags of a running flags role, as tables for people and JSON for scripts.

use std::{fs, io::Read as _, path::PathBuf};

use prost_types::Struct;
use serde_json::{Map, Value, json};
use troika_evaluation::{
    flag::Flag,
    wire::{self, to_wire_struct},
};
use troika_proto::flags::v1::{
    CreateFlagRequest, DeleteFlagRequest, ExplainRequest, ExplainResponse, Flag as WireFlag,
    GetFlagRequest, ListChangesRequest, ListFlagsRequest, RestoreFlagRequest, SetPercentageRequest,
    SwitchFlagRequest, UpdateFlagRequest, WatchRequest,
};

use super::author::Signed;
use crate::{
    client::{FlagsTarget, Peer, SHORT, within},
    config::Config,
    exit::{Exit, Failure},
    output,
};

mod view;

/// What to do with flags.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// List all flags
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Print one flag as JSON, to read or to edit
    Show {
        /// The flag's key
        key: String,
        #[command(flatten)]
        common: Common,
    },
    /// Switch a flag on
    On {
        /// The flag's key
        key: String,
        #[command(flatten)]
        signed: Signed,
        #[command(flatten)]
        common: Common,
    },
    /// Switch a flag off, at once and for everybody: the emergency stop
    #[command(after_help = "\
Needs the flags role alone: it works while the store, the metrics or the gateway are away.

Examples:
  troika flags off streaming --reason \"answers are cut\"
  troika flags off tts --addr flags.internal:50053")]
    Off {
        /// The flag's key
        key: String,
        #[command(flatten)]
        signed: Signed,
        #[command(flatten)]
        common: Common,
    },
    /// Set how many are let in, 0 to 100
    Percentage {
        /// The flag's key
        key: String,
        /// 0 to 100, in steps of 0.001
        percentage: f64,
        #[command(flatten)]
        signed: Signed,
        #[command(flatten)]
        common: Common,
    },
    /// Make a flag of JSON
    Create {
        /// The file with the flag as `show` prints it; - reads standard input
        file: PathBuf,
        #[command(flatten)]
        signed: Signed,
        #[command(flatten)]
        common: Common,
    },
    /// Replace a flag by JSON; refused when it has changed since `show` printed it
    #[command(after_help = "\
Example:
  troika flags show streaming > streaming.json
  (edit it)
  troika flags update streaming.json --reason \"whitelist for the pilot\"")]
    Update {
        /// The file with the flag as `show` prints it; - reads standard input
        file: PathBuf,
        #[command(flatten)]
        signed: Signed,
        #[command(flatten)]
        common: Common,
    },
    /// Delete a flag
    Delete {
        /// The flag's key
        key: String,
        #[command(flatten)]
        signed: Signed,
        #[command(flatten)]
        common: Common,
    },
    /// List who changed what and why, newest first
    History {
        /// The flag's key; all flags when absent
        key: Option<String>,
        /// How many changes
        #[arg(long, default_value_t = 50)]
        limit: u32,
        #[command(flatten)]
        common: Common,
    },
    /// Make a flag what it was at a revision of its history
    Restore {
        /// The flag's key
        key: String,
        /// The revision, as `history` shows it; 0 is how it came with the product
        revision: u64,
        #[command(flatten)]
        signed: Signed,
        #[command(flatten)]
        common: Common,
    },
    /// Tell what a flag says to somebody, and why
    #[command(after_help = "\
Examples:
  troika flags explain streaming sessionId=11111111-1111-4111-8111-111111111111
  troika flags explain streaming userId=u-1 language=hi-IN")]
    Explain {
        /// The flag's key
        key: String,
        /// Attributes of who asks, such as userId=u-1
        #[arg(value_name = "NAME=VALUE")]
        attributes: Vec<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Print a line for each change until Ctrl-C
    Watch {
        #[command(flatten)]
        common: Common,
    },
}

/// What every verb about flags takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Common {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    role: FlagsTarget,
}

/// Carries the verb out.
///
/// # Errors
/// What the flags role refuses, and when it does not answer.
pub(crate) async fn run(verb: Verb, config: &Config) -> Result<(), Failure> {
    match verb {
        Verb::List { common } => list(&common.role.peer(config)?, common.json).await,
        Verb::Show { key, common } => show(&common.role.peer(config)?, key).await,
        Verb::On {
            key,
            signed,
            common,
        } => switch(&common.role.peer(config)?, key, true, &signed).await,
        Verb::Off {
            key,
            signed,
            common,
        } => switch(&common.role.peer(config)?, key, false, &signed).await,
        Verb::Percentage {
            key,
            percentage,
            signed,
            common,
        } => {
            let peer = common.role.peer(config)?;
            let request = SetPercentageRequest {
                key,
                percentage,
                author: Some(signed.author()?),
            };
            let set = peer.flags().set_percentage(within(SHORT, request)).await;
            done(
                set.map_err(|status| peer.failure(&status))?
                    .into_inner()
                    .flag,
            )
        }
        Verb::Create {
            file,
            signed,
            common,
        } => {
            let peer = common.role.peer(config)?;
            let flag = Some(WireFlag::from(&read(&file)?));
            let request = CreateFlagRequest {
                flag,
                author: Some(signed.author()?),
            };
            let made = peer.flags().create_flag(within(SHORT, request)).await;
            done(
                made.map_err(|status| peer.failure(&status))?
                    .into_inner()
                    .flag,
            )
        }
        Verb::Update {
            file,
            signed,
            common,
        } => {
            let peer = common.role.peer(config)?;
            let flag = read(&file)?;
            let request = UpdateFlagRequest {
                expected_revision: flag.revision,
                flag: Some((&flag).into()),
                author: Some(signed.author()?),
            };
            let updated = peer.flags().update_flag(within(SHORT, request)).await;
            done(
                updated
                    .map_err(|status| peer.failure(&status))?
                    .into_inner()
                    .flag,
            )
        }
        Verb::Delete {
            key,
            signed,
            common,
        } => {
            let peer = common.role.peer(config)?;
            let request = DeleteFlagRequest {
                expected_revision: get(&peer, &key).await?.revision,
                author: Some(signed.author()?),
                key,
            };
            let deleted = peer.flags().delete_flag(within(SHORT, request)).await;
            deleted.map_err(|status| peer.failure(&status)).map(drop)
        }
        Verb::History { key, limit, common } => {
            let peer = common.role.peer(config)?;
            let request = ListChangesRequest {
                key: key.unwrap_or_default(),
                before_revision: None,
                limit: Some(limit),
            };
            let changes = peer.flags().list_changes(within(SHORT, request)).await;
            let changes = changes
                .map_err(|status| peer.failure(&status))?
                .into_inner()
                .changes;
            view::history(changes, common.json)
        }
        Verb::Restore {
            key,
            revision,
            signed,
            common,
        } => {
            let peer = common.role.peer(config)?;
            // One that was deleted has no revision to expect.
            let expected_revision = match get(&peer, &key).await {
                Ok(flag) => flag.revision,
                Err(failure) if failure.exit() == Exit::NotFound => 0,
                Err(failure) => return Err(failure),
            };
            let author = Some(signed.author()?);
            let request = RestoreFlagRequest {
                key,
                revision,
                expected_revision,
                author,
            };
            let restored = peer.flags().restore_flag(within(SHORT, request)).await;
            done(
                restored
                    .map_err(|status| peer.failure(&status))?
                    .into_inner()
                    .flag,
            )
        }
        Verb::Explain {
            key,
            attributes,
            common,
        } => {
            let peer = common.role.peer(config)?;
            let context = Some(attributes_of(&attributes)?);
            let request = within(SHORT, ExplainRequest { key, context });
            let explained = peer.flags().explain(request).await;
            explain(
                explained
                    .map_err(|status| peer.failure(&status))?
                    .into_inner(),
                common.json,
            )
        }
        Verb::Watch { common } => watch(&common.role.peer(config)?).await,
    }
}

async fn list(peer: &Peer, json: bool) -> Result<(), Failure> {
    let listed = peer
        .flags()
        .list_flags(within(SHORT, ListFlagsRequest {}))
        .await;
    let listed = listed.map_err(|status| peer.failure(&status))?.into_inner();
    let flags = listed
        .flags
        .into_iter()
        .map(flag)
        .collect::<Result<Vec<_>, _>>()?;
    if json {
        return output::json(&json!({ "revision": listed.revision, "flags": flags }));
    }
    view::table(&flags)
}

async fn show(peer: &Peer, key: String) -> Result<(), Failure> {
    output::json(&get(peer, &key).await?)
}

async fn get(peer: &Peer, key: &str) -> Result<Flag, Failure> {
    let request = within(
        SHORT,
        GetFlagRequest {
            key: key.to_owned(),
        },
    );
    let found = peer.flags().get_flag(request).await;
    let found = found.map_err(|status| peer.failure(&status))?.into_inner();
    flag(found.flag.unwrap_or_default())
}

async fn switch(peer: &Peer, key: String, enabled: bool, signed: &Signed) -> Result<(), Failure> {
    let request = SwitchFlagRequest {
        key,
        enabled,
        author: Some(signed.author()?),
    };
    let switched = peer.flags().switch_flag(within(SHORT, request)).await;
    let switched = switched
        .map_err(|status| peer.failure(&status))?
        .into_inner();
    if !switched.stored {
        output::warning(
            "in force now, but not stored: the store is away. The flags role stores it when the store is back; \
             do not restart the flags role before.",
        );
    }
    done(switched.flag)
}

async fn watch(peer: &Peer) -> Result<(), Failure> {
    let mut client = peer.flags().max_decoding_message_size(usize::MAX);
    let watched = client.watch(WatchRequest {}).await;
    let mut snapshots = watched
        .map_err(|status| peer.failure(&status))?
        .into_inner();
    let mut known: Option<Vec<WireFlag>> = None;
    while let Some(snapshot) = snapshots
        .message()
        .await
        .map_err(|status| peer.failure(&status))?
    {
        for sent in &snapshot.flags {
            if known.as_ref().is_none_or(|known| !known.contains(sent)) {
                output::line(&view::line(&flag(sent.clone())?))?;
            }
        }
        known = Some(snapshot.flags);
    }
    Ok(())
}

fn explain(explained: ExplainResponse, json: bool) -> Result<(), Failure> {
    let evaluation = explained.evaluation.unwrap_or_default();
    let value = evaluation.value.as_ref().and_then(wire::from_wire_value);
    if json {
        let steps: Vec<Value> = explained
            .steps
            .iter()
            .map(|step| json!({ "step": step.name, "decided": step.decided, "finding": step.finding }))
            .collect();
        return output::json(&json!({
            "key": evaluation.key, "value": value, "variant": evaluation.variant,
            "reason": evaluation.reason, "decidedBy": evaluation.decided_by,
            "identifierFrom": explained.identifier_from, "bucket": explained.bucket, "steps": steps,
        }));
    }
    output::line(&format!(
        "{} says {} ({}), decided by {}",
        evaluation.key,
        value.unwrap_or_default(),
        evaluation.variant,
        evaluation.decided_by
    ))?;
    match explained.bucket {
        Some(bucket) => output::line(&format!(
            "bucket {bucket:.3} of 100, by {}",
            explained.identifier_from
        ))?,
        None => output::line("no identifier")?,
    }
    for step in &explained.steps {
        let mark = if step.decided { "→" } else { " " };
        output::line(&format!(
            "{mark} {:<14}{}",
            step.name,
            output::printable(&step.finding)
        ))?;
    }
    Ok(())
}

/// Prints what a flag became.
fn done(changed: Option<WireFlag>) -> Result<(), Failure> {
    output::line(&view::line(&flag(changed.unwrap_or_default())?))
}

fn flag(sent: WireFlag) -> Result<Flag, Failure> {
    wire::flag(sent).map_err(|_| {
        Failure::new(
            Exit::Failed,
            "the flags role sends what this program does not know",
        )
        .with_detail("use a troika of the same version")
    })
}

fn read(file: &PathBuf) -> Result<Flag, Failure> {
    let mut text = String::new();
    let outcome = if file.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text).map(drop)
    } else {
        fs::read_to_string(file).map(|found| text = found)
    };
    outcome.map_err(|error| {
        Failure::because(
            Exit::Usage,
            &format!("{} cannot be read", file.display()),
            &error,
        )
    })?;
    serde_json::from_str(&text).map_err(|error| {
        Failure::because(
            Exit::Usage,
            &format!("{} is no flag", file.display()),
            &error,
        )
        .with_detail("write it as `troika flags show KEY` prints one")
    })
}

/// `name=value` pairs; numbers and truth values as such, identifiers always as text.
fn attributes_of(given: &[String]) -> Result<Struct, Failure> {
    let mut attributes = Map::new();
    for pair in given {
        let (name, value) = pair.split_once('=').ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                format!("`{}` is no attribute", output::printable(pair)),
            )
            .with_detail("write it as NAME=VALUE, such as userId=u-1")
        })?;
        let is_identifier = troika_evaluation::context::IDENTIFIERS.contains(&name);
        let value = match serde_json::from_str(value) {
            Ok(parsed @ (Value::Number(_) | Value::Bool(_))) if !is_identifier => parsed,
            _ => Value::String(value.to_owned()),
        };
        attributes.insert(name.to_owned(), value);
    }
    Ok(to_wire_struct(&attributes))
}
