//! What leaves by OTLP: traces and OpenTelemetry's metrics. It must not know what is in them.

use opentelemetry::KeyValue;
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithTonicConfig as _};
use opentelemetry_sdk::{
    Resource,
    metrics::SdkMeterProvider,
    trace::{Sampler, SdkTracerProvider},
};
use tonic::transport::Channel;
use url::Url;

use super::{OtlpConfig, TelemetryError};
use crate::channel::{ChannelConfig, uncounted};

/// Traces; without a collector they have ids and go nowhere.
pub(super) fn traces(role: &str, otlp: &OtlpConfig) -> Result<SdkTracerProvider, TelemetryError> {
    let sampler = match otlp.endpoint {
        Some(_) => Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(otlp.sample_ratio))),
        // Ids without recording: nobody would read the spans.
        None => Sampler::ParentBased(Box::new(Sampler::AlwaysOff)),
    };
    let builder = SdkTracerProvider::builder()
        .with_resource(resource(role, otlp))
        .with_sampler(sampler);
    let Some(endpoint) = &otlp.endpoint else {
        return Ok(builder.build());
    };
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_channel(collector(endpoint)?)
        .build()?;
    Ok(builder.with_batch_exporter(exporter).build())
}

/// Metrics, sent every minute; none without a collector.
pub(super) fn figures(
    role: &str,
    otlp: &OtlpConfig,
) -> Result<Option<SdkMeterProvider>, TelemetryError> {
    let Some(endpoint) = &otlp.endpoint else {
        return Ok(None);
    };
    let exporter = MetricExporter::builder()
        .with_tonic()
        .with_channel(collector(endpoint)?)
        .build()?;
    let provider = SdkMeterProvider::builder()
        .with_resource(resource(role, otlp))
        .with_periodic_exporter(exporter);
    Ok(Some(provider.build()))
}

fn resource(role: &str, otlp: &OtlpConfig) -> Resource {
    Resource::builder()
        .with_service_name(format!("{}-{role}", otlp.service_name))
        .with_attribute(KeyValue::new(
            "service.namespace",
            otlp.service_name.clone(),
        ))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Our own channel connects lazily, speaks TLS and comes back after the collector was away. What it sends is no call of
/// the process's work.
fn collector(endpoint: &Url) -> Result<Channel, TelemetryError> {
    let config = ChannelConfig {
        connections: 1,
        ..ChannelConfig::default()
    };
    Ok(uncounted(endpoint.as_str().parse()?, &config))
}
