//! Logs to standard error and traces by OTLP. It must not know what is logged.

use std::{io::IsTerminal as _, time::Duration};

use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_otlp::{SpanExporter, WithTonicConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracerProvider},
};
use serde::{Deserialize, Serialize};
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer, filter::Targets, fmt, layer::SubscriberExt as _, registry::LookupSpan,
    util::SubscriberInitExt as _,
};
use url::Url;

use crate::{
    channel::{ChannelConfig, channel},
    config::{Problems, Validate},
};

/// Libraries that are kept quieter than asked unless they are named: at debug some of them log what
/// they transport.
const QUIET: [&str; 10] = [
    "fred",
    "h2",
    "hickory_proto",
    "hyper",
    "hyper_util",
    "mongodb",
    "reqwest",
    "rustls",
    "tonic",
    "tower",
];

/// Libraries that log the documents and answers they cannot read: silent unless they are named.
const SILENT: [&str; 3] = ["async_openai", "lopdf", "pdf_extract"];

/// How long the last spans may take to leave.
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
            problems.push("level", problem);
        }
    }
}

/// Where traces go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OtlpConfig {
    /// A collector that speaks OTLP over gRPC, such as `http://127.0.0.1:4317`; none: no traces leave.
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
    Level(String),
    /// The collector's address cannot be used.
    #[error("otlp.endpoint cannot be used")]
    Endpoint(#[from] http::uri::InvalidUri),
    /// The exporter could not be made.
    #[error("traces cannot be exported")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// Telemetry began before.
    #[error("telemetry was set up before in this process")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Keeps traces leaving the process.
#[derive(Debug)]
#[must_use = "spans that are not flushed are lost at the end"]
pub struct TelemetryGuard {
    provider: SdkTracerProvider,
}

impl TelemetryGuard {
    /// Sends the spans that did not leave yet and ends tracing. Blocks for at most 3 s; call it at the
    /// end of the process, on a multi-threaded runtime.
    pub fn flush(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(FLUSH) {
            tracing::debug!(%error, "the last spans may be lost");
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
    let provider = provider(role, otlp)?;
    let json = match log.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => production || !std::io::stderr().is_terminal(),
    };
    let lines = lines(json).with_filter(filter(&log.level).map_err(TelemetryError::Level)?);
    tracing_subscriber::registry()
        .with(spans(&provider))
        .with(lines)
        .try_init()?;
    log_panics();
    Ok(TelemetryGuard { provider })
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

/// The directives with quiet libraries, where they are not named.
fn filter(level: &str) -> Result<EnvFilter, String> {
    let named: Vec<&str> = level
        .split(',')
        .filter_map(|part| part.split(['=', '[', ':']).next())
        .map(str::trim)
        .collect();
    let quiet = QUIET
        .iter()
        .map(|library| (library, "warn"))
        .chain(SILENT.iter().map(|library| (library, "off")))
        .filter(|(library, _)| !named.contains(library))
        .map(|(library, level)| format!("{library}={level}"));
    let directives = quiet
        .chain(Some(level.to_owned()))
        .collect::<Vec<_>>()
        .join(",");
    EnvFilter::builder()
        .parse(directives)
        .map_err(|_| format!("`{level}` is no level: write error, warn, info, debug or trace, or directives such as info,troika_chat=debug"))
}

fn provider(role: &str, otlp: &OtlpConfig) -> Result<SdkTracerProvider, TelemetryError> {
    let resource = Resource::builder()
        .with_service_name(format!("{}-{role}", otlp.service_name))
        .with_attribute(KeyValue::new(
            "service.namespace",
            otlp.service_name.clone(),
        ))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let sampler = match otlp.endpoint {
        Some(_) => Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(otlp.sample_ratio))),
        // Ids without recording: nobody would read the spans.
        None => Sampler::ParentBased(Box::new(Sampler::AlwaysOff)),
    };
    let builder = SdkTracerProvider::builder()
        .with_resource(resource)
        .with_sampler(sampler);
    let Some(endpoint) = &otlp.endpoint else {
        return Ok(builder.build());
    };
    // Our own channel connects lazily, speaks TLS and comes back after the collector was away.
    let config = ChannelConfig {
        connections: 1,
        ..ChannelConfig::default()
    };
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_channel(channel(endpoint.as_str().parse()?, &config))
        .build()?;
    Ok(builder.with_batch_exporter(exporter).build())
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
