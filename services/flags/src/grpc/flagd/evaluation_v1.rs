//! `flagd.evaluation.v1` on the wire.

use std::{collections::HashMap, pin::Pin, sync::Arc};

use futures::{Stream, StreamExt as _};
use serde_json::Value;
use tonic::{Request, Response, Status};
use troika_proto::flagd::evaluation::v1::{self, service_server::Service};

use super::{changed, metadata, object, resolve, structured, text, whole};
use crate::{book::Book, grpc::Watchers};

/// The service.
pub(crate) struct EvaluationV1 {
    pub(crate) book: Arc<Book>,
    pub(crate) watchers: Watchers,
}

#[tonic::async_trait]
impl Service for EvaluationV1 {
    type EventStreamStream =
        Pin<Box<dyn Stream<Item = Result<v1::EventStreamResponse, Status>> + Send>>;

    async fn resolve_all(
        &self,
        request: Request<v1::ResolveAllRequest>,
    ) -> Result<Response<v1::ResolveAllResponse>, Status> {
        let asked = request.into_inner().context;
        let state = self.book.now()?;
        let mut flags = HashMap::new();
        for key in state.flags.keys() {
            let (value, resolved) = resolve(&self.book, key, asked.clone(), any)?;
            let flag = v1::AnyFlag {
                reason: resolved.reason,
                variant: resolved.variant,
                value: Some(value),
                metadata: resolved.metadata,
            };
            flags.insert(key.clone(), flag);
        }
        Ok(Response::new(v1::ResolveAllResponse {
            flags,
            metadata: metadata(state.revision),
        }))
    }

    async fn resolve_boolean(
        &self,
        request: Request<v1::ResolveBooleanRequest>,
    ) -> Result<Response<v1::ResolveBooleanResponse>, Status> {
        let v1::ResolveBooleanRequest { flag_key, context } = request.into_inner();
        let (value, resolved) = resolve(&self.book, &flag_key, context, Value::as_bool)?;
        Ok(Response::new(v1::ResolveBooleanResponse {
            value,
            reason: resolved.reason,
            variant: resolved.variant,
            metadata: resolved.metadata,
        }))
    }

    async fn resolve_string(
        &self,
        request: Request<v1::ResolveStringRequest>,
    ) -> Result<Response<v1::ResolveStringResponse>, Status> {
        let v1::ResolveStringRequest { flag_key, context } = request.into_inner();
        let (value, resolved) = resolve(&self.book, &flag_key, context, text)?;
        Ok(Response::new(v1::ResolveStringResponse {
            value,
            reason: resolved.reason,
            variant: resolved.variant,
            metadata: resolved.metadata,
        }))
    }

    async fn resolve_float(
        &self,
        request: Request<v1::ResolveFloatRequest>,
    ) -> Result<Response<v1::ResolveFloatResponse>, Status> {
        let v1::ResolveFloatRequest { flag_key, context } = request.into_inner();
        let (value, resolved) = resolve(&self.book, &flag_key, context, Value::as_f64)?;
        Ok(Response::new(v1::ResolveFloatResponse {
            value,
            reason: resolved.reason,
            variant: resolved.variant,
            metadata: resolved.metadata,
        }))
    }

    async fn resolve_int(
        &self,
        request: Request<v1::ResolveIntRequest>,
    ) -> Result<Response<v1::ResolveIntResponse>, Status> {
        let v1::ResolveIntRequest { flag_key, context } = request.into_inner();
        let (value, resolved) = resolve(&self.book, &flag_key, context, whole)?;
        Ok(Response::new(v1::ResolveIntResponse {
            value,
            reason: resolved.reason,
            variant: resolved.variant,
            metadata: resolved.metadata,
        }))
    }

    async fn resolve_object(
        &self,
        request: Request<v1::ResolveObjectRequest>,
    ) -> Result<Response<v1::ResolveObjectResponse>, Status> {
        let v1::ResolveObjectRequest { flag_key, context } = request.into_inner();
        let (value, resolved) = resolve(&self.book, &flag_key, context, object)?;
        Ok(Response::new(v1::ResolveObjectResponse {
            value: Some(value),
            reason: resolved.reason,
            variant: resolved.variant,
            metadata: resolved.metadata,
        }))
    }

    async fn event_stream(
        &self,
        _: Request<v1::EventStreamRequest>,
    ) -> Result<Response<Self::EventStreamStream>, Status> {
        let events = changed::events(self.watchers.states(&self.book)?);
        Ok(Response::new(Box::pin(events.map(|(kind, data)| {
            Ok(v1::EventStreamResponse {
                r#type: kind.to_owned(),
                data: Some(structured(&data)),
            })
        }))))
    }
}

fn any(value: &Value) -> Option<v1::any_flag::Value> {
    use v1::any_flag::Value as Any;
    Some(match value {
        Value::Bool(value) => Any::BoolValue(*value),
        Value::String(text) => Any::StringValue(text.clone()),
        Value::Number(number) => Any::DoubleValue(number.as_f64()?),
        value => Any::ObjectValue(object(value)?),
    })
}
