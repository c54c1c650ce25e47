//! A bot as it is shown: rows for people, JSON for scripts. It must not know where bots come from.

use serde::Serialize;
use troika_proto::chat::v1::{Access, Bot, BotQuota};

/// A bot in the names of its JSON.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct View {
    id: String,
    name: String,
    persona: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    model: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    language: String,
    access: &'static str,
    allowed_origins: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    booking_url: String,
    limits: Limits,
    #[serde(skip_serializing_if = "String::is_empty")]
    company_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    quota: Option<Quota>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<String>,
}

#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Limits {
    #[serde(skip_serializing_if = "Option::is_none")]
    answer_characters: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    history_messages: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    turn: Option<String>,
}

/// What a bot may use, and what it used.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Quota {
    #[serde(skip_serializing_if = "Option::is_none")]
    token_limit: Option<u64>,
    used_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    monthly_limit: Option<u64>,
    monthly_used: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription_ends: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    free_messages: Option<u32>,
    #[serde(skip_serializing_if = "String::is_empty")]
    auth_method: String,
}

impl From<BotQuota> for Quota {
    fn from(quota: BotQuota) -> Self {
        Self {
            token_limit: quota.token_limit,
            used_tokens: quota.used_tokens,
            monthly_limit: quota.monthly_limit,
            monthly_used: quota.monthly_used,
            subscription_ends: quota.subscription_ends.map(|time| time.to_string()),
            free_messages: quota.free_messages,
            auth_method: quota.auth_method,
        }
    }
}

impl From<Bot> for View {
    fn from(bot: Bot) -> Self {
        let access = match bot.access() {
            Access::Public => "public",
            Access::Private => "private",
            Access::Unspecified => "unknown",
        };
        let limits = bot.limits.unwrap_or_default();
        Self {
            access,
            id: bot.id,
            name: bot.name,
            persona: bot.persona,
            model: bot.model,
            temperature: bot.temperature,
            language: bot.language,
            allowed_origins: bot.allowed_origins,
            booking_url: bot.booking_url,
            limits: Limits {
                answer_characters: limits.answer_characters,
                completion_tokens: limits.completion_tokens,
                history_messages: limits.history_messages,
                turn: limits.turn.map(|turn| turn.to_string()),
            },
            company_id: bot.company_id,
            quota: bot.quota.map(Quota::from),
            created_at: bot.created_at.map(|time| time.to_string()),
            updated_at: bot.updated_at.map(|time| time.to_string()),
        }
    }
}

impl View {
    /// The columns of a list.
    pub(super) const HEADER: [&'static str; 6] =
        ["Id", "Name", "Access", "Language", "Model", "Updated"];

    /// One row of a list.
    pub(super) fn row(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.name.clone(),
            self.access.to_owned(),
            self.language.clone(),
            or_default(&self.model),
            self.updated_at.clone().unwrap_or_default(),
        ]
    }

    /// Everything about the bot, a row each.
    pub(super) fn fields(&self) -> Vec<Vec<String>> {
        let limits = &self.limits;
        let mut fields = [
            ("Id", self.id.clone()),
            ("Name", self.name.clone()),
            ("Persona", self.persona.clone()),
            ("Model", or_default(&self.model)),
            ("Temperature", number(self.temperature)),
            ("Language", self.language.clone()),
            ("Access", self.access.to_owned()),
            (
                "Origins",
                if self.allowed_origins.is_empty() {
                    "any".into()
                } else {
                    self.allowed_origins.join("\n")
                },
            ),
            (
                "Booking",
                if self.booking_url.is_empty() {
                    "none".into()
                } else {
                    self.booking_url.clone()
                },
            ),
            ("Answer characters", number(limits.answer_characters)),
            ("Completion tokens", number(limits.completion_tokens)),
            ("History messages", number(limits.history_messages)),
            (
                "Longest turn",
                limits.turn.clone().unwrap_or_else(|| or_default("")),
            ),
        ]
        .to_vec();
        if !self.company_id.is_empty() {
            fields.push(("Company", self.company_id.clone()));
        }
        fields.extend(self.quota.iter().flat_map(Quota::fields));
        fields.extend([
            ("Created", self.created_at.clone().unwrap_or_default()),
            ("Updated", self.updated_at.clone().unwrap_or_default()),
        ]);
        fields
            .into_iter()
            .map(|(field, value)| vec![field.to_owned(), value])
            .collect()
    }
}

impl Quota {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let of = |used: u64, limit: Option<u64>| match limit {
            Some(limit) => format!("{used} of {limit}"),
            None => used.to_string(),
        };
        let mut fields = vec![
            ("Tokens used", of(self.used_tokens, self.token_limit)),
            (
                "Tokens used this month",
                of(self.monthly_used, self.monthly_limit),
            ),
        ];
        if let Some(ends) = &self.subscription_ends {
            fields.push(("Subscription ends", ends.clone()));
        }
        if let Some(free) = self.free_messages {
            fields.push(("Free messages", free.to_string()));
        }
        if !self.auth_method.is_empty() {
            fields.push(("Visitors sign in by", self.auth_method.clone()));
        }
        fields
    }
}

fn or_default(value: &str) -> String {
    if value.is_empty() {
        "default".into()
    } else {
        value.to_owned()
    }
}

fn number(value: Option<impl ToString>) -> String {
    value.map_or_else(|| or_default(""), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use prost_types::{Duration, Timestamp};
    use serde_json::json;
    use troika_proto::chat::v1::BotLimits;

    use super::*;

    #[test]
    fn json_has_the_names_of_the_contract_and_no_empty_values() {
        let bot = Bot {
            id: "000000000000000000000001".into(),
            name: "Guide".into(),
            language: "en-IN".into(),
            access: Access::Public.into(),
            limits: Some(BotLimits {
                turn: Some(Duration {
                    seconds: 60,
                    nanos: 0,
                }),
                ..BotLimits::default()
            }),
            created_at: Some(Timestamp {
                seconds: 0,
                nanos: 0,
            }),
            ..Bot::default()
        };
        assert_eq!(
            serde_json::to_value(View::from(bot)).unwrap(),
            json!({
                "id": "000000000000000000000001", "name": "Guide", "persona": "", "language": "en-IN",
                "access": "public", "allowedOrigins": [], "limits": {"turn": "60s"},
                "createdAt": "1970-01-01T00:00:00Z",
            })
        );
    }

    #[test]
    fn a_row_fits_its_header() {
        assert_eq!(View::from(Bot::default()).row().len(), View::HEADER.len());
    }
}
