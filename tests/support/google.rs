//! Google Cloud Text-to-Speech that does as it is told, on the true wire: JSON over HTTP/1.1 for
//! `POST /v1/text:synthesize` and `GET /v1/voices`, and gRPC over plaintext HTTP/2 for
//! `google.cloud.texttospeech.v1.TextToSpeech/StreamingSynthesize`, all on one port. It wants no
//! credentials. It has every fault that Google can have, and records what it was asked and how each call
//! ended.
//!
//! troika asks it with `TROIKA_TTS__GOOGLE__ENDPOINT` set to [`Google::url`] and
//! `GOOGLE_CLOUD_CREDENTIALS=anonymous`.
//!
//! ```no_run
//! # use std::time::Duration;
//! # use troika_tests::google::{Fault, Google, How, Script, Speech, When};
//! # async fn test() {
//! let google = Google::start(
//!     Script::default()
//!         .on(When::Call(1), Speech::with(Fault::throttled(Some(Duration::from_secs(7)))))
//!         .on(When::How(How::Streaming), Speech { pace: Duration::from_millis(20), ..Speech::default() }),
//! )
//! .await;
//! # let _ = google.url;
//! # }
//! ```
//!
//! Sound is 60 ms for each character, a tone whose pitch is the character's own, so that [`sound_of`] tells
//! what a text must sound like, byte for byte.

mod script;
mod sound;
mod wire;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::Extension;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::{JoinHandle, JoinSet},
};

pub use script::{Fault, Script, Speech, When};
pub use sound::{sound_at, sound_of};

/// Which way a call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// `text:synthesize`: all of the sound in one answer.
    Unary,
    /// `StreamingSynthesize`.
    Streaming,
    /// `voices`: the list of voices.
    Listing,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything that the script wanted was sent.
    Served,
    /// The client left before.
    Left(Instant),
}

/// A call as it came.
#[derive(Clone, Debug)]
pub struct Call {
    /// The voice's name; empty for a listing.
    pub voice: String,
    /// The voice's language.
    pub language: String,
    /// The text.
    pub text: String,
    /// The speed; 1 when none was told.
    pub rate: f64,
    /// Samples a second that were asked for; 0 when none were told.
    pub sample_rate: i32,
    /// Which way it came.
    pub how: How,
    /// When it came.
    pub at: Instant,
    /// How it ended; None while it is open.
    pub end: Option<End>,
}

#[derive(Default)]
struct Book {
    script: Script,
    calls: Vec<Call>,
    open: usize,
    most_open: usize,
}

/// A running Google; gone with all its connections when it is dropped.
pub struct Google {
    /// Its address, for `TROIKA_TTS__GOOGLE__ENDPOINT`.
    pub url: String,
    book: Arc<Mutex<Book>>,
    server: JoinHandle<()>,
}

impl Drop for Google {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Google {
    /// Starts a server that follows the script.
    pub async fn start(script: Script) -> Self {
        let book = Arc::new(Mutex::new(Book {
            script,
            ..Book::default()
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(serve(listener, book.clone()));
        Self { url, book, server }
    }

    /// Follows another script from now on. Calls are counted on, and open ones end as they began.
    pub fn follow(&self, script: Script) {
        self.book.lock().unwrap().script = script;
    }

    /// Every call so far, in the order in which they came.
    pub fn calls(&self) -> Vec<Call> {
        self.book.lock().unwrap().calls.clone()
    }

    /// Every text that it was asked to say so far, in the order in which they came.
    pub fn texts(&self) -> Vec<String> {
        let calls = self.calls().into_iter();
        calls
            .filter(|call| call.how != How::Listing)
            .map(|call| call.text)
            .collect()
    }

    /// Calls that are open now.
    pub fn open(&self) -> usize {
        self.book.lock().unwrap().open
    }

    /// The most calls that were open at once.
    pub fn most_open(&self) -> usize {
        self.book.lock().unwrap().most_open
    }

    /// Waits until `count` calls have come.
    pub async fn called_times(&self, count: usize) {
        crate::until("Google is called", Duration::from_secs(10), async || {
            self.calls().len() >= count
        })
        .await;
    }

    /// Waits until `count` calls have ended; all calls.
    pub async fn ended(&self, count: usize) -> Vec<Call> {
        crate::until("Google's call ends", Duration::from_secs(10), async || {
            let calls = self.calls().into_iter();
            calls.filter(|call| call.end.is_some()).count() >= count
        })
        .await;
        self.calls()
    }
}

/// A call from its beginning to its end; notes the end, whoever ends it.
struct Visit {
    book: Arc<Mutex<Book>>,
    place: usize,
    served: bool,
}

impl Visit {
    /// Notes the call, and what is to be done with it.
    fn begin(book: &Arc<Mutex<Book>>, call: Call) -> (Self, Speech) {
        let mut open = book.lock().unwrap();
        open.open += 1;
        open.most_open = open.most_open.max(open.open);
        let speech = open.script.for_call(&call, &open.calls);
        open.calls.push(call);
        let place = open.calls.len() - 1;
        drop(open);
        let visit = Self {
            book: book.clone(),
            place,
            served: false,
        };
        (visit, speech)
    }

    /// Everything that the script wanted is on its way.
    fn served(mut self) {
        self.served = true;
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut book = self.book.lock().unwrap();
        book.open -= 1;
        book.calls[self.place].end = Some(if self.served {
            End::Served
        } else {
            End::Left(Instant::now())
        });
    }
}

/// Breaks the connection that a request came on.
#[derive(Clone, Default)]
struct Cord(Arc<Notify>);

impl Cord {
    fn cut(&self) {
        self.0.notify_one();
    }
}

async fn serve(listener: TcpListener, book: Arc<Mutex<Book>>) {
    // Dropped with this task, and all connections with it.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(connection(stream, book.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, book: Arc<Mutex<Book>>) {
    let _ = stream.set_nodelay(true);
    let cord = Cord::default();
    let routes = wire::routes(book).layer(Extension(cord.clone()));
    let server = auto::Builder::new(TokioExecutor::new());
    let serving = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    tokio::select! {
        _ = serving => {}
        () = cord.0.notified() => {}
    }
}
