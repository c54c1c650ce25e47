//! Checks the fields of bots and uploads and takes them over. Field names are those of the contract.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use troika_chassis::error::Error;
use troika_proto::chat::v1 as wire;

use super::faults::Faults;
use crate::{
    bots::{Access, Bot, BotId, Limits},
    knowledge::{documents::Format, importer::Upload},
    language,
    quota::Terms,
};

/// Characters of a name.
const NAME: usize = 100;
/// Characters of a persona.
const PERSONA: usize = 8000;
/// Characters of a model's name, a file's name.
const SHORT: usize = 255;
/// Web origins of one bot.
const ORIGINS: usize = 100;
/// The longest turn a bot may ask for.
const LONGEST_TURN: Duration = Duration::from_secs(600);

/// The fields of a bot that can be set and changed.
const FIELDS: [&str; 11] = [
    "name",
    "persona",
    "model",
    "temperature",
    "language",
    "access",
    "allowed_origins",
    "booking_url",
    "limits",
    "company_id",
    "quota",
];
/// The fields of its limits.
const LIMITS: [&str; 4] = [
    "limits.answer_characters",
    "limits.completion_tokens",
    "limits.history_messages",
    "limits.turn",
];

/// The fields of its quota.
const QUOTA: [&str; 5] = [
    "quota.token_limit",
    "quota.monthly_limit",
    "quota.subscription_ends",
    "quota.free_messages",
    "quota.auth_method",
];
/// The most tokens that can be told from their neighbours in every store.
const TOKENS: u64 = 1 << 53;
/// Characters of a way to sign in.
const AUTH_METHOD: usize = 50;
/// 1970 to 9999: what every store can keep.
const SECONDS: std::ops::Range<i64> = 0..253_370_764_800;

/// A bot and what it may use, as one message carries them.
type Target<'a> = (&'a mut Bot, &'a mut Terms);

impl Faults {
    fn tokens(&mut self, path: &str, tokens: Option<u64>) -> Option<u64> {
        if tokens.is_some_and(|tokens| tokens > TOKENS) {
            self.push(path, "number.range", format!("must be from 0 to {TOKENS}"));
        }
        tokens
    }

    /// To the millisecond, as stores keep it.
    fn time(&mut self, path: &str, sent: Option<prost_types::Timestamp>) -> Option<SystemTime> {
        let sent = sent?;
        if !SECONDS.contains(&sent.seconds) || !(0..1_000_000_000).contains(&sent.nanos) {
            self.push(path, "date.range", "must be a time from 1970 to 9998");
            return None;
        }
        let since = Duration::from_secs(sent.seconds.unsigned_abs())
            + Duration::from_millis(u64::from(sent.nanos.unsigned_abs() / 1_000_000));
        Some(UNIX_EPOCH + since)
    }

    /// Takes over one field of a quota; `false` when there is no such field. What was used is not to be set.
    fn take_over_quota(&mut self, terms: &mut Terms, path: &str, sent: &wire::Bot) -> bool {
        let quota = sent.quota.clone().unwrap_or_default();
        match path {
            "quota" => {
                for field in QUOTA {
                    self.take_over_quota(terms, field, sent);
                }
            }
            "quota.token_limit" => terms.token_limit = self.tokens(path, quota.token_limit),
            "quota.monthly_limit" => terms.monthly_limit = self.tokens(path, quota.monthly_limit),
            "quota.subscription_ends" => {
                terms.subscription_ends = self.time(path, quota.subscription_ends);
            }
            "quota.free_messages" => terms.free_messages = quota.free_messages,
            "quota.auth_method" => {
                let method = quota.auth_method.trim();
                self.length(path, method, AUTH_METHOD);
                terms.auth_method = (!method.is_empty()).then(|| method.to_owned());
            }
            _ => return false,
        }
        true
    }

    fn turn(&mut self, sent: Option<wire::BotLimits>) -> Option<Duration> {
        let turn = Duration::try_from(sent?.turn?)
            .ok()
            .filter(|turn| !turn.is_zero() && *turn <= LONGEST_TURN);
        if turn.is_none() {
            self.push(
                "limits.turn",
                "duration.range",
                "must be longer than 0s and at most 600s",
            );
        }
        turn
    }

