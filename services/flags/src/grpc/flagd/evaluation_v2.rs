//! `flagd.evaluation.v2` on the wire.

use std::{pin::Pin, sync::Arc};

use futures::{Stream, StreamExt as _};
use serde_json::Value;
use tonic::{Request, Response, Status};
use troika_proto::flagd::evaluation::v2::{self, service_server::Service};

use super::{changed, object, resolve, structured, text, whole};
use crate::{book::Book, grpc::Watchers};

/// The service.
pub(crate) struct EvaluationV2 {
    pub(crate) book: Arc<Book>,
    pub(crate) watchers: Watchers,
}

#[tonic::async_trait]
impl Service for EvaluationV2 {
    type EventStreamStream =
        Pin<Box<dyn Stream<Item = Result<v2::EventStreamResponse, Status>> + Send>>;

    async fn resolve_boolean(
        &self,
        request: Request<v2::ResolveBooleanRequest>,
    ) -> Result<Response<v2::ResolveBooleanResponse>, Status> {
        let v2::ResolveBooleanRequest { flag_key, context } = request.into_inner();
        let (value, resolved) = resolve(&self.book, &flag_key, context, Value::as_bool)?;
        Ok(Response::new(v2::ResolveBooleanResponse {
            value: Some(value),
            reason: resolved.reason,
            variant: Some(resolved.variant),
            metadata: resolved.metadata,
        }))
    }

    async fn resolve_string(
        &self,
        request: Request<v2::ResolveStringRequest>,
    ) -> Result<Response<v2::ResolveStringResponse>, Status> {
        let v2::ResolveStringRequest { flag_key, context } = request.into_inner();
        let (value, resolved) = resolve(&self.book, &flag_key, context, text)?;
        Ok(Response::new(v2::ResolveStringResponse {
            value: Some(value),
            reason: resolved.reason,
            variant: Some(resolved.variant),
            metadata: resolved.metadata,
        }))
    }

    async fn resolve_float(
        &self,
        request: Request<v2::ResolveFloatRequest>,
    ) -> Result<Response<v2::ResolveFloatResponse>, Status> {
        let v2::ResolveFloatRequest { flag_key, context } = request.into_inner();
        let (value, resolved) = resolve(&self.book, &flag_key, context, Value::as_f64)?;
        Ok(Response::new(v2::ResolveFloatResponse {
            value: Some(value),
            reason: resolved.reason,
            variant: Some(resolved.variant),
            metadata: resolved.metadata,
        }))
    }

    async fn resolve_int(
        &self,
        request: Request<v2::ResolveIntRequest>,
    ) -> Result<Response<v2::ResolveIntResponse>, Status> {
        let v2::ResolveIntRequest { flag_key, context } = request.into_inner();
        let (value, resolved) = resolve(&self.book, &flag_key, context, whole)?;
        Ok(Response::new(v2::ResolveIntResponse {
            value: Some(value),
            reason: resolved.reason,
            variant: Some(resolved.variant),
            metadata: resolved.metadata,
        }))
    }

    async fn resolve_object(
        &self,
        request: Request<v2::ResolveObjectRequest>,
    ) -> Result<Response<v2::ResolveObjectResponse>, Status> {
        let v2::ResolveObjectRequest { flag_key, context } = request.into_inner();
        let (value, resolved) = resolve(&self.book, &flag_key, context, object)?;
        Ok(Response::new(v2::ResolveObjectResponse {
            value: Some(value),
            reason: resolved.reason,
            variant: Some(resolved.variant),
            metadata: resolved.metadata,
        }))
    }

    async fn event_stream(
        &self,
        _: Request<v2::EventStreamRequest>,
    ) -> Result<Response<Self::EventStreamStream>, Status> {
        let events = changed::events(self.watchers.states(&self.book)?);
        Ok(Response::new(Box::pin(events.map(|(kind, data)| {
            Ok(v2::EventStreamResponse {
                r#type: kind.to_owned(),
                data: Some(structured(&data)),
            })
        }))))
    }
}
