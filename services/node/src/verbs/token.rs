//! `troika token`: signs a token for a visitor or for staff. The gateway asks for an admin's where flags and rollouts
//! are read or changed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::{Deserialize, Serialize};

use crate::{
    config::Config,
    exit::{Exit, Failure},
    output, signing_secret,
};

/// Who signs.
const ISSUER: &str = "troika";

/// A year: what lives longer should be a rotated credential and not a token.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What to sign.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The secret is JWT_SECRET. Without it, on a developer's machine, one is made and kept as jwt-secret in the \
data folder; in production its absence is an error. The gateway asks for an admin's \
token where flags and rollouts are read or changed; visitors need none yet.

Examples:
  troika token --role admin
  troika token --role visitor --bot 000000000000000000000001 --expires 15m
  curl -H \"Authorization: Bearer $(troika token --role admin)\" http://127.0.0.1:5000/api/flags")]
pub(crate) struct Args {
    /// Whose token
    #[arg(long)]
    role: Role,
    /// The bot that a visitor may talk to: 24 hex digits
    #[arg(long, value_name = "ID", required_if_eq("role", "visitor"), value_parser = bot_id)]
    bot: Option<String>,
    /// Who it is; a new UUID when absent
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// How long it is good for, such as 15m, 1h or 7d
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = lifetime)]
    expires: Duration,
    /// A visitor's telephone number
    #[arg(long)]
    phone: Option<String>,
    /// A member of staff's e-mail address
    #[arg(long)]
    email: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Staff that may change everything
    Admin,
    /// Staff
    User,
    /// Somebody who talks to one bot
    Visitor,
}

/// What a token says; the names are those that existing clients and back offices use.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Claims {
    sub: String,
    iss: String,
    iat: u64,
    exp: u64,
    #[serde(flatten)]
    who: Who,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Who {
    #[serde(rename_all = "camelCase")]
    Visitor {
        user_id: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        phone: Option<String>,
        chatbot_id: String,
    },
    Staff {
        id: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        email: Option<String>,
        role: String,
    },
}

/// Prints the token alone on standard output.
///
/// # Errors
/// When there is no secret to sign with.
pub(crate) fn run(args: &Args, config: &Config) -> Result<(), Failure> {
    let secret = signing_secret::obtain(config)?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let claims = claims(args, now)?;
    let key = EncodingKey::from_secret(secret.expose().as_bytes());
    let token = encode(&Header::new(Algorithm::HS256), &claims, &key)
        .map_err(|error| Failure::because(Exit::Failed, "the token cannot be signed", &error))?;
    output::line(&token)
}

fn claims(args: &Args, now: Duration) -> Result<Claims, Failure> {
    let sub = args
        .subject
        .clone()
        .unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    let who = match (args.role, &args.bot) {
        (Role::Visitor, Some(bot)) => Who::Visitor {
            user_id: sub.clone(),
            phone: args.phone.clone(),
            chatbot_id: bot.clone(),
        },
        (Role::Visitor, None) => {
            return Err(Failure::new(
                Exit::Usage,
                "a visitor's token needs the bot: --bot ID",
            ));
        }
        (Role::Admin, _) => staff(&sub, args, "admin"),
        (Role::User, _) => staff(&sub, args, "user"),
    };
    Ok(Claims {
        sub,
        iss: ISSUER.into(),
        iat: now.as_secs(),
        exp: (now + args.expires).as_secs(),
        who,
    })
}

fn staff(id: &str, args: &Args, role: &str) -> Who {
    Who::Staff {
        id: id.to_owned(),
        email: args.email.clone(),
        role: role.to_owned(),
    }
}

fn bot_id(text: &str) -> Result<String, String> {
    text.parse::<troika_chat::bots::BotId>()
        .map(|id| id.to_string())
        .map_err(|error| error.to_string())
}

fn lifetime(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration.as_secs() == 0 || duration > LONGEST {
        return Err("must be from 1s to 365d".into());
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use jsonwebtoken::{DecodingKey, Validation, decode};
    use serde_json::{Value, json};

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Line::try_parse_from(format!("token {line}").split_whitespace()).map(|line| line.args)
    }

    fn said(line: &str) -> Value {
        serde_json::to_value(claims(&parse(line).unwrap(), Duration::from_secs(1000)).unwrap())
            .unwrap()
    }

    #[test]
    fn a_visitor_is_bound_to_one_bot() {
        assert_eq!(
            said(
                "--role visitor --bot 00000000000000000000000A --subject v1 --expires 15m --phone +4915112345678"
            ),
            json!({
                "sub": "v1", "iss": "troika", "iat": 1000, "exp": 1900,
                "userId": "v1", "phone": "+4915112345678", "chatbotId": "00000000000000000000000a",
            })
        );
    }

    #[test]
    fn staff_carry_their_role() {
        assert_eq!(
            said("--role admin --subject s1"),
            json!({"sub": "s1", "iss": "troika", "iat": 1000, "exp": 4600, "id": "s1", "role": "admin"})
        );
        assert_eq!(
            said("--role user --subject s1 --email a@b.example")["email"],
            "a@b.example"
        );
    }

    #[test]
    fn wrong_usage_is_refused_before_anything_is_signed() {
        for line in [
            "",
            "--role visitor",
            "--role visitor --bot xyz",
            "--role admin --expires 0s",
            "--role admin --expires 2years",
            "--role owner",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_signed_token_verifies_with_the_secret_and_no_other() {
        let secret = "0123456789abcdef0123456789abcdef";
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let claims = claims(&parse("--role user").unwrap(), now).unwrap();
        let key = EncodingKey::from_secret(secret.as_bytes());
        let token = encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        let decoded = decode::<Claims>(
            &token,
            &DecodingKey::from_secret(secret.as_bytes()),
            &validation,
        )
        .unwrap();
        assert_eq!(decoded.claims, claims);
        assert!(
            decode::<Claims>(&token, &DecodingKey::from_secret(b"another"), &validation).is_err()
        );
    }
}