    /// Takes over one field of what was sent; `false` when there is no such field.
    fn take_over(&mut self, (bot, terms): Target<'_>, path: &str, sent: &wire::Bot) -> bool {
        let limits = sent.limits.unwrap_or_default();
        match path {
            "name" => {
                let name = sent.name.trim();
                if name.is_empty() {
                    self.push(path, "any.required", "is required");
                }
                self.length(path, name, NAME);
                bot.name = name.to_owned();
            }
            "persona" => {
                self.length(path, &sent.persona, PERSONA);
                bot.persona.clone_from(&sent.persona);
            }
            "model" => {
                let model = sent.model.trim();
                self.length(path, model, SHORT);
                bot.model = (!model.is_empty()).then(|| model.to_owned());
            }
            "temperature" => {
                if sent
                    .temperature
                    .is_some_and(|temperature| !(0.0..=2.0).contains(&temperature))
                {
                    self.push(path, "number.range", "must be from 0 to 2");
                }
                bot.temperature = sent.temperature;
            }
            "language" => match sent.language.trim() {
                "" => bot.language = language::DEFAULT.to_owned(),
                tag => match language::resolve(tag) {
                    Some(served) => bot.language = served.to_owned(),
                    None => self.push(
                        path,
                        "any.only",
                        format!("must be one of {}", language::SERVED.join(", ")),
                    ),
                },
            },
            "access" => match wire::Access::try_from(sent.access) {
                Ok(wire::Access::Public | wire::Access::Unspecified) => bot.access = Access::Public,
                Ok(wire::Access::Private) => bot.access = Access::Private,
                Err(_) => self.push(path, "any.only", "must be ACCESS_PUBLIC or ACCESS_PRIVATE"),
            },
            "allowed_origins" => {
                if sent.allowed_origins.len() > ORIGINS {
                    self.push(path, "array.max", format!("must be at most {ORIGINS}"));
                }
                bot.allowed_origins.clear();
                for (index, origin) in sent.allowed_origins.iter().enumerate().take(ORIGINS) {
                    let origin = self.origin(&format!("{path}[{index}]"), origin.trim());
                    bot.allowed_origins
                        .extend(origin.filter(|origin| !bot.allowed_origins.contains(origin)));
                }
            }
            "booking_url" => {
                bot.booking_url = match sent.booking_url.trim() {
                    "" => None,
                    url => self.address(path, url).map(String::from),
                }
            }
            "limits" => {
                for limit in LIMITS {
                    self.take_over((bot, terms), limit, sent);
                }
            }
            "limits.answer_characters" => {
                self.range(path, limits.answer_characters, 1, 2000);
                bot.limits.answer_characters = limits.answer_characters;
            }
            "limits.completion_tokens" => {
                self.range(path, limits.completion_tokens, 1, u32::MAX);
                bot.limits.completion_tokens = limits.completion_tokens;
            }
            "limits.history_messages" => {
                self.range(path, limits.history_messages, 0, 50);
                bot.limits.history_messages = limits.history_messages;
            }
            "limits.turn" => bot.limits.turn = self.turn(sent.limits),
            "company_id" => {
                let company = sent.company_id.trim();
                self.length(path, company, SHORT);
                bot.company = (!company.is_empty()).then(|| company.to_owned());
            }
            path => return self.take_over_quota(terms, path, sent),
        }
        true
    }
}

/// Whether a mask names what admins alone may change.
pub(super) fn names_admins_fields(mask: &[String]) -> bool {
    mask.iter()
        .any(|path| path == "company_id" || path == "quota" || QUOTA.contains(&path.as_str()))
}

/// An id that alone is to be checked.
pub(in crate::grpc) fn bot_id(field: &str, id: &str) -> Result<BotId, Error> {
    let mut faults = Faults::default();
    let id = faults.bot_id(field, id);
    faults.with(id)
}

/// A new bot out of what was sent, with an id of its own where none was.
pub(super) fn new_bot(sent: &wire::Bot, now: SystemTime) -> Result<(Bot, Terms), Error> {
    let mut faults = Faults::default();
    let id = if sent.id.is_empty() {
        Some(new_id(now))
    } else {
        faults.bot_id("id", &sent.id)
    };
    let mut bot = blank(id.unwrap_or(BotId([0; 12])), now);
    let mut terms = Terms::default();
    for field in FIELDS {
        faults.take_over((&mut bot, &mut terms), field, sent);
    }
    faults.none()?;
    Ok((bot, terms))
}

