//! One OpenAI-compatible endpoint: a chat completion as a stream of deltas. With `openai/`
//! the only place that knows the provider's wire.
//!
//! Requests are built from async-openai's types. The stream is read here, because async-openai reads
//! it in a task of its own over an unbounded channel and hides `Retry-After`: here a slow listener slows
//! the provider, and dropping the stream closes the connection.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use async_openai::types::chat::{
    ChatCompletionRequestAssistantMessage, ChatCompletionRequestMessage,
    ChatCompletionRequestSystemMessage, ChatCompletionRequestUserMessage,
    ChatCompletionStreamOptions, CreateChatCompletionRequest,
};
use bytes::Bytes;
use eventsource_stream::{EventStream, EventStreamError, Eventsource as _};
use futures::{Stream, StreamExt as _};
use reqwest::{Response, StatusCode, header};
use troika_chassis::config::Secret;

use super::{Ask, Delta, EndpointConfig, ModelError};
use crate::prompt::Role;

mod chunk;

use chunk::{ErrorBody, decode};

/// Most bytes of an error body that are read for the log.
const MAX_ERROR_BODY: usize = 4096;
/// An endpoint and how to ask it.
pub(crate) struct Endpoint {
    http: reqwest::Client,
    url: String,
    api_key: Secret,
    /// The model it is asked for by default.
    pub(crate) model: String,
    default_temperature: f32,
    max_response: u64,
}

impl Endpoint {
    pub(crate) fn new(
        http: reqwest::Client,
        config: EndpointConfig,
        temperature: f64,
        max_response: u64,
    ) -> Self {
        let url = format!(
            "{}/chat/completions",
            config.base_url.as_str().trim_end_matches('/')
        );
        Self {
            http,
            url,
            api_key: config.api_key,
            model: config.name,
            default_temperature: temperature as f32,
            max_response,
        }
    }

    /// Sends the request and waits for the response's headers. Has no time limit but the connection's
    /// own; dropping it ends the request.
    pub(crate) async fn start(&self, ask: &Ask, model: &str) -> Result<Deltas, ModelError> {
        let mut headers = header::HeaderMap::new();
        ask.request.inject_headers(&mut headers);
        let mut request = self
            .http
            .post(&self.url)
            .headers(headers)
            .header(header::ACCEPT, "text/event-stream")
            .json(&self.request(ask, model));
        if !self.api_key.is_empty() {
            request = request.bearer_auth(self.api_key.expose());
        }
        let response = request.send().await.map_err(|error| {
            let error = error.without_url();
            if error.is_connect() {
                ModelError::Unreachable(error)
            } else {
                ModelError::Interrupted(error.into())
            }
        })?;
        if response.status() != StatusCode::OK {
            return Err(refusal(response).await);
        }
        let content_type = response
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        if let Some(other) = content_type.filter(|value| !value.starts_with("text/event-stream")) {
            let other = other.to_owned();
            let message = error_message(response).await;
            return Err(ModelError::NotAStream(format!("{other}: {message}")));
        }
        let body: BodyStream = Box::pin(response.bytes_stream());
        Ok(Deltas {
            events: Measured {
                body,
                left: self.max_response,
                limit: self.max_response,
            }
            .eventsource(),
            queued: Vec::new(),
            finished: false,
            ended: false,
        })
    }

    fn request(&self, ask: &Ask, model: &str) -> CreateChatCompletionRequest {
        CreateChatCompletionRequest {
            model: model.to_owned(),
            messages: ask
                .prompt
                .messages
                .iter()
                .map(|(role, text)| message(*role, text))
                .collect(),
            temperature: Some(
                ask.temperature
                    .map_or(self.default_temperature, |value| value as f32),
            ),
            max_completion_tokens: ask.max_tokens,
            stream: Some(true),
            stream_options: Some(ChatCompletionStreamOptions {
                include_usage: Some(true),
                include_obfuscation: None,
            }),
            ..CreateChatCompletionRequest::default()
        }
    }
}

fn message(role: Role, text: &str) -> ChatCompletionRequestMessage {
    match role {
        Role::System => ChatCompletionRequestSystemMessage::from(text).into(),
        Role::User => ChatCompletionRequestUserMessage::from(text).into(),
        Role::Assistant => ChatCompletionRequestAssistantMessage::from(text).into(),
    }
}

