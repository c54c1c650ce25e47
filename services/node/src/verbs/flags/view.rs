//! Flags as they are shown: rows and lines for people, JSON for scripts.

use serde_json::{Value, json};
use troika_evaluation::{flag::Flag, wire};
use troika_proto::flags::v1::Change;

use crate::{exit::Failure, output};

/// A table of flags.
pub(super) fn table(flags: &[Flag]) -> Result<(), Failure> {
    output::table(
        &[
            "Flag",
            "Type",
            "State",
            "Let in",
            "Lists, rules",
            "Revision",
            "Changed by",
        ],
        flags.iter().map(|flag| {
            vec![
                flag.key.clone(),
                flag.kind.name().to_owned(),
                state(flag).to_owned(),
                let_in(flag),
                targeting(flag),
                flag.revision.to_string(),
                output::printable(&flag.updated_by),
            ]
        }),
    )
}

/// A flag on one line.
pub(super) fn line(flag: &Flag) -> String {
    let targeting = targeting(flag);
    let by = match flag.updated_by.as_str() {
        "" => String::new(),
        name => format!(", by {}", output::printable(name)),
    };
    let and = if targeting.is_empty() { "" } else { ", " };
    format!(
        "{} is {}, {}{and}{targeting} (revision {}{by})",
        flag.key,
        state(flag),
        let_in(flag),
        flag.revision
    )
}

/// Who changed what, and why.
pub(super) fn history(changes: Vec<Change>, json: bool) -> Result<(), Failure> {
    if json {
        let changes: Vec<Value> = changes.into_iter().map(document).collect();
        return output::json(&json!({ "changes": changes }));
    }
    output::table(
        &["Revision", "When", "Flag", "What", "Who", "Why"],
        changes.into_iter().map(|change| {
            let author = change.author.clone().unwrap_or_default();
            vec![
                change.revision.to_string(),
                when(&change),
                change.key.clone(),
                what(&change),
                output::printable(&author.name),
                output::printable(&author.reason),
            ]
        }),
    )
}

fn document(change: Change) -> Value {
    let when = when(&change);
    let author = change.author.unwrap_or_default();
    let flag = |sent: Option<_>| sent.and_then(|sent| wire::flag(sent).ok());
    json!({
        "revision": change.revision, "at": when, "key": change.key,
        "author": author.name, "reason": author.reason, "rolloutId": change.rollout_id,
        "before": flag(change.before), "after": flag(change.after),
    })
}

fn when(change: &Change) -> String {
    change
        .at
        .and_then(|at| std::time::SystemTime::try_from(at).ok())
        .map(|at| humantime::format_rfc3339_seconds(at).to_string())
        .unwrap_or_default()
}

/// The change in a few words.
fn what(change: &Change) -> String {
    let (before, after) = match (&change.before, &change.after) {
        (None, _) => return "created".to_owned(),
        (_, None) => return "deleted".to_owned(),
        (Some(before), Some(after)) => (before, after),
    };
    let mut words = Vec::new();
    if before.enabled != after.enabled {
        words.push(if after.enabled { "on" } else { "off" }.to_owned());
    }
    if before.percentage != after.percentage {
        words.push(format!("{} % → {} %", before.percentage, after.percentage));
    }
    for (name, differs) in [
        ("blacklist", before.blacklist != after.blacklist),
        ("whitelist", before.whitelist != after.whitelist),
        ("rules", before.rules != after.rules),
        ("A/B test", before.ab_test != after.ab_test),
        ("variants", before.variants != after.variants),
        ("schedule", before.schedule != after.schedule),
        ("bucketing", before.bucketing != after.bucketing),
    ] {
        if differs {
            words.push(name.to_owned());
        }
    }
    if words.is_empty() {
        words.push("other fields".to_owned());
    }
    words.join(", ")
}

fn state(flag: &Flag) -> &'static str {
    if flag.enabled { "on" } else { "off" }
}

fn let_in(flag: &Flag) -> String {
    match &flag.ab_test {
        Some(test) if test.enabled => "A/B test".to_owned(),
        _ => format!("{} %", flag.percentage),
    }
}

fn targeting(flag: &Flag) -> String {
    [
        ("never", flag.blacklist.len()),
        ("always", flag.whitelist.len()),
        ("rules", flag.rules.len()),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .map(|(name, count)| format!("{count} {name}"))
    .collect::<Vec<_>>()
    .join(", ")
}
