//! A listener of event streams that takes nothing on trust: every event must be framed exactly as the
//! contract says, and the time of its coming is noted.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use serde_json::{Value, json};

/// The bot that every embedded store has.
pub const DEMO_BOT: &str = "000000000000000000000001";

/// One event.
#[derive(Clone, Debug)]
pub struct Event {
    /// What `event:` says.
    pub name: String,
    /// What `id:` says.
    pub id: String,
    /// What `data:` says.
    pub data: Value,
    /// When it had come whole.
    pub at: Instant,
}

/// A stream that is being read.
pub struct Listening {
    /// The HTTP status.
    pub status: u16,
    /// The response headers.
    pub headers: reqwest::header::HeaderMap,
    body: std::pin::Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>,
    text: Vec<u8>,
    /// Comments that came, heartbeats all of them.
    pub heartbeats: usize,
}

/// A question to the demo bot.
pub fn question(query: &str) -> Value {
    json!({"query": query, "chatbotId": DEMO_BOT, "enableTTS": false})
}

/// Asks and reads the response's head.
pub async fn ask(gateway: &str, question: &Value) -> Listening {
    ask_with(gateway, question, &[]).await
}

/// Asks with further headers.
pub async fn ask_with(gateway: &str, question: &Value, headers: &[(&str, &str)]) -> Listening {
    let mut request = crate::http()
        .post(format!("{gateway}/api/chat/query/stream"))
        .json(question);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    listen(request.send().await.unwrap())
}

/// Asks by a client of one's own; what goes wrong before there is a response is told.
///
/// # Errors
/// When there is no response.
pub async fn ask_by(
    client: &reqwest::Client,
    gateway: &str,
    question: &Value,
) -> reqwest::Result<Listening> {
    let request = client
        .post(format!("{gateway}/api/chat/query/stream"))
        .json(question);
    Ok(listen(request.send().await?))
}

fn listen(response: reqwest::Response) -> Listening {
    Listening {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.bytes_stream().boxed(),
        text: Vec::new(),
        heartbeats: 0,
    }
}

impl Listening {
    /// The next event, within ten seconds; `None` at the stream's end.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.text.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.text.drain(..end + 2).collect();
                let block = String::from_utf8(block).expect("events are UTF-8");
                if block.starts_with(':') {
                    self.heartbeats += 1;
                    continue;
                }
                return Some(parse(block.trim_end_matches('\n')));
            }
            let piece = tokio::time::timeout(Duration::from_secs(30), self.body.next())
                .await
                .expect("an event within 30 s")?;
            self.text
                .extend_from_slice(&piece.expect("the stream is not cut"));
        }
    }

    /// Reads until an event of this name has come.
    pub async fn wait_for(&mut self, name: &str) -> Event {
        loop {
            let event = self
                .next()
                .await
                .unwrap_or_else(|| panic!("the stream ended before {name}"));
            if event.name == name {
                return event;
            }
        }
    }

    /// Reads to the end.
    pub async fn all(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        assert!(
            self.text.is_empty(),
            "status {}, and after the last event: {}",
            self.status,
            String::from_utf8_lossy(&self.text)
        );
        events
    }

    /// The rest of the body as text, unread and unchecked.
    pub async fn rest(mut self) -> String {
        let mut bytes = std::mem::take(&mut self.text);
        while let Some(Ok(piece)) = self.body.next().await {
            bytes.extend_from_slice(&piece);
        }
        String::from_utf8(bytes).unwrap()
    }

    /// The whole body as it is, for responses that are no stream.
    pub async fn body(mut self) -> Value {
        let mut bytes = std::mem::take(&mut self.text);
        while let Some(piece) = self.body.next().await {
            bytes.extend_from_slice(&piece.unwrap());
        }
        serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| panic!("JSON, not {:?}", String::from_utf8_lossy(&bytes)))
    }
}

fn parse(block: &str) -> Event {
    let lines: Vec<&str> = block.split('\n').collect();
    let [id, event, data] = lines[..] else {
        panic!("an event is three lines: {block:?}")
    };
    Event {
        id: id
            .strip_prefix("id: ")
            .expect("the id line comes first")
            .to_owned(),
        name: event
            .strip_prefix("event: ")
            .expect("then the event line")
            .to_owned(),
        data: serde_json::from_str(data.strip_prefix("data: ").expect("then the data line"))
            .expect("data is JSON"),
        at: Instant::now(),
    }
}

/// Asks and reads everything.
pub async fn answer(gateway: &str, query: &str) -> Vec<Event> {
    ask(gateway, &question(query)).await.all().await
}

/// Asks and reads to the end; nothing when the server is away or breaks off.
pub async fn try_ask(gateway: &str, question: &Value) -> Option<Vec<Event>> {
    let request = crate::http()
        .post(format!("{gateway}/api/chat/query/stream"))
        .json(question);
    let response = request.send().await.ok()?;
    if response.status() != 200 {
        return None;
    }
    let body = response.text().await.ok()?;
    let blocks = body.split("\n\n").filter(|block| block.starts_with("id: "));
    Some(blocks.map(parse).collect())
}

/// The names of events, runs of `text` counted once.
pub fn order(events: &[Event]) -> Vec<&str> {
    let mut names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
    names.dedup_by(|a, b| a == b && *a == "text");
    names
}

/// The text of an answer.
pub fn text(events: &[Event]) -> String {
    texts(events).concat()
}

/// The pieces of an answer's text.
pub fn texts(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .filter(|event| event.name == "text")
        .map(|event| event.data["content"].as_str().unwrap().to_owned())
        .collect()
}

/// The one event of a name.
pub fn only<'a>(events: &'a [Event], name: &str) -> &'a Event {
    let found: Vec<&Event> = events.iter().filter(|event| event.name == name).collect();
    assert_eq!(found.len(), 1, "one {name} in {:?}", order(events));
    found[0]
}

/// The codes of the warnings.
pub fn warnings(events: &[Event]) -> Vec<&str> {
    events
        .iter()
        .filter(|event| event.name == "warning")
        .map(|event| event.data["code"].as_str().unwrap())
        .collect()
}
