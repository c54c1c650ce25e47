//! When certificates end: for the log, some days ahead, and for Prometheus. It must not know who shows them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::metrics::{family::Family, gauge::Gauge};
use rustls::pki_types::CertificateDer;
use x509_parser::{certificate::X509Certificate, prelude::FromDer as _};

use super::Purpose;
use crate::meters::Meters;

/// So long before its end a certificate should have been renewed; one that lives shorter than five times this, a fifth
/// of its life before.
const AHEAD: i64 = 14 * 24 * 60 * 60;

/// How often that is said.
const AGAIN: i64 = 24 * 60 * 60;

type Ends = Family<[(&'static str, &'static str); 1], Gauge>;

/// From when until when all of a chain is good, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Life {
    from: i64,
    until: i64,
}

/// What is to be said now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    NotYet,
    Soon,
    Over,
}

/// Keeps an eye on the certificate that is shown.
pub(super) struct Expiry {
    purpose: Purpose,
    ends: Ends,
    life: Option<Life>,
    told: Option<i64>,
}

impl Expiry {
    pub(super) fn new(purpose: Purpose, meters: &Meters) -> Self {
        Self {
            purpose,
            ends: meters.metric(
                "troika_tls_certificate_expiry_timestamp_seconds",
                "When the certificate that is shown ends, in seconds since 1970",
                Ends::default,
            ),
            life: None,
            told: None,
        }
    }

    /// Another chain is shown from now on.
    pub(super) fn shown(&mut self, chain: &[CertificateDer<'_>]) {
        self.life = Life::of(chain);
        self.told = None;
        if let Some(life) = self.life {
            self.ends
                .get_or_create(&[("purpose", self.purpose.label)])
                .set(life.until);
        }
        self.look();
    }

    /// Says what is to be said, once a day.
    pub(super) fn look(&mut self) {
        let now = seconds(SystemTime::now());
        let Some(life) = self.life else { return };
        if self.told.is_some_and(|told| now - told < AGAIN) {
            return;
        }
        let purpose = self.purpose.label;
        let ends = moment(life.until);
        match life.told(now) {
            Told::Nothing => return,
            Told::NotYet => {
                let begins = moment(life.from);
                tracing::error!(purpose, %begins, "the certificate is not good yet: nobody should take it");
            }
            Told::Soon => tracing::warn!(purpose, %ends, "the certificate ends soon: renew it"),
            Told::Over => {
                tracing::error!(purpose, %ends, "the certificate is over: nobody should take it");
            }
        }
        self.told = Some(now);
    }
}

/// Why nobody should take a chain now.
pub(super) fn unusable(chain: &[CertificateDer<'_>]) -> Option<String> {
    let life = Life::of(chain)?;
    match life.told(seconds(SystemTime::now())) {
        Told::Over => Some(format!(
            "it ended at {}, and nobody takes it: renew it",
            moment(life.until)
        )),
        Told::NotYet => Some(format!(
            "it is good from {} on, and nobody takes it before: look at the clock, or name another",
            moment(life.from)
        )),
        Told::Nothing | Told::Soon => None,
    }
}

impl Life {
    /// A chain breaks with the first of its certificates that ends. What cannot be read is left to those who use it.
    fn of(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let lives = chain.iter().filter_map(|certificate| {
            let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
            let validity = certificate.validity();
            Some(Self {
                from: validity.not_before.timestamp(),
                until: validity.not_after.timestamp(),
            })
        });
        lives.reduce(|one, other| Self {
            from: one.from.max(other.from),
            until: one.until.min(other.until),
        })
    }

    fn told(self, now: i64) -> Told {
        let ahead = AHEAD.min((self.until - self.from) / 5);
        if now >= self.until {
            Told::Over
        } else if now < self.from {
            Told::NotYet
        } else if now >= self.until - ahead {
            Told::Soon
        } else {
            Told::Nothing
        }
    }
}

fn seconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

fn moment(seconds: i64) -> humantime::Rfc3339Timestamp {
    // Beyond the year 9999 there is nothing that could be written.
    let seconds = u64::try_from(seconds)
        .unwrap_or_default()
        .min(253_402_300_799);
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 60 * 60;

    #[test]
    fn a_certificate_of_a_year_is_told_of_in_its_last_two_weeks() {
        let life = Life {
            from: 0,
            until: 365 * DAY,
        };
        assert_eq!(life.told(-1), Told::NotYet);
        assert_eq!(life.told(350 * DAY), Told::Nothing);
        assert_eq!(life.told(351 * DAY), Told::Soon);
        assert_eq!(life.told(365 * DAY), Told::Over);
    }

    #[test]
    fn a_certificate_of_a_day_is_told_of_in_its_last_hours() {
        let life = Life {
            from: 0,
            until: DAY,
        };
        assert_eq!(life.told(DAY / 2), Told::Nothing);
        assert_eq!(life.told(DAY - DAY / 5), Told::Soon);
    }

    #[test]
    fn moments_are_written_as_people_read_them() {
        assert_eq!(moment(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(moment(i64::MAX).to_string(), "9999-12-31T23:59:59Z");
    }
}
