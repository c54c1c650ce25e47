//! `troika audit`: who changed what, and whether the log of it is whole.

use std::time::SystemTime;

use serde_json::{Value, json};
use troika_proto::{
    audit::v1::{Entry, ListEntriesRequest, VerifyRequest},
    flags::v1::{Change, ListChangesRequest},
};

use crate::{
    cli::Role,
    client::{LONG, Peer, SHORT, within},
    config::Config,
    exit::{Exit, Failure},
    output,
};

/// Letters of a value that are shown in a table.
const SHOWN: usize = 120;

/// What to show of an audit log.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  troika audit
  troika audit --source metrics --limit 10
  troika audit --target 65a1b2c3d4e5f60718293a4b --json
  troika audit --verify")]
pub(crate) struct Args {
    /// Whose log
    #[arg(long, value_enum, default_value_t)]
    source: Source,
    /// How many entries, the newest first
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Entries before this number
    #[arg(long, value_name = "NUMBER")]
    before: Option<u64>,
    /// Of this bot, account, …, by its id, or flag, by its key
    #[arg(long, default_value = "", hide_default_value = true)]
    target: String,
    /// Of this kind, such as bot.update
    #[arg(long, default_value = "", hide_default_value = true)]
    action: String,
    /// Read the whole log and tell whether it was changed behind its back; ends with a code other than 0 when it was
    #[arg(long, conflicts_with_all = ["limit", "before", "target", "action"])]
    verify: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The role's gRPC address, such as 127.0.0.1:50051; the configured one when absent
    #[arg(long, value_name = "ADDRESS")]
    addr: Option<String>,
}

/// Whose log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Source {
    /// Bots and their knowledge
    #[default]
    Chat,
    /// Figures and alerts
    Metrics,
    /// Accounts of those who run the system
    Accounts,
    /// Flags
    Flags,
}

impl Source {
    /// The role that keeps it.
    fn role(self) -> Role {
        match self {
            Self::Chat => Role::Chat,
            Self::Metrics => Role::Metrics,
            Self::Accounts | Self::Flags => Role::Flags,
        }
    }
}

/// Shows it.
///
/// # Errors
/// What the role refuses; a log that is not whole.
pub(crate) async fn run(args: Args, config: &Config) -> Result<(), Failure> {
    let peer = Peer::at(args.source.role(), args.addr.as_deref(), config)?;
    match (args.verify, args.source) {
        (true, Source::Flags) => Err(Failure::new(
            Exit::Usage,
            "the entries of flags are not chained: there is nothing to verify",
        )),
        (true, _) => verify(&peer, args.json).await,
        (false, Source::Flags) => changes(&peer, args).await,
        (false, _) => entries(&peer, args).await,
    }
}

async fn verify(peer: &Peer, json: bool) -> Result<(), Failure> {
    let verified = peer.audit().verify(within(LONG, VerifyRequest {})).await;
    let verified = verified
        .map_err(|status| peer.failure(&status))?
        .into_inner();
    let (entries, broken) = (verified.entries, verified.first_broken);
    if json {
        output::json(&json!({
            "intact": broken == 0, "entries": entries, "firstBroken": (broken > 0).then_some(broken),
        }))?;
    }
    if broken > 0 {
        let message = format!(
            "the log was changed behind its back: entry {broken} does not follow from the one before"
        );
        return Err(Failure::new(Exit::Failed, message).with_detail(
            "compare it with a backup, and with the hashes in the log of the processes",
        ));
    }
    if json {
        return Ok(());
    }
    let told = match entries {
        1 => "1 entry follows".to_owned(),
        entries => format!("{entries} entries follow"),
    };
    output::line(&format!("{told} from the first to the last."))
}

async fn entries(peer: &Peer, args: Args) -> Result<(), Failure> {
    let request = ListEntriesRequest {
        before: args.before.unwrap_or_default(),
        limit: args.limit,
        target: args.target,
        action: args.action,
    };
    let listed = peer.audit().list_entries(within(SHORT, request)).await;
    let listed = listed.map_err(|status| peer.failure(&status))?.into_inner();
    show(listed.entries, args.json)
}

/// The log of flags knows no actions: those among the changes that were asked for are shown.
async fn changes(peer: &Peer, args: Args) -> Result<(), Failure> {
    let request = ListChangesRequest {
        key: args.target,
        before_revision: args.before,
        limit: Some(args.limit),
    };
    let listed = peer.flags().list_changes(within(SHORT, request)).await;
    let listed = listed.map_err(|status| peer.failure(&status))?.into_inner();
    let entries = listed.changes.into_iter().map(as_entry);
    let wanted = entries.filter(|entry| args.action.is_empty() || entry.action == args.action);
    show(wanted.collect(), args.json)
}

fn as_entry(change: Change) -> Entry {
    let action = match (&change.before, &change.after) {
        (None, _) => "flag.create",
        (_, None) => "flag.delete",
        _ => "flag.update",
    };
    let value = |flag: Option<_>| {
        let flag = flag.and_then(|flag| troika_evaluation::wire::flag(flag).ok());
        flag.and_then(|flag| serde_json::to_string(&flag).ok())
    };
    Entry {
        number: change.revision,
        time: change.at,
        name: change.author.unwrap_or_default().name,
        action: action.to_owned(),
        target: change.key,
        before: value(change.before).unwrap_or_default(),
        after: value(change.after).unwrap_or_default(),
        ..Entry::default()
    }
}

fn show(entries: Vec<Entry>, json: bool) -> Result<(), Failure> {
    if json {
        let entries: Vec<Value> = entries.iter().map(document).collect();
        return output::json(&json!({ "entries": entries }));
    }
    if entries.is_empty() {
        return output::line("Nothing of the kind was changed.");
    }
    let header = ["Number", "When", "Who", "What", "Target", "Before", "After"];
    output::table(&header, entries.iter().map(row))
}

fn row(entry: &Entry) -> Vec<String> {
    let who = match (entry.name.as_str(), entry.role.as_str()) {
        ("", role) => role.to_owned(),
        (name, "") => name.to_owned(),
        (name, role) => format!("{name} ({role})"),
    };
    vec![
        entry.number.to_string(),
        when(entry),
        who,
        entry.action.clone(),
        entry.target.clone(),
        shortened(&entry.before),
        shortened(&entry.after),
    ]
}

fn when(entry: &Entry) -> String {
    let time = entry.time.and_then(|at| SystemTime::try_from(at).ok());
    time.map(|at| humantime::format_rfc3339_seconds(at).to_string())
        .unwrap_or_default()
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn document(entry: &Entry) -> Value {
    let value = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    json!({
        "number": entry.number, "time": when(entry), "subject": entry.subject, "name": entry.name, "role": entry.role,
        "action": entry.action, "target": entry.target, "before": value(&entry.before), "after": value(&entry.after),
        "requestId": entry.request_id, "hash": entry.hash,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_told_with_what_they_are() {
        let row = |name: &str, role: &str| {
            let entry = Entry {
                name: name.to_owned(),
                role: role.to_owned(),
                ..Entry::default()
            };
            super::row(&entry)[2].clone()
        };
        assert_eq!(row("ada@example.com", "admin"), "ada@example.com (admin)");
        assert_eq!(row("ada@example.com", ""), "ada@example.com");
        assert_eq!(row("", "anonymous"), "anonymous");
    }

    #[test]
    fn long_values_are_cut_between_letters() {
        let text = "ü".repeat(SHOWN);
        assert_eq!(shortened(&text), text);
        assert_eq!(shortened(&format!("{text}x")), format!("{text}…"));
    }
}
