//! Where messages go: a webhook, and mail. What goes wrong is told in words without secrets.

use std::time::Duration;

use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{
        self,
        authentication::Credentials,
        client::{Tls as Encryption, TlsParameters},
    },
};
use troika_chassis::config::Secret;
use uuid::Uuid;

use crate::{
    config::{Config, Email, Tls},
    message::Message,
    rule::Severity,
};

/// How long one delivery may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Somebody who is told.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) name: &'static str,
    pub(crate) min_severity: Severity,
    way: Way,
}

/// Why a message did not arrive.
#[derive(Debug)]
pub(crate) struct Failure {
    /// In words without secrets and without anybody's address.
    pub(crate) problem: String,
    /// Nobody refused it: it may have arrived all the same.
    pub(crate) is_unclear: bool,
}

#[derive(Clone)]
enum Way {
    Webhook { http: reqwest::Client, url: Secret },
    Mail(Box<Mail>),
}

#[derive(Clone)]
struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl Receiver {
    /// All that are configured.
    ///
    /// # Errors
    /// Why one of them cannot be used.
    pub(crate) fn all(config: &Config) -> Result<Vec<Self>, String> {
        let mut receivers = Vec::new();
        if !config.webhook.url.is_empty() {
            let http = reqwest::Client::builder()
                .timeout(PATIENCE)
                // A message for one address is for no other.
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .map_err(|error| error.to_string())?;
            receivers.push(Self {
                name: "webhook",
                min_severity: config.webhook.min_severity,
                way: Way::Webhook {
                    http,
                    url: config.webhook.url.clone(),
                },
            });
        }
        if !config.email.host.is_empty() {
            receivers.push(Self {
                name: "email",
                min_severity: config.email.min_severity,
                way: Way::Mail(Box::new(mail(&config.email)?)),
            });
        }
        Ok(receivers)
    }

    /// Sends a message, once. Ends in bounded time.
    ///
    /// # Errors
    /// Why it did not arrive.
    pub(crate) async fn send(&self, message: &Message) -> Result<(), Failure> {
        match &self.way {
            Way::Webhook { http, url } => {
                let sent = http.post(url.expose()).json(&message.slack()).send().await;
                let answer = sent.map_err(|error| Failure {
                    is_unclear: !error.is_connect() && !error.is_builder(),
                    // The address is a secret.
                    problem: causes(&error.without_url()),
                })?;
                let status = answer.status();
                if status.is_success() {
                    Ok(())
                } else {
                    Err(Failure {
                        problem: format!("the webhook answered with status {}", status.as_u16()),
                        is_unclear: false,
                    })
                }
            }
            Way::Mail(mail) => {
                let sending = mail.send(message);
                let late = |_| Failure {
                    problem: format!(
                        "the mail server did not take it within {} s",
                        PATIENCE.as_secs()
                    ),
                    is_unclear: true,
                };
                tokio::time::timeout(PATIENCE, sending)
                    .await
                    .map_err(late)?
            }
        }
    }
}

impl Mail {
    async fn send(&self, message: &Message) -> Result<(), Failure> {
        let id = format!("<{}@{}>", Uuid::new_v4(), self.from.email.domain());
        let mut mail = lettre::Message::builder()
            .from(self.from.clone())
            .message_id(Some(id))
            .subject(message.subject())
            .header(ContentType::TEXT_PLAIN);
        for to in &self.to {
            mail = mail.to(to.clone());
        }
        let mut mail = mail.body(message.text()).map_err(|error| Failure {
            problem: error.to_string(),
            is_unclear: false,
        })?;
        // Whoever is on holiday need not say so.
        mail.headers_mut().insert_raw(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ));
        let sent = self.transport.send(mail).await;
        sent.map(drop).map_err(|error| Failure {
            problem: refusal(&error),
            is_unclear: error.is_timeout(),
        })
    }
}

/// Why a mail server did not take a mail. What it answers may name people or accounts: its code says enough.
fn refusal(error: &smtp::Error) -> String {
    if let Some(code) = error.status().map(u16::from) {
        let why = match code {
            530 | 534 | 535 | 538 => "the user or the password",
            550 | 551 | 553 => "the sender or a recipient",
            400..500 => "it for now",
            _ => "it",
        };
        format!("the mail server refused {why} (code {code})")
    } else if error.is_response() {
        "what answers there is no mail server".to_owned()
    } else {
        causes(error)
    }
}

fn mail(config: &Email) -> Result<Mail, String> {
    let mailbox = |text: &str| text.parse::<Mailbox>().map_err(|error| error.to_string());
    let parameters = || TlsParameters::new(config.host.clone()).map_err(|error| error.to_string());
    let encryption = match config.tls {
        Tls::Wrapped => Encryption::Wrapper(parameters()?),
        Tls::Starttls => Encryption::Required(parameters()?),
        Tls::None => Encryption::None,
    };
    let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&config.host)
        .port(config.port)
        .tls(encryption)
        .timeout(Some(PATIENCE));
    if !config.user.is_empty() {
        transport = transport.credentials(Credentials::new(
            config.user.clone(),
            config.password.expose().to_owned(),
        ));
    }
    Ok(Mail {
        transport: transport.build(),
        from: mailbox(&config.from)?,
        to: config
            .to
            .iter()
            .map(|to| mailbox(to))
            .collect::<Result<_, _>>()?,
    })
}

/// An error with what caused it.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let further = error.to_string();
        if !words.contains(&further) {
            words = format!("{words}: {further}");
        }
        cause = error.source();
    }
    words
}
