//! Speech as a stream: gRPC.

use std::{
    future::Future,
    pin::Pin,
    time::{Duration, Instant},
};

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use futures::{StreamExt as _, stream, stream::BoxStream};
use prost::Message as _;
use tokio::time::sleep;
use tonic::{
    Code, Streaming,
    server::{Grpc, StreamingService},
};
use tonic_prost::ProstCodec;

use super::{
    MAX_TEXT_BYTES, Shared, complaint,
    messages::{
        Any, Delay, RetryInfo, Status, StreamingSynthesizeRequest, StreamingSynthesizeResponse,
    },
    page,
};
use crate::google::{
    Call, Cord, Fault, How, Speech, Visit,
    sound::{SAMPLE_RATE, samples},
};

/// The number of PCM among the encodings.
const PCM: i32 = 7;

type Answer = Result<StreamingSynthesizeResponse, tonic::Status>;

/// The one method of the service.
struct Synthesis {
    book: Shared,
    cord: Cord,
    aside: Aside,
}

/// An answer that is no gRPC at all, from within a gRPC method.
#[derive(Clone, Default)]
struct Aside(std::sync::Arc<std::sync::Mutex<Option<Fault>>>);

pub(super) async fn streaming_synthesize(
    State(book): State<Shared>,
    Extension(cord): Extension<Cord>,
    request: Request,
) -> Response {
    let aside = Aside::default();
    let service = Synthesis {
        book,
        cord,
        aside: aside.clone(),
    };
    let codec = ProstCodec::<StreamingSynthesizeResponse, StreamingSynthesizeRequest>::default();
    let response = Grpc::new(codec).streaming(service, request).await;
    let aside = aside.0.lock().unwrap().take();
    match aside {
        Some(Fault::Proxy(status)) => page(status),
        // A frame of four bytes that are no message.
        Some(_) => (
            [("content-type", "application/grpc")],
            Bytes::from_static(&[0, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff]),
        )
            .into_response(),
        None => response.map(Body::new),
    }
}

impl StreamingService<StreamingSynthesizeRequest> for Synthesis {
    type Response = StreamingSynthesizeResponse;
    type ResponseStream = BoxStream<'static, Answer>;
    type Future = Pin<
        Box<
            dyn Future<Output = Result<tonic::Response<Self::ResponseStream>, tonic::Status>>
                + Send,
        >,
    >;

    fn call(
        &mut self,
        request: tonic::Request<Streaming<StreamingSynthesizeRequest>>,
    ) -> Self::Future {
        let (book, cord, aside) = (self.book.clone(), self.cord.clone(), self.aside.clone());
        Box::pin(async move {
            let (call, encoding) = read(request.into_inner()).await?;
            let (visit, speech) = Visit::begin(&book, call.clone());
            sleep(speech.delay).await;
            if encoding != PCM || call.text.is_empty() || call.text.len() > MAX_TEXT_BYTES {
                visit.served();
                return Err(tonic::Status::invalid_argument(complaint(&call.text)));
            }
            if !call.voice.contains("-Chirp3-HD-") {
                visit.served();
                return Err(tonic::Status::invalid_argument(
                    "only Chirp 3: HD voices are supported for streaming synthesis",
                ));
            }
            match &speech.fault {
                Some(Fault::Reset) => {
                    visit.served();
                    cord.cut();
                    return std::future::pending().await;
                }
                Some(Fault::HangBeforeSound) => {
                    // Headers come at once, and then nothing.
                    let hang = stream::once(async move {
                        let _visit = visit;
                        std::future::pending::<Answer>().await
                    });
                    return Ok(tonic::Response::new(hang.boxed()));
                }
                Some(Fault::Refuse { code, retry_after }) => {
                    visit.served();
                    return Err(refusal(*code, *retry_after, &call.text));
                }
                Some(fault @ (Fault::Proxy(_) | Fault::Garbage)) => {
                    visit.served();
                    *aside.0.lock().unwrap() = Some(fault.clone());
                    return Ok(tonic::Response::new(stream::empty().boxed()));
                }
                _ => {}
            }
            Ok(tonic::Response::new(play(call, speech, visit)))
        })
    }
}

/// The configuration and all texts, until the client says no more.
async fn read(
    mut requests: Streaming<StreamingSynthesizeRequest>,
) -> Result<(Call, i32), tonic::Status> {
    let first = requests
        .message()
        .await?
        .and_then(|first| first.streaming_config);
    let Some(config) = first else {
        return Err(tonic::Status::invalid_argument(
            "the first message is the configuration",
        ));
    };
    let voice = config.voice.unwrap_or_default();
    let audio = config.streaming_audio_config.unwrap_or_default();
    let mut text = String::new();
    while let Some(request) = requests.message().await? {
        text += &request
            .input
            .and_then(|input| input.text)
            .unwrap_or_default();
    }
    let call = Call {
        voice: voice.name,
        language: voice.language_code,
        text,
        rate: if audio.speaking_rate == 0.0 {
            1.0
        } else {
            audio.speaking_rate
        },
        sample_rate: audio.sample_rate_hertz,
        how: How::Streaming,
        at: Instant::now(),
        end: None,
    };
    Ok((call, audio.audio_encoding))
}

/// The sound in pieces, as far as the fault lets it come.
fn play(call: Call, speech: Speech, visit: Visit) -> BoxStream<'static, Answer> {
    let mut sound = samples(&call.text, call.rate, SAMPLE_RATE);
    match speech.fault {
        Some(Fault::HangAfterHalf | Fault::ErrorAfterHalf | Fault::EndAfterHalf) => {
            sound.truncate(sound.len() / 4 * 2);
        }
        Some(Fault::HalfASample) => sound.truncate(sound.len().saturating_sub(1)),
        Some(Fault::NoSound) => sound.clear(),
        _ => {}
    }
    let piece = (speech.piece.as_secs_f64() * f64::from(SAMPLE_RATE)) as usize * 2;
    let pieces: Vec<Vec<u8>> = sound.chunks(piece.max(2)).map(<[u8]>::to_vec).collect();
    let state = Some((pieces.into_iter(), visit, true));
    stream::unfold(state, move |state| {
        let (fault, text, pace) = (speech.fault.clone(), call.text.clone(), speech.pace);
        async move {
            let (mut pieces, visit, is_first) = state?;
            let Some(audio_content) = pieces.next() else {
                return match fault {
                    Some(Fault::HangAfterHalf) => std::future::pending().await,
                    Some(Fault::ErrorAfterHalf) => {
                        visit.served();
                        Some((Err(tonic::Status::unavailable(complaint(&text))), None))
                    }
                    _ => {
                        visit.served();
                        None
                    }
                };
            };
            if !is_first {
                sleep(pace).await;
            }
            let answer = StreamingSynthesizeResponse { audio_content };
            Some((Ok(answer), Some((pieces, visit, false))))
        }
    })
    .boxed()
}

fn refusal(code: Code, retry_after: Option<Duration>, text: &str) -> tonic::Status {
    let Some(time) = retry_after else {
        return tonic::Status::new(code, complaint(text));
    };
    let info = RetryInfo {
        retry_delay: Some(Delay {
            seconds: i64::try_from(time.as_secs()).unwrap(),
            nanos: i32::try_from(time.subsec_nanos()).unwrap(),
        }),
    };
    let status = Status {
        code: code as i32,
        message: complaint(text),
        details: vec![Any {
            type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(),
            value: info.encode_to_vec(),
        }],
    };
    tonic::Status::with_details(code, complaint(text), status.encode_to_vec().into())
}
