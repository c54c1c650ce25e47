//! Where messages go: a webhook, and mail. What goes wrong is told in words without secrets.

use std::time::Duration;

use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::{
        authentication::Credentials,
        client::{Tls as Encryption, TlsParameters},
    },
};
use troika_chassis::config::Secret;

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
    pub(crate) async fn send(&self, message: &Message) -> Result<(), String> {
        match &self.way {
            Way::Webhook { http, url } => {
                let sent = http.post(url.expose()).json(&message.slack()).send().await;
                // The address is a secret.
                let answer = sent.map_err(|error| causes(&error.without_url()))?;
                let status = answer.status();
                if status.is_success() {
                    Ok(())
                } else {
                    Err(format!(
                        "the webhook answered with status {}",
                        status.as_u16()
                    ))
                }
            }
            Way::Mail(mail) => {
                let sending = mail.send(message);
                match tokio::time::timeout(PATIENCE, sending).await {
                    Ok(outcome) => outcome,
                    Err(_) => Err(format!(
                        "the mail server did not take it within {} s",
                        PATIENCE.as_secs()
                    )),
                }
            }
        }
    }
}

impl Mail {
    async fn send(&self, message: &Message) -> Result<(), String> {
        let mut mail = lettre::Message::builder()
            .from(self.from.clone())
            .subject(message.subject())
            .header(ContentType::TEXT_PLAIN);
        for to in &self.to {
            mail = mail.to(to.clone());
        }
        let mail = mail
            .body(message.text())
            .map_err(|error| error.to_string())?;
        let sent = self.transport.send(mail).await;
        sent.map(drop).map_err(|error| causes(&error))
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
