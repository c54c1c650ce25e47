//! Settings of alerting.

use std::{collections::BTreeMap, time::Duration};

use lettre::message::Mailbox;
use serde::{Deserialize, Serialize};
use troika_chassis::config::{Problems, Secret, Validate};
use url::Url;

use crate::rule::{Comparison, Figure, Rule, Severity, Window, built_in};

/// Who is told what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// How long after a message an alert that still fires is told again.
    #[serde(with = "humantime_serde")]
    pub repeat: Duration,
    /// Messages to each receiver in an hour; what is held back is told in the next one.
    pub max_messages: u32,
    /// Changes of the built-in rules, and further ones, by name.
    pub rules: BTreeMap<String, RuleChange>,
    /// A webhook that takes what Slack takes.
    pub webhook: Webhook,
    /// Mail.
    pub email: Email,
}

/// What is to be different about a rule. A new one needs `figure`, `threshold` and `summary`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuleChange {
    /// `false`: the rule is not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// See [`Rule::figure`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub figure: Option<Figure>,
    /// See [`Rule::window`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// See [`Rule::comparison`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
    /// See [`Rule::threshold`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// See [`Rule::hold`].
    #[serde(
        rename = "for",
        with = "humantime_serde::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub hold: Option<Duration>,
    /// See [`Rule::keep`].
    #[serde(
        with = "humantime_serde::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub keep: Option<Duration>,
    /// See [`Rule::min_turns`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_turns: Option<u64>,
    /// See [`Rule::severity`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// See [`Rule::summary`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

/// A webhook.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Webhook {
    /// Where messages are posted; empty: nowhere. Whoever knows it can post there.
    pub url: Secret,
    /// Alerts below this are not told.
    pub min_severity: Severity,
}

/// Mail over SMTP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Email {
    /// The mail server; empty: no mail.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub tls: Tls,
    /// The account, where the server asks for one.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// The sender.
    pub from: String,
    /// Who gets it.
    pub to: Vec<String>,
    /// Alerts below this are not told.
    pub min_severity: Severity,
}

/// How a connection to a mail server is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// From the beginning, usually on port 465.
    Wrapped,
    /// After STARTTLS, usually on port 587; a server without it is not used.
    #[default]
    Starttls,
    /// Not at all: for a server on the same machine.
    None,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            repeat: Duration::from_secs(4 * 60 * 60),
            max_messages: 20,
            rules: BTreeMap::new(),
            webhook: Webhook::default(),
            email: Email::default(),
        }
    }
}

impl Default for Webhook {
    fn default() -> Self {
        Self {
            url: Secret::default(),
            min_severity: Severity::Warning,
        }
    }
}

impl Default for Email {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: 587,
            tls: Tls::default(),
            user: String::new(),
            password: Secret::default(),
            from: String::new(),
            to: Vec::new(),
            min_severity: Severity::Critical,
        }
    }
}

impl Config {
    /// The rules in force, by name.
    pub fn rules(&self) -> BTreeMap<String, Rule> {
        let mut rules = built_in();
        for (name, change) in &self.rules {
            if change.enabled == Some(false) {
                rules.remove(name);
                continue;
            }
            match rules.remove(name).or_else(|| change.begin()) {
                Some(rule) => {
                    rules.insert(name.clone(), change.apply(rule));
                }
                // Refused when the settings are read.
                None => tracing::warn!(rule = name, "a rule without a figure is left out"),
            }
        }
        rules
    }
}

impl RuleChange {
    /// A new rule, as far as it can be one.
    fn begin(&self) -> Option<Rule> {
        Some(Rule {
            figure: self.figure?,
            window: Window::FiveMinutes,
            comparison: Comparison::Above,
            threshold: self.threshold?,
            hold: Duration::from_secs(60),
            keep: Duration::from_secs(5 * 60),
            min_turns: 0,
            severity: Severity::Warning,
            summary: self.summary.clone()?,
        })
    }

    fn apply(&self, rule: Rule) -> Rule {
        Rule {
            figure: self.figure.unwrap_or(rule.figure),
            window: self.window.unwrap_or(rule.window),
            comparison: self.comparison.unwrap_or(rule.comparison),
            threshold: self.threshold.unwrap_or(rule.threshold),
            hold: self.hold.unwrap_or(rule.hold),
            keep: self.keep.unwrap_or(rule.keep),
            min_turns: self.min_turns.unwrap_or(rule.min_turns),
            severity: self.severity.unwrap_or(rule.severity),
            summary: self.summary.clone().unwrap_or(rule.summary),
        }
    }
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        problems.check(!self.repeat.is_zero(), "repeat", "must be longer than 0s");
        problems.check(self.max_messages > 0, "max_messages", "must be at least 1");
        let known = built_in();
        for (name, change) in &self.rules {
            let whole = known.contains_key(name)
                || change.enabled == Some(false)
                || change.begin().is_some();
            problems.check(
                whole,
                "rules",
                format!("{name} is a new rule: it needs figure, threshold and summary"),
            );
            let finite = change.threshold.is_none_or(f64::is_finite);
            problems.check(
                finite,
                "rules",
                format!("{name}: threshold must be a number"),
            );
        }
        let url = &self.webhook.url;
        let http = Url::parse(url.expose())
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        problems.at("webhook").check(
            url.is_empty() || http,
            "url",
            "must be an address such as https://hooks.example/…",
        );
        self.email.check(&mut problems.at("email"));
    }
}

impl Email {
    fn check(&self, problems: &mut Problems) {
        if self.host.is_empty() {
            return;
        }
        let address = |text: &str| text.parse::<Mailbox>().is_ok();
        problems.check(
            address(&self.from),
            "from",
            "must be an address such as troika@example.com",
        );
        problems.check(
            !self.to.is_empty() && self.to.iter().all(|to| address(to)),
            "to",
            "must be a list of addresses",
        );
        problems.check(
            self.user.is_empty() == self.password.is_empty(),
            "password",
            "belongs to a user: set both, or neither",
        );
        problems.check(
            self.user.is_empty() || self.tls != Tls::None,
            "tls",
            "must not be none where a password is sent",
        );
    }
}
