//! `troika token`: signs tokens, and tells what is in one and whether it is good.

use std::{
    io::Read as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clap::{Subcommand, ValueEnum};
use jsonwebtoken::{Algorithm, EncodingKey, Header, dangerous, encode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use troika_chassis::config::Secret;
use troika_identity::{Refusal, Verifier};

use crate::{
    cli,
    config::Config,
    exit::{Exit, Failure},
    output, secrets,
};

/// Who signs, where the configuration names nobody else.
const ISSUER: &str = "troika";

/// A year: what lives longer should be a rotated credential and not a token.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How long public keys may take to be read before a token is looked at without them.
const KEYS: Duration = Duration::from_secs(6);

/// What to do.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
The secret is JWT_SECRET. Without it, on a developer's machine, one is made and kept as jwt-secret in the \
data folder; in production its absence is an error.

Examples:
  troika token --role admin
  troika token --role visitor --bot 000000000000000000000001 --expires 15m
  troika token --role user --company 64b0c0ffee00000000000001
  troika token inspect TOKEN                 what it says, good or not
  troika token verify - < token.txt          whether it is good here; ends with 1 when not
  curl -H \"Authorization: Bearer $(troika token --role admin)\" http://127.0.0.1:5000/api/flags"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    look: Option<Look>,
    #[command(flatten)]
    mint: Mint,
}

/// Looking at a token.
#[derive(Debug, Subcommand)]
enum Look {
    /// Print what a token says, without asking whether it is good
    Inspect {
        /// The token; `-` reads it from standard input
        #[arg(value_name = "TOKEN")]
        token: String,
    },
    /// Check a token as the gateway would, but for revocations, and print who its bearer is
    Verify {
        /// The token; `-` reads it from standard input
        #[arg(value_name = "TOKEN")]
        token: String,
    },
}

/// What to sign.
#[derive(Debug, clap::Args)]
struct Mint {
    /// Whose token
    #[arg(long, required = true)]
    role: Option<Role>,
    /// The bot that a visitor may talk to: 24 hex digits
    #[arg(long, value_name = "ID", required_if_eq("role", "visitor"), value_parser = bot_id)]
    bot: Option<String>,
    /// The company of a user; the subject when absent
    #[arg(long, value_name = "ID")]
    company: Option<String>,
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
    /// Staff that may change everything but accounts
    Admin,
    /// Staff that may change accounts too
    SuperAdmin,
    /// A company that has bots
    User,
    /// Somebody who talks to one bot
    Visitor,
}

/// What a token says; the names are those that existing clients and back offices use.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Claims {
    sub: String,
    iss: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<String>,
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
    #[serde(rename_all = "camelCase")]
    Staff {
        id: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        email: Option<String>,
        role: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        company_id: Option<String>,
    },
}

/// Prints the token alone on standard output, or what is in one.
///
/// # Errors
/// When there is no secret to sign with; when a token is not good.
pub(crate) async fn run(args: &Args, config: &Config) -> Result<(), Failure> {
    match &args.look {
        Some(Look::Inspect { token }) => inspect(&given(token)?),
        Some(Look::Verify { token }) => verify(&given(token)?, config).await,
        None => {
            let claims = claims(&args.mint, &config.auth, now())?;
            output::line(&sign(&claims, &signing(config)?)?)
        }
    }
}

/// An admin's token for the command line itself.
///
/// # Errors
/// When it cannot be signed.
pub(crate) fn admin(
    auth: &troika_identity::Config,
    secret: &Secret,
    name: &str,
    now: Duration,
    life: Duration,
) -> Result<String, Failure> {
    let who = Who::Staff {
        id: name.to_owned(),
        email: None,
        role: "super_admin".to_owned(),
        company_id: None,
    };
    sign(&dated(name.to_owned(), who, auth, now, life), secret)
}

fn signing(config: &Config) -> Result<Secret, Failure> {
    let secret = secrets::obtain(config, cli::Role::Gateway)?.jwt;
    if secret.is_empty() {
        return Err(
            Failure::new(Exit::Usage, "there is no secret to sign with").with_detail(
                "auth.jwks_url or auth.jwks_file is set: tokens are signed elsewhere; set JWT_SECRET to sign some here",
            ),
        );
    }
    Ok(secret)
}

fn sign(claims: &Claims, secret: &Secret) -> Result<String, Failure> {
    let key = EncodingKey::from_secret(secret.expose().as_bytes());
    encode(&Header::new(Algorithm::HS256), claims, &key)
        .map_err(|error| Failure::because(Exit::Failed, "the token cannot be signed", &error))
}

