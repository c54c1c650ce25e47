//! Messages to people: what fires and what is over, as text and as what Slack shows. Pure.

use std::{collections::BTreeMap, time::SystemTime};

use serde_json::{Value, json};

use crate::{
    rule::Severity,
    state::{News, Notice},
};

/// Attachments of one message; Slack refuses messages with more than a hundred and shows few of them.
const ATTACHMENTS: usize = 20;

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Message {
    /// What happened to alerts, by rising time, and how many older notices there is no room for.
    News {
        notices: Vec<Notice>,
        left_out: usize,
    },
    /// A test.
    Test,
}

impl Message {
    /// A line.
    pub(crate) fn subject(&self) -> String {
        let Self::News { notices, .. } = self else {
            return "[TEST] troika: alerts reach you".to_owned();
        };
        // How each stands now: a message that was held back may hold its whole story.
        let latest: BTreeMap<&str, &Notice> =
            notices.iter().map(|it| (it.name.as_str(), it)).collect();
        let latest: Vec<&Notice> = latest.into_values().collect();
        let firing = latest.iter().filter(|it| it.news != News::Resolved);
        let firing: Vec<&Notice> = firing.copied().collect();
        match (firing.as_slice(), latest.as_slice()) {
            ([], [one]) => format!("[RESOLVED] troika: {}", one.name),
            ([], all) => format!("[RESOLVED] troika: {} alerts", all.len()),
            ([one], _) => format!("[{}] troika: {}", word(one).to_uppercase(), one.summary),
            (all, _) => {
                let worst = all.iter().map(|it| it.severity).max();
                let worst = worst.unwrap_or(Severity::Warning).name().to_uppercase();
                format!("[{worst}] troika: {} alerts", all.len())
            }
        }
    }

    /// Some lines.
    pub(crate) fn text(&self) -> String {
        let Self::News { notices, left_out } = self else {
            return "This is a test: alerts reach you. Nothing is wrong.".to_owned();
        };
        let mut lines: Vec<String> = notices.iter().map(line).collect();
        if *left_out > 0 {
            lines.push(left_out_of(*left_out));
        }
        lines.join("\n")
    }

    /// As Slack's webhooks take it; others find the text.
    pub(crate) fn slack(&self) -> Value {
        let Self::News { notices, left_out } = self else {
            return json!({ "text": format!("{}\n{}", self.subject(), self.text()) });
        };
        let newest = notices.len().saturating_sub(ATTACHMENTS);
        let attachments: Vec<Value> = notices[newest..]
            .iter()
            .map(|notice| {
                json!({
                    "color": match (notice.news, notice.severity) {
                        (News::Resolved, _) => "good",
                        (_, Severity::Critical) => "danger",
                        (_, Severity::Warning) => "warning",
                    },
                    "title": notice.name,
                    "text": line(notice),
                    "fallback": line(notice),
                    "ts": seconds(notice.since),
                })
            })
            .collect();
        let text = match left_out + newest {
            0 => self.subject(),
            more => format!("{}\n{}", self.subject(), left_out_of(more)),
        };
        json!({ "text": text, "attachments": attachments })
    }
}

fn left_out_of(notices: usize) -> String {
    format!("{notices} older ones are left out: too many came together.")
}

fn line(notice: &Notice) -> String {
    let (value, threshold) = (short(notice.value), short(notice.threshold));
    let since = humantime::format_rfc3339_seconds(notice.since);
    let (word, name, summary) = (word(notice), &notice.name, &notice.summary);
    format!("{word}: {name}: {summary} Measured {value}, the limit is {threshold}. Since {since}.")
}

fn word(notice: &Notice) -> &'static str {
    match notice.news {
        News::Resolved => "resolved",
        News::StillFiring | News::Firing => notice.severity.name(),
    }
}

/// With no more digits than say something.
fn short(number: f64) -> String {
    let rounded = (number * 100.0).round() / 100.0;
    rounded.to_string()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