async fn refusal(response: Response) -> ModelError {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    match status {
        StatusCode::TOO_MANY_REQUESTS => ModelError::Throttled { retry_after },
        StatusCode::REQUEST_TIMEOUT | StatusCode::CONFLICT => ModelError::Failing {
            status: status.as_u16(),
            retry_after,
        },
        _ if status.is_server_error() => ModelError::Failing {
            status: status.as_u16(),
            retry_after,
        },
        _ => ModelError::Refused {
            status: status.as_u16(),
            reason: error_message(response).await,
        },
    }
}

/// Seconds or milliseconds, as providers send them. The HTTP date form is not in use among them.
fn retry_after(headers: &header::HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds = number("retry-after-ms")
        .map(|ms| ms / 1000.0)
        .or_else(|| number("retry-after"))?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// Type and code of an error body, for the log alone.
async fn error_message(response: Response) -> String {
    let mut body = Vec::new();
    let mut pieces = response.bytes_stream();
    while let Some(Ok(piece)) = pieces.next().await {
        body.extend_from_slice(&piece);
        if body.len() >= MAX_ERROR_BODY {
            break;
        }
    }
    match serde_json::from_slice::<ErrorBody>(&body) {
        Ok(ErrorBody { error }) => error.text(),
        Err(_) => "no error object in the body".to_owned(),
    }
}

type BodyStream = Pin<Box<dyn Stream<Item = Result<Bytes, reqwest::Error>> + Send>>;

/// The response's body, cut off at its largest size, so that an endless line cannot fill the memory.
struct Measured {
    body: BodyStream,
    left: u64,
    limit: u64,
}

#[derive(Debug, thiserror::Error)]
enum BodyError {
    #[error("too large")]
    TooLarge(u64),
    #[error(transparent)]
    Transport(#[from] reqwest::Error),
}

impl Stream for Measured {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match ready!(self.body.poll_next_unpin(cx)) {
            Some(Ok(bytes)) => {
                let Some(left) = self.left.checked_sub(bytes.len() as u64) else {
                    return Poll::Ready(Some(Err(BodyError::TooLarge(self.limit))));
                };
                self.left = left;
                Poll::Ready(Some(Ok(bytes)))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(error.without_url().into()))),
            None => Poll::Ready(None),
        }
    }
}

/// The deltas of one response, without time limits. Dropping it closes the connection.
pub(crate) struct Deltas {
    events: EventStream<Measured>,
    /// Deltas of the chunk read last, in reverse order.
    queued: Vec<Delta>,
    finished: bool,
    ended: bool,
}

impl Stream for Deltas {
    type Item = Result<Delta, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(delta) = self.queued.pop() {
                return Poll::Ready(Some(Ok(delta)));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            let failure = match ready!(self.events.poll_next_unpin(cx)) {
                Some(Ok(event)) if event.data == "[DONE]" => None,
                Some(Ok(event)) => match decode(&event.data) {
                    Ok(deltas) => {
                        self.finished |=
                            deltas.iter().any(|delta| matches!(delta, Delta::Finish(_)));
                        self.queued = deltas;
                        self.queued.reverse();
                        continue;
                    }
                    Err(error) => Some(error),
                },
                Some(Err(EventStreamError::Transport(BodyError::TooLarge(limit)))) => {
                    Some(ModelError::TooLarge(limit))
                }
                Some(Err(EventStreamError::Transport(BodyError::Transport(error)))) => {
                    Some(ModelError::Interrupted(error.into()))
                }
                // These two quote the stream, which is the model's answer.
                Some(Err(EventStreamError::Utf8(_))) => {
                    Some(ModelError::Malformed("it is not UTF-8".into()))
                }
                Some(Err(EventStreamError::Parser(_))) => {
                    Some(ModelError::Malformed("it is no event".into()))
                }
                None => None,
            };
            self.ended = true;
            // What comes after the finish reason can take nothing from the answer.
            return Poll::Ready(match failure {
                _ if self.finished => None,
                Some(error) => Some(Err(error)),
                None => Some(Err(ModelError::Unfinished)),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_seconds_and_milliseconds() {
        let headers = |name: &'static str, value: &'static str| {
            header::HeaderMap::from_iter([(
                header::HeaderName::from_static(name),
                header::HeaderValue::from_static(value),
            )])
        };
        assert_eq!(
            retry_after(&headers("retry-after", "2")),
            Some(Duration::from_secs(2))
        );
        assert_eq!(
            retry_after(&headers("retry-after-ms", "150")),
            Some(Duration::from_millis(150))
        );
        assert_eq!(retry_after(&headers("retry-after", "-1")), None);
        assert_eq!(retry_after(&headers("retry-after", "soon")), None);
    }
}
