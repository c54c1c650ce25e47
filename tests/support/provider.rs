//! A model provider that does as it is told: OpenAI's chat completions and embeddings on the true wire,
//! with every fault a provider can have. It records what it was asked and when its clients left.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::sleep};

/// One thing a provider does while it answers.
#[derive(Clone, Debug)]
pub enum Step {
    /// A chunk with this text.
    Token(String),
    /// A pause.
    Wait(Duration),
    /// Nothing more, while the connection stays open.
    Hang,
    /// Bytes as they are, in a write of their own.
    Raw(Bytes),
    /// The last chunk, with its reason.
    Finish(&'static str),
    /// The usage chunk.
    Usage {
        /// Tokens of the prompt.
        prompt: u32,
        /// Tokens of the answer.
        completion: u32,
    },
    /// `[DONE]`.
    Done,
    /// The connection breaks.
    Break,
}

/// What a provider does with one request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// An event stream; its end is the end of the steps.
    Stream(Vec<Step>),
    /// A status with an error object.
    Refuse {
        /// The HTTP status.
        status: u16,
        /// The `Retry-After` header.
        retry_after: Option<&'static str>,
    },
    /// 200 and a JSON body where an event stream should be.
    Json(Value),
    /// No response at all, while the connection stays open.
    Silence,
}

impl Reply {
    /// A whole answer in these tokens, with reason, usage and `[DONE]`.
    pub fn tokens<T: Into<String>>(tokens: impl IntoIterator<Item = T>) -> Self {
        let mut steps: Vec<Step> = tokens
            .into_iter()
            .map(|token| Step::Token(token.into()))
            .collect();
        let completion = u32::try_from(steps.len()).unwrap();
        steps.extend([
            Step::Finish("stop"),
            Step::Usage {
                prompt: 7,
                completion,
            },
            Step::Done,
        ]);
        Self::Stream(steps)
    }

    /// The same answer with every byte in a write of its own, so that lines and characters are cut.
    pub fn bytewise(self) -> Self {
        let Self::Stream(steps) = self else {
            return self;
        };
        let bytes: Vec<u8> = steps
            .iter()
            .flat_map(|step| step.bytes().unwrap_or_default())
            .collect();
        Self::Stream(
            bytes
                .into_iter()
                .map(|byte| Step::Raw(Bytes::copy_from_slice(&[byte])))
                .collect(),
        )
    }
}

impl Step {
    fn bytes(&self) -> Option<Bytes> {
        let chunk = |choices: Value, usage: Value| {
            let chunk = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted", "choices": choices, "usage": usage});
            Bytes::from(format!("data: {chunk}\n\n"))
        };
        Some(match self {
            Self::Token(text) => chunk(
                json!([{"index": 0, "delta": {"content": text}, "finish_reason": null}]),
                Value::Null,
            ),
            Self::Finish(reason) => chunk(
                json!([{"index": 0, "delta": {}, "finish_reason": reason}]),
                Value::Null,
            ),
            Self::Usage { prompt, completion } => chunk(
                json!([]),
                json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}),
            ),
            Self::Done => Bytes::from_static(b"data: [DONE]\n\n"),
            Self::Raw(bytes) => bytes.clone(),
            Self::Wait(_) | Self::Hang | Self::Break => return None,
        })
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its JSON body.
    pub body: Value,
    /// When it came.
    pub at: Instant,
}