fn inspect(token: &str) -> Result<(), Failure> {
    let none = |error| Failure::because(Exit::Failed, "this is no token", &error);
    let header = jsonwebtoken::decode_header(token).map_err(none)?;
    let claims = dangerous::insecure_decode_claims::<Value>(token).map_err(none)?;
    output::json(&json!({ "header": header, "claims": claims }))
}

async fn verify(token: &str, config: &Config) -> Result<(), Failure> {
    let secret = secrets::obtain(config, cli::Role::Gateway)?.jwt;
    let verifier = Verifier::new(&config.auth, &secret, None);
    verifier.keys_are_read(KEYS).await;
    match verifier.verify(token).await {
        Ok(good) => output::json(&json!({
            "valid": true,
            "role": good.caller.role.as_str(),
            "subject": good.caller.subject,
            "chatbotId": good.caller.chatbot,
            "companyId": good.caller.company,
            "expiresAt": good.expires,
        })),
        Err(refusal) => {
            let failure = Failure::new(Exit::Failed, refusal.message());
            Err(match refusal {
                Refusal::InvalidToken => {
                    failure.with_detail("`troika token inspect` shows what it says")
                }
                _ => failure,
            })
        }
    }
}

/// The token, from standard input where that is asked for: arguments can be seen by others.
fn given(token: &str) -> Result<String, Failure> {
    if token != "-" {
        return Ok(token.trim().to_owned());
    }
    let mut text = String::new();
    std::io::stdin()
        .take(64 * 1024)
        .read_to_string(&mut text)
        .map_err(|error| Failure::because(Exit::Failed, "standard input cannot be read", &error))?;
    Ok(text.trim().to_owned())
}

fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

fn claims(args: &Mint, auth: &troika_identity::Config, now: Duration) -> Result<Claims, Failure> {
    let sub = args
        .subject
        .clone()
        .unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    let role = args
        .role
        .ok_or_else(|| Failure::new(Exit::Usage, "a token needs a role: --role admin"))?;
    let who = match (role, &args.bot) {
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
        (Role::SuperAdmin, _) => staff(&sub, args, "super_admin"),
        (Role::User, _) => staff(&sub, args, "user"),
    };
    Ok(dated(sub, who, auth, now, args.expires))
}

fn dated(
    sub: String,
    who: Who,
    auth: &troika_identity::Config,
    now: Duration,
    life: Duration,
) -> Claims {
    Claims {
        sub,
        iss: auth.issuer.clone().unwrap_or_else(|| ISSUER.into()),
        aud: auth.audience.clone(),
        iat: now.as_secs(),
        exp: (now + life).as_secs(),
        who,
    }
}

fn staff(id: &str, args: &Mint, role: &str) -> Who {
    Who::Staff {
        id: id.to_owned(),
        email: args.email.clone(),
        role: role.to_owned(),
        company_id: args.company.clone(),
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

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Line::try_parse_from(format!("token {line}").split_whitespace()).map(|line| line.args)
    }

    fn minted(line: &str) -> Claims {
        let mint = parse(line).unwrap().mint;
        let auth = troika_identity::Config::default();
        claims(&mint, &auth, Duration::from_secs(1000)).unwrap()
    }

    fn said(line: &str) -> Value {
        serde_json::to_value(minted(line)).unwrap()
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
            said("--role user --subject s1 --email a@b.example --company c1"),
            json!({"sub": "s1", "iss": "troika", "iat": 1000, "exp": 4600, "id": "s1", "role": "user",
                "email": "a@b.example", "companyId": "c1"})
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
            "--bot 000000000000000000000001",
            "--role admin inspect x",
            "inspect",
            "verify",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        assert!(parse("inspect x").is_ok() && parse("verify -").is_ok());
    }

    #[test]
    fn a_signed_token_verifies_with_the_secret_and_no_other() {
        let secret = Secret::from("3f9c1b7e5d2a4860b1c7e9f2a4d6b8c0");
        let mint = parse("--role user").unwrap().mint;
        let claims = claims(&mint, &troika_identity::Config::default(), now()).unwrap();
        let token = sign(&claims, &secret).unwrap();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        let decoded = decode::<Claims>(
            &token,
            &DecodingKey::from_secret(secret.expose().as_bytes()),
            &validation,
        )
        .unwrap();
        assert_eq!(decoded.claims, claims);
        assert!(
            decode::<Claims>(&token, &DecodingKey::from_secret(b"another"), &validation).is_err()
        );
    }
}
