//! The wire: JSON and gRPC. It must not know scripts, only what one call is to be answered with.

mod grpc;
mod messages;
mod rest;

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    response::{Html, IntoResponse as _, Response},
    routing::{get, post},
};

use super::Book;

type Shared = Arc<Mutex<Book>>;

/// Google's limit of a request, in bytes of text.
const MAX_TEXT_BYTES: usize = 5_000;

pub(super) fn routes(book: Shared) -> Router {
    Router::new()
        .route("/v1/text:synthesize", post(rest::synthesize))
        .route("/v1/voices", get(rest::voices))
        .route(
            "/google.cloud.texttospeech.v1.TextToSpeech/StreamingSynthesize",
            post(grpc::streaming_synthesize),
        )
        .with_state(book)
}

/// A page of something between the client and Google.
fn page(status: u16) -> Response {
    let status = axum::http::StatusCode::from_u16(status).unwrap();
    (status, Html("<html>an error page</html>")).into_response()
}

/// What Google writes about a call that it refuses.
fn complaint(text: &str) -> String {
    format!("words of Google that nobody may see, about the sentence starting with: \"{text}\"")
}