impl Asked {
    /// The texts of the prompt's messages with their roles.
    pub fn messages(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        self.body["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| (text(&message["role"]), text(&message["content"])))
            .collect()
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// How the provider's side of one answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// The client took everything.
    Served,
    /// The client left in the middle.
    Left(Instant),
}

/// Chooses a reply by what was asked.
type Choose = Box<dyn Fn(&Asked) -> Reply + Send>;

#[derive(Default)]
struct Book {
    replies: VecDeque<Reply>,
    /// Chooses in place of the list.
    choose: Option<Choose>,
    asked: Vec<Asked>,
    departures: Vec<Departure>,
    embedded: usize,
}

/// A running provider; gone when it is dropped.
pub struct Provider {
    /// Its address with `/v1`.
    pub url: String,
    book: Arc<Mutex<Book>>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Provider {
    /// Starts a provider that gives these replies, one a request; the last one again and again.
    pub async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::serve(Book {
            replies: replies.into_iter().collect(),
            ..Book::default()
        })
        .await
    }

    /// Starts a provider whose reply depends on what it is asked.
    pub async fn choosing(choose: impl Fn(&Asked) -> Reply + Send + 'static) -> Self {
        Self::serve(Book {
            choose: Some(Box::new(choose)),
            ..Book::default()
        })
        .await
    }

    async fn serve(book: Book) -> Self {
        let book = Arc::new(Mutex::new(book));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let routes = Router::new()
            .route("/v1/chat/completions", post(complete))
            .route("/v1/embeddings", post(embed))
            .with_state(book.clone());
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { url, book, server }
    }

    /// Everything it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.book.lock().unwrap().asked.clone()
    }

    /// How its answers ended so far.
    pub fn departures(&self) -> Vec<Departure> {
        self.book.lock().unwrap().departures.clone()
    }

    /// How many texts it embedded.
    pub fn embedded(&self) -> usize {
        self.book.lock().unwrap().embedded
    }

    /// Waits until it was asked `count` times.
    pub async fn asked_times(&self, count: usize) {
        crate::until(
            "the provider is asked",
            Duration::from_secs(10),
            async || self.asked().len() >= count,
        )
        .await;
    }

    /// Waits until `count` answers have ended; how.
    pub async fn ended(&self, count: usize) -> Vec<Departure> {
        crate::until(
            "the provider's answer ends",
            Duration::from_secs(10),
            async || self.departures().len() >= count,
        )
        .await;
        self.departures()
    }
}

/// Notes the end of an answer, whoever ends it.
struct Ending {
    book: Arc<Mutex<Book>>,
    served: bool,
}

impl Ending {
    /// The client took everything, or was sent away by the provider itself.
    fn served(mut self) {
        self.served = true;
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let departure = if self.served {
            Departure::Served
        } else {
            Departure::Left(Instant::now())
        };
        self.book.lock().unwrap().departures.push(departure);
    }
}

async fn complete(
    State(book): State<Arc<Mutex<Book>>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let reply = {
        let mut book = book.lock().unwrap();
        let asked = Asked {
            headers,
            body,
            at: Instant::now(),
        };
        let chosen = book.choose.as_ref().map(|choose| choose(&asked));
        book.asked.push(asked);
        if chosen.is_some() {
            chosen
        } else if book.replies.len() > 1 {
            book.replies.pop_front()
        } else {
            book.replies.front().cloned()
        }
    };
    let ending = Ending {
        book,
        served: false,
    };
    match reply.expect("the provider has a reply") {
        Reply::Stream(steps) => {
            let body = Body::from_stream(play(steps, ending));
            ([("content-type", "text/event-stream; charset=utf-8")], body).into_response()
        }
        Reply::Refuse {
            status,
            retry_after,
        } => {
            ending.served();
            let error = json!({"error": {"message": "provider words that nobody may see", "type": "scripted", "code": status}});
            let mut response = (StatusCode::from_u16(status).unwrap(), Json(error)).into_response();
            if let Some(after) = retry_after {
                response
                    .headers_mut()
                    .insert("retry-after", after.parse().unwrap());
            }
            response
        }
        Reply::Json(value) => {
            ending.served();
            Json(value).into_response()
        }
        Reply::Silence => std::future::pending().await,
    }
}

fn play(steps: Vec<Step>, ending: Ending) -> impl Stream<Item = Result<Bytes, std::io::Error>> {
    stream::unfold(
        (VecDeque::from(steps), ending),
        |(mut steps, ending)| async move {
            loop {
                match steps.pop_front() {
                    None => {
                        ending.served();
                        return None;
                    }
                    Some(Step::Wait(time)) => sleep(time).await,
                    Some(Step::Hang) => std::future::pending().await,
                    Some(Step::Break) => {
                        return Some((
                            Err(std::io::Error::other("broken on purpose")),
                            (steps, ending),
                        ));
                    }
                    Some(step @ Step::Raw(_)) => {
                        // Lets the server write what it has: each piece leaves by itself.
                        tokio::task::yield_now().await;
                        return Some((Ok(step.bytes().unwrap()), (steps, ending)));
                    }
                    Some(step) => return Some((Ok(step.bytes().unwrap()), (steps, ending))),
                }
            }
        },
    )
    .map(|piece: Result<Bytes, std::io::Error>| piece)
}

/// Vectors that lie close together for texts that share words.
async fn embed(
    State(book): State<Arc<Mutex<Book>>>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Infallible> {
    let texts: Vec<String> = match &body["input"] {
        Value::String(text) => vec![text.clone()],
        list => list
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|text| text.as_str().map(str::to_owned))
            .collect(),
    };
    book.lock().unwrap().embedded += texts.len();
    let data: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let mut vector = vec![0.01f32; 64];
            for word in text
                .split(|c: char| !c.is_alphanumeric())
                .filter(|word| word.len() > 3)
            {
                let place = word.to_lowercase().bytes().fold(7usize, |hash, byte| {
                    hash.wrapping_mul(31).wrapping_add(usize::from(byte))
                });
                vector[place % 64] += 1.0;
            }
            json!({"object": "embedding", "index": index, "embedding": vector})
        })
        .collect();
    Ok(Json(
        json!({"object": "list", "data": data, "model": body["model"], "usage": {"prompt_tokens": 1, "total_tokens": 1}}),
    ))
}
