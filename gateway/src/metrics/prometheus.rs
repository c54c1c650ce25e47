//! The names that existing dashboards read, in Prometheus' text format: totals since counting began, over all processes.
//! Real histograms stand on each process's own admin port.

use std::fmt::Write as _;

use axum::{
    Extension,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, header::CONTENT_TYPE};
use troika_chassis::context::RequestContext;
use troika_proto::metrics::v1::{
    CacheUse, GetSnapshotRequest, GetSnapshotResponse, Latency, Window,
};

use super::{Metrics, old::answer_size, refused};
use crate::problem::{Problem, ProblemDocument};

/// The text format's media type.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All figures for a scraper of the old names. Also at `/metrics`.
#[utoipa::path(
    get, path = "/prometheus/metrics", tag = "metrics",
    responses(
        (status = 200, description = "Prometheus' text format", content_type = "text/plain", body = String),
        (status = "5XX", description = "The metrics role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn prometheus(
    State(metrics): State<Metrics>,
    Extension(context): Extension<RequestContext>,
) -> Result<Response, Problem> {
    let asked = GetSnapshotRequest {
        window: Window::Lifetime.into(),
        ..GetSnapshotRequest::default()
    };
    let sent = metrics
        .peer
        .ask(&context, asked, |mut client, request| async move {
            client.get_snapshot(request).await
        })
        .await
        .map_err(refused)?;
    let kind = [(CONTENT_TYPE, HeaderValue::from_static(TEXT))];
    Ok((kind, text(&sent)).into_response())
}

/// The page, metric by metric.
#[derive(Default)]
struct Page(String);

impl Page {
    /// A metric with its samples: labels as they are written, and values.
    fn metric(&mut self, name: &str, kind: &str, help: &str, samples: &[(&str, f64)]) {
        let Self(page) = self;
        // Writing into memory cannot fail.
        let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(page, "{name}{labels} {value}");
        }
    }
}

fn text(sent: &GetSnapshotResponse) -> String {
    let figures = sent.total.clone().unwrap_or_default();
    let errors = figures.errors.unwrap_or_default();
    let ended = figures.successes + figures.failures;
    let rate = |part: u64, whole: u64, of_nothing: f64| match whole {
        0 => of_nothing,
        whole => part as f64 * 100.0 / whole as f64,
    };
    let uses = |told: &Option<CacheUse>| {
        let told = told.clone().unwrap_or_default();
        (told.hits, told.misses)
    };
    let (knowledge, speech) = (uses(&figures.knowledge), uses(&figures.speech));
    let mut page = Page::default();
    page.metric(
        "chatbot_requests_total",
        "counter",
        "Turns that ended, by how.",
        &[
            (r#"{type="success"}"#, figures.successes as f64),
            (r#"{type="failed"}"#, figures.failures as f64),
        ],
    );
    page.metric(
        "chatbot_active_streams",
        "gauge",
        "Turns that run now.",
        &[("", sent.active_streams as f64)],
    );
    page.metric(
        "chatbot_success_rate",
        "gauge",
        "Successes among successes and failures, in per cent.",
        &[("", rate(figures.successes, ended, 100.0))],
    );
    page.metric(
        "chatbot_active_users_unique",
        "gauge",
        "Different sessions since counting began.",
        &[("", sent.active_sessions as f64)],
    );
    page.metric(
        "chatbot_total_sessions",
        "gauge",
        "Different sessions since counting began.",
        &[("", sent.total_sessions as f64)],
    );
    let mut latencies = Vec::new();
    for (kind, told) in [
        ("first_token", &figures.first_token),
        ("first_audio", &figures.first_audio),
        ("complete", &figures.complete),
    ] {
        let told = told.unwrap_or_default();
        for (percentile, value) in percentiles(&told) {
            let labels = format!(r#"{{type="{kind}",percentile="{percentile}"}}"#);
            latencies.push((labels, value));
        }
    }
    let samples: Vec<(&str, f64)> = latencies
        .iter()
        .map(|(labels, value)| (labels.as_str(), *value))
        .collect();
    page.metric(
        "chatbot_latency_milliseconds",
        "gauge",
        "Times from the request's arrival, in milliseconds.",
        &samples,
    );
    page.metric(
        "chatbot_cache_hit_rate",
        "gauge",
        "Looks into caches that found something, in per cent.",
        &[
            (
                r#"{type="knowledge_base"}"#,
                rate(knowledge.0, knowledge.0 + knowledge.1, 0.0),
            ),
            (r#"{type="tts"}"#, rate(speech.0, speech.0 + speech.1, 0.0)),
        ],
    );
    page.metric(
        "chatbot_cache_operations_total",
        "counter",
        "Looks into caches.",
        &[
            (
                r#"{type="knowledge_base",result="hit"}"#,
                knowledge.0 as f64,
            ),
            (
                r#"{type="knowledge_base",result="miss"}"#,
                knowledge.1 as f64,
            ),
            (r#"{type="tts",result="hit"}"#, speech.0 as f64),
            (r#"{type="tts",result="miss"}"#, speech.1 as f64),
        ],
    );
    page.metric(
        "chatbot_errors_total",
        "counter",
        "Errors by where they come from.",
        &[
            (r#"{type="openai"}"#, errors.openai as f64),
            (r#"{type="tts"}"#, errors.tts as f64),
            (r#"{type="network"}"#, errors.network as f64),
            (r#"{type="validation"}"#, errors.validation as f64),
            (r#"{type="other"}"#, errors.other as f64),
        ],
    );
    let uptime = sent.uptime.map_or(0.0, |uptime| uptime.seconds as f64);
    page.metric(
        "chatbot_uptime_seconds",
        "gauge",
        "How long the oldest chat process has been up.",
        &[("", uptime)],
    );
    let tokens = figures.prompt_tokens + figures.completion_tokens;
    page.metric(
        "chatbot_resources_total",
        "counter",
        "What turns used.",
        &[
            (r#"{type="tokens"}"#, tokens as f64),
            (r#"{type="audio_chunks"}"#, figures.audio_chunks as f64),
        ],
    );
    page.metric(
        "chatbot_avg_response_size",
        "gauge",
        "Characters of an answer, on average.",
        &[("", answer_size(&figures))],
    );
    page.0
}

fn percentiles(told: &Latency) -> [(&'static str, f64); 4] {
    [
        ("avg", told.mean),
        ("p50", told.p50),
        ("p95", told.p95),
        ("p99", told.p99),
    ]
}
