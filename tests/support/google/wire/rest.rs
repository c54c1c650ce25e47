//! Speech in one piece, and the list of voices: JSON.

use std::{convert::Infallible, time::Instant};

use axum::{
    Extension, Json,
    body::Body,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures::stream;
use serde_json::{Value, json};
use tokio::time::sleep;
use tonic::Code;

use super::{MAX_TEXT_BYTES, Shared, complaint, page};
use crate::google::{
    Call, Cord, Fault, How, Visit,
    sound::{SAMPLE_RATE, samples, wav},
};

/// The number of LINEAR16 among the encodings.
const LINEAR16: i64 = 1;

pub(super) async fn synthesize(
    State(book): State<Shared>,
    Extension(cord): Extension<Cord>,
    Json(body): Json<Value>,
) -> Response {
    let text = |path: &str| {
        body.pointer(path)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let number = |path: &str| body.pointer(path).and_then(Value::as_f64);
    let (said, rate) = (
        text("/input/text"),
        number("/audioConfig/speakingRate").unwrap_or(1.0),
    );
    let call = Call {
        voice: text("/voice/name"),
        language: text("/voice/languageCode"),
        text: said.clone(),
        rate,
        sample_rate: number("/audioConfig/sampleRateHertz").unwrap_or(0.0) as i32,
        how: How::Unary,
        at: Instant::now(),
        end: None,
    };
    let (visit, speech) = Visit::begin(&book, call);
    sleep(speech.delay).await;

    let is_linear = body
        .pointer("/audioConfig/audioEncoding")
        .and_then(Value::as_i64)
        == Some(LINEAR16);
    if !is_linear || said.is_empty() || said.len() > MAX_TEXT_BYTES {
        visit.served();
        return refusal(Code::InvalidArgument, None, &said);
    }
    let whole = samples(&said, rate, SAMPLE_RATE);
    let half = &whole[..whole.len() / 4 * 2];
    let file = match speech.fault {
        None => wav(SAMPLE_RATE, whole.len(), &whole),
        Some(Fault::Reset) => {
            visit.served();
            cord.cut();
            return std::future::pending().await;
        }
        Some(Fault::Refuse { code, retry_after }) => {
            visit.served();
            return refusal(code, retry_after.map(|time| time.as_secs()), &said);
        }
        Some(Fault::Proxy(status)) => {
            visit.served();
            return page(status);
        }
        Some(Fault::Garbage) => {
            visit.served();
            return page(200);
        }
        Some(Fault::HangBeforeSound) => return std::future::pending().await,
        Some(fault @ (Fault::HangAfterHalf | Fault::ErrorAfterHalf)) => {
            let answer = answer(&wav(SAMPLE_RATE, whole.len(), &whole)).to_string();
            return broken(answer, visit, matches!(fault, Fault::HangAfterHalf), cord);
        }
        Some(Fault::EndAfterHalf) => wav(SAMPLE_RATE, whole.len(), half),
        Some(Fault::HalfASample) => wav(SAMPLE_RATE, whole.len(), &whole[..whole.len() - 1]),
        Some(Fault::NoSound) => Vec::new(),
        Some(Fault::WrongRate) => {
            let sound = samples(&said, rate, 16_000);
            wav(16_000, sound.len(), &sound)
        }
    };
    visit.served();
    Json(answer(&file)).into_response()
}

pub(super) async fn voices(
    State(book): State<Shared>,
    Query(query): Query<Vec<(String, String)>>,
) -> Response {
    let asked = |key: &str| query.iter().find(|(name, _)| name == key);
    let language = asked("languageCode").map_or_else(String::new, |(_, value)| value.clone());
    let call = Call {
        voice: String::new(),
        language: language.clone(),
        text: String::new(),
        rate: 1.0,
        sample_rate: 0,
        how: How::Listing,
        at: Instant::now(),
        end: None,
    };
    let (visit, speech) = Visit::begin(&book, call);
    sleep(speech.delay).await;
    match speech.fault {
        Some(Fault::HangBeforeSound) => return std::future::pending().await,
        Some(Fault::Refuse { code, retry_after }) => {
            visit.served();
            return refusal(code, retry_after.map(|time| time.as_secs()), "");
        }
        Some(Fault::Garbage) => {
            visit.served();
            return page(200);
        }
        _ => {}
    }
    let names = book.lock().unwrap().script.voices.clone();
    let voices: Vec<Value> = names
        .iter()
        .filter(|name| name.starts_with(&language))
        .map(|name| {
            let language = name.split('-').take(2).collect::<Vec<_>>().join("-");
            json!({"name": name, "languageCodes": [language], "ssmlGender": 2, "naturalSampleRateHertz": SAMPLE_RATE})
        })
        .collect();
    visit.served();
    Json(json!({"voices": voices})).into_response()
}

fn answer(file: &[u8]) -> Value {
    json!({"audioContent": BASE64_STANDARD.encode(file)})
}

/// Half of an answer, after which nothing comes or the connection breaks.
fn broken(answer: String, visit: Visit, hangs: bool, cord: Cord) -> Response {
    let length = answer.len();
    let half = Bytes::from(answer).slice(..length / 2);
    let body = stream::unfold(Some((half, visit)), move |state| {
        let cord = cord.clone();
        async move {
            let (half, visit) = state?;
            if half.is_empty() {
                if !hangs {
                    visit.served();
                    cord.cut();
                }
                return std::future::pending().await;
            }
            Some((Ok::<_, Infallible>(half), Some((Bytes::new(), visit))))
        }
    });
    (
        [
            ("content-type", "application/json"),
            ("content-length", length.to_string().as_str()),
        ],
        Body::from_stream(body),
    )
        .into_response()
}

fn refusal(code: Code, retry_after: Option<u64>, text: &str) -> Response {
    let (status, name) = match code {
        Code::InvalidArgument => (400, "INVALID_ARGUMENT"),
        Code::FailedPrecondition => (400, "FAILED_PRECONDITION"),
        Code::Unauthenticated => (401, "UNAUTHENTICATED"),
        Code::PermissionDenied => (403, "PERMISSION_DENIED"),
        Code::NotFound => (404, "NOT_FOUND"),
        Code::ResourceExhausted => (429, "RESOURCE_EXHAUSTED"),
        Code::Unimplemented => (501, "UNIMPLEMENTED"),
        Code::Unavailable => (503, "UNAVAILABLE"),
        Code::DeadlineExceeded => (504, "DEADLINE_EXCEEDED"),
        _ => (500, "INTERNAL"),
    };
    let error = json!({"error": {"code": status, "message": complaint(text), "status": name}});
    let mut response = (StatusCode::from_u16(status).unwrap(), Json(error)).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert("retry-after", seconds.into());
    }
    response
}