/// Checks an update without the bot that it changes; gives the bot's id.
pub(super) fn checked_update(sent: &wire::Bot, mask: &[String]) -> Result<BotId, Error> {
    let mut faults = Faults::default();
    let id = faults.bot_id("bot.id", &sent.id);
    if mask.is_empty() {
        faults.push(
            "update_mask",
            "any.required",
            "is required: it names the fields to change",
        );
    }
    let mut scratch = blank(BotId([0; 12]), UNIX_EPOCH);
    let mut terms = Terms::default();
    for path in mask {
        if !faults.take_over((&mut scratch, &mut terms), path, sent) {
            let fields = FIELDS
                .iter()
                .chain(&LIMITS)
                .chain(&QUOTA)
                .copied()
                .collect::<Vec<_>>()
                .join(", ");
            faults.push(
                "update_mask",
                "any.only",
                format!("must name fields that can be changed: {fields}"),
            );
        }
    }
    faults.with(id)
}

/// Takes over the fields that the mask names.
pub(super) fn update(
    (bot, terms): Target<'_>,
    sent: &wire::Bot,
    mask: &[String],
    now: SystemTime,
) -> Result<(), Error> {
    let mut faults = Faults::default();
    for path in mask {
        faults.take_over((bot, terms), path, sent);
    }
    faults.none()?;
    // A clock set back does not take the bot back.
    bot.updated_at = bot.updated_at.max(now);
    Ok(())
}

/// What a header says is to be imported; the language may be empty.
pub(super) fn upload(header: &wire::ImportHeader) -> Result<Upload, Error> {
    let mut faults = Faults::default();
    let bot = faults.bot_id("chatbot_id", &header.chatbot_id);
    let file_name = header.file_name.trim();
    if file_name.is_empty() {
        faults.push(
            "file_name",
            "any.required",
            "is required: it names the document",
        );
    } else if file_name.chars().any(char::is_control) {
        faults.push(
            "file_name",
            "string.pattern",
            "must not contain control characters",
        );
    }
    faults.length("file_name", file_name, SHORT);
    let format = match wire::DocumentFormat::try_from(header.format) {
        Ok(wire::DocumentFormat::Text) => Some(Format::Text),
        Ok(wire::DocumentFormat::Markdown) => Some(Format::Markdown),
        Ok(wire::DocumentFormat::Html) => Some(Format::Html),
        Ok(wire::DocumentFormat::Pdf) => Some(Format::Pdf),
        Ok(wire::DocumentFormat::Docx) => Some(Format::Docx),
        Ok(wire::DocumentFormat::Csv) => Some(Format::Csv),
        Ok(wire::DocumentFormat::Unspecified) => {
            let format = Format::of_file(file_name);
            if format.is_none() && !file_name.is_empty() {
                let message = format!("must end in {}, or the format must be set", Format::ENDINGS);
                faults.push("file_name", "string.format", message);
            }
            format
        }
        Err(_) => {
            faults.push("format", "any.only", "must be a known document format");
            None
        }
    };
    let language = header.language.trim();
    if !language.is_empty() && !is_language_tag(language) {
        faults.push(
            "language",
            "string.pattern",
            "must be a language tag (BCP 47) such as hi-IN",
        );
    }
    let upload = bot.zip(format).map(|(bot, format)| Upload {
        bot,
        file_name: file_name.to_owned(),
        format,
        language: language.to_owned(),
    });
    faults.with(upload)
}

/// Whether a text has the form of a BCP 47 tag. Documents may be in languages that are not served.
fn is_language_tag(tag: &str) -> bool {
    let mut subtags = tag.split('-');
    let primary = subtags.next().unwrap_or_default();
    (2..=8).contains(&primary.len())
        && primary.bytes().all(|byte| byte.is_ascii_alphabetic())
        && tag.len() <= 35
        && subtags.all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

/// A new identity: four bytes of time, so that ids sort by age, and eight of chance.
fn new_id(now: SystemTime) -> BotId {
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as u32;
    let mut id = [0; 12];
    id[..4].copy_from_slice(&seconds.to_be_bytes());
    id[4..].copy_from_slice(&rand::random::<[u8; 8]>());
    BotId(id)
}

fn blank(id: BotId, now: SystemTime) -> Bot {
    Bot {
        id,
        name: String::new(),
        persona: String::new(),
        model: None,
        temperature: None,
        language: language::DEFAULT.to_owned(),
        access: Access::default(),
        active: true,
        allowed_origins: Vec::new(),
        booking_url: None,
        limits: Limits::default(),
        company: None,
        created_at: now,
        updated_at: now,
    }
}

#[cfg(test)]
mod tests;
