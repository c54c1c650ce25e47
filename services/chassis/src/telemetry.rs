//! Logs to standard error, traces and OpenTelemetry's metrics by OTLP. It must not know what is logged.

mod export;
mod levels;

use std::{io::IsTerminal as _, sync::mpsc, thread, time::Duration};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::{metrics::SdkMeterProvider, trace::SdkTracerProvider};
use serde::{Deserialize, Serialize};
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer, filter::Targets, fmt, layer::SubscriberExt as _, registry::LookupSpan, reload,
    util::SubscriberInitExt as _,
};
use url::Url;

pub use self::levels::{LogLevels, NoLevel};
use self::levels::{QUIET, filter};
use crate::config::{Problems, Validate};

/// How long the last spans and figures may take to leave.
const FLUSH: Duration = Duration::from_secs(3);

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// JSON in production and where standard error is no terminal, else text.
    #[default]
    Auto,
    /// One JSON object each.
    Json,
    /// For people.
    Text,
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogConfig {
    /// How log lines look.
    pub format: LogFormat,
    /// A level (`info`), or directives such as `info,troika_chat=debug`.
    pub level: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            format: LogFormat::Auto,
            level: "info".into(),
        }
    }
}

impl Validate for LogConfig {
    fn validate(&self, problems: &mut Problems) {
        if let Err(problem) = filter(&self.level) {
            problems.push("level", problem.to_string());
        }
    }
}

/// Where traces and OpenTelemetry's metrics go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OtlpConfig {
    /// A collector that speaks OTLP over gRPC, such as `http://127.0.0.1:4317`; none: nothing leaves.
    pub endpoint: Option<Url>,
    /// The part of new traces that is kept, from 0 to 1. Who began a trace elsewhere decides for us.
    pub sample_ratio: f64,
    /// The service is called this, a hyphen and its role.
    pub service_name: String,
}

impl Default for OtlpConfig {
    fn default() -> Self {
        Self {
            endpoint: None,
            sample_ratio: 1.0,
            service_name: "troika".into(),
        }
    }
}

impl Validate for OtlpConfig {
    fn validate(&self, problems: &mut Problems) {
        let http = self
            .endpoint
            .as_ref()
            .is_none_or(|endpoint| matches!(endpoint.scheme(), "http" | "https"));
        problems.check(http, "endpoint", "must begin with http:// or https://");
        // It would be shown with the settings, and is not sent.
        let names_nobody = self
            .endpoint
            .as_ref()
            .is_none_or(|endpoint| endpoint.username().is_empty() && endpoint.password().is_none());
        problems.check(
            names_nobody,
            "endpoint",
            "must be an address without a user and a password",
        );
        problems.check(
            (0.0..=1.0).contains(&self.sample_ratio),
            "sample_ratio",
            "must be from 0 to 1",
        );
        problems.check(
            !self.service_name.trim().is_empty(),
            "service_name",
            "must not be empty",
        );
    }
}

/// Why telemetry could not begin.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is no list of directives.
    #[error("log.level: {0}")]
    Level(#[from] NoLevel),
    /// The collector's address cannot be used.
    #[error("otlp.endpoint cannot be used")]
    Endpoint(#[from] http::uri::InvalidUri),
    /// An exporter could not be made.
    #[error("traces and metrics cannot be exported")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// Telemetry began before.
    #[error("telemetry was set up before in this process")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Keeps traces and figures leaving the process.
#[derive(Debug)]
#[must_use = "spans that are not flushed are lost at the end"]
pub struct TelemetryGuard {
    provider: SdkTracerProvider,
    figures: Option<SdkMeterProvider>,
    levels: LogLevels,
}

impl TelemetryGuard {
    /// What is logged, to be seen and changed.
    pub fn levels(&self) -> &LogLevels {
        &self.levels
    }

    /// Sends the spans and figures that did not leave yet and ends tracing. Blocks for at most 3 s; call it at
    /// the end of the process, on a multi-threaded runtime.
    pub fn flush(&self) {
        // Beside the spans, and given up with them: this one knows no limit of ours.
        let (done, figures) = mpsc::channel();
        if let Some(provider) = self.figures.clone() {
            thread::spawn(move || done.send(provider.shutdown()));
        }
        let began = std::time::Instant::now();
        if let Err(error) = self.provider.shutdown_with_timeout(FLUSH) {
            tracing::debug!(%error, "the last spans may be lost");
        }
        let left = FLUSH.saturating_sub(began.elapsed());
        if self.figures.is_some() && !matches!(figures.recv_timeout(left), Ok(Ok(()))) {
            tracing::debug!("the last figures may be lost");
        }
    }
}

/// Begins logging and tracing for a process that runs `role`. Every span has a trace id, with or without
/// a collector, so that requests can be followed through the logs of all processes. Panics are logged.
/// Must be called inside a tokio runtime.
///
/// # Errors
///
/// A wrong level or endpoint, or a second call in one process.
pub fn init(
    role: &str,
    log: &LogConfig,
    otlp: &OtlpConfig,
    production: bool,
) -> Result<TelemetryGuard, TelemetryError> {
    let provider = export::traces(role, otlp)?;
    let figures = export::figures(role, otlp)?;
    let json = match log.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => production || !std::io::stderr().is_terminal(),
    };
    let (filter, handle) = reload::Layer::new(filter(&log.level)?);
    tracing_subscriber::registry()
        .with(spans(&provider))
        .with(lines(json).with_filter(filter))
        .try_init()?;
    log_panics();
    if let Some(figures) = &figures {
        opentelemetry::global::set_meter_provider(figures.clone());
    }
    Ok(TelemetryGuard {
        provider,
        figures,
        levels: LogLevels::new(&log.level, move |filter| handle.reload(filter).is_ok()),
    })
}

/// Spans as OpenTelemetry knows them, those of quiet libraries left out.
fn spans<S: Subscriber + for<'a> LookupSpan<'a>>(
    provider: &SdkTracerProvider,
) -> impl Layer<S> + use<S> {
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("troika"))
        // Who wants these finds them in the code; per span they cost more than the rest.
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        // Nobody asks OpenTelemetry for the current span but through tracing, and each token enters some.
        .with_context_activation(false)
        .with_filter(QUIET.iter().fold(
            Targets::new().with_default(LevelFilter::INFO),
            |targets, quiet| targets.with_target(*quiet, LevelFilter::OFF),
        ))
}

fn lines<S: Subscriber + for<'a> LookupSpan<'a>>(json: bool) -> Box<dyn Layer<S> + Send + Sync> {
    let layer = fmt::layer().with_writer(std::io::stderr);
    if json {
        layer
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(true)
            .boxed()
    } else {
        layer
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .boxed()
    }
}

/// A panic goes to the log as a line like any other: where it happened and what it said.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(place, message, "a panic");
    }));
}

#[cfg(test)]
mod tests;
