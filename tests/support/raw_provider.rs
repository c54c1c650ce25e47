//! A model provider on bare sockets, for what an HTTP server would not do: every byte in a segment of its
//! own, a connection reset in the middle, a certificate that nobody trusts. What it answers may depend on
//! the question. It knows HTTP/1.1 just well enough to be asked.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::sleep,
};

/// The head of an event stream whose end is the connection's end.
pub const STREAM_HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

/// One thing that is done on the connection.
#[derive(Clone, Debug)]
pub enum Act {
    /// These bytes in one write.
    Send(Vec<u8>),
    /// These bytes, each in a segment of its own.
    Trickle(Vec<u8>),
    /// A pause.
    Pause(Duration),
    /// The connection is reset: what is under way is lost, too.
    Reset,
}

/// A chunk with this text.
pub fn token(text: &str) -> Vec<u8> {
    let chunk = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "raw",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]});
    format!("data: {chunk}\n\n").into_bytes()
}

/// The last chunk and `[DONE]`.
pub fn finish() -> Vec<u8> {
    let chunk = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "raw",
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
    format!("data: {chunk}\n\ndata: [DONE]\n\n").into_bytes()
}

/// The text of the question that a request ends with.
pub fn asked(body: &Value) -> &str {
    body["messages"]
        .as_array()
        .and_then(|messages| messages.last())
        .and_then(|message| message["content"].as_str())
        .unwrap_or_default()
}

/// A running provider; gone when it is dropped.
pub struct RawProvider {
    /// Its address with `/v1`.
    pub url: String,
    requests: Arc<AtomicUsize>,
    handshakes: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl Drop for RawProvider {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl RawProvider {
    /// Starts a provider that does on each connection what `script` says of the request's body.
    pub async fn start(script: impl Fn(&Value) -> Vec<Act> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let (counted, script) = (requests.clone(), Arc::new(script));
        let server = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (counted, script) = (counted.clone(), script.clone());
                // A client that leaves is no fault of the provider's.
                tokio::spawn(async move { drop(serve(socket, &counted, &*script).await) });
            }
        });
        Self {
            url,
            requests,
            handshakes: Arc::default(),
            server,
        }
    }

    /// Starts a TLS server with a certificate of its own making, which no client trusts. It answers
    /// nobody: a client that sends it a request has been fooled, and that is counted.
    pub async fn untrusted() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "https://localhost:{}/v1",
            listener.local_addr().unwrap().port()
        );
        let (requests, handshakes) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (fooled, begun) = (requests.clone(), handshakes.clone());
        let server = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (config, fooled, begun) = (config.clone(), fooled.clone(), begun.clone());
                let socket = socket.into_std().unwrap();
                tokio::task::spawn_blocking(move || greet(socket, config, &fooled, &begun));
            }
        });
        Self {
            url,
            requests,
            handshakes,
            server,
        }
    }

    /// Requests that came whole.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// TLS handshakes that were begun.
    pub fn handshakes(&self) -> usize {
        self.handshakes.load(Ordering::SeqCst)
    }
}

/// The server's side of a handshake, and of what a client sends that should not have finished it.
fn greet(
    socket: std::net::TcpStream,
    config: Arc<rustls::ServerConfig>,
    fooled: &AtomicUsize,
    begun: &AtomicUsize,
) {
    socket.set_nonblocking(false).unwrap();
    let limit = Some(Duration::from_secs(5));
    socket.set_read_timeout(limit).unwrap();
    let mut tls = rustls::StreamOwned::new(rustls::ServerConnection::new(config).unwrap(), socket);
    begun.fetch_add(1, Ordering::SeqCst);
    if matches!(io::Read::read(&mut tls, &mut [0; 1]), Ok(1)) {
        fooled.fetch_add(1, Ordering::SeqCst);
    }
}

async fn serve(
    mut socket: TcpStream,
    counted: &AtomicUsize,
    script: &(impl Fn(&Value) -> Vec<Act> + Sync),
) -> io::Result<()> {
    // Each write leaves as a segment of its own.
    socket.set_nodelay(true)?;
    let body = request(&mut socket).await?;
    counted.fetch_add(1, Ordering::SeqCst);
    for act in script(&body) {
        match act {
            Act::Send(bytes) => socket.write_all(&bytes).await?,
            Act::Trickle(bytes) => {
                for byte in bytes {
                    socket.write_all(&[byte]).await?;
                    // Lets the reader take it before the next one comes.
                    tokio::task::yield_now().await;
                }
            }
            Act::Pause(time) => sleep(time).await,
            Act::Reset => {
                socket.set_zero_linger()?;
                return Ok(());
            }
        }
    }
    socket.shutdown().await
}

/// Reads one request; its JSON body.
async fn request(socket: &mut TcpStream) -> io::Result<Value> {
    let mut bytes = Vec::new();
    loop {
        if let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
            let length: usize = text
                .lines()
                .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
                .unwrap_or(0);
            if bytes.len() >= head + 4 + length {
                return serde_json::from_slice(&bytes[head + 4..]).map_err(io::Error::other);
            }
        }
        if socket.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;

    use super::*;

    async fn post(url: &str) -> reqwest::Result<reqwest::Response> {
        let question = json!({"messages": [{"role": "user", "content": "Q"}]});
        let url = format!("{url}/chat/completions");
        crate::http().post(url).json(&question).send().await
    }

    #[tokio::test]
    async fn trickled_bytes_arrive_in_pieces() {
        let text = token("नमस्ते 🙂");
        let sent = text.clone();
        let provider = RawProvider::start(move |_| {
            vec![Act::Send(STREAM_HEAD.to_vec()), Act::Trickle(sent.clone())]
        })
        .await;
        let mut pieces = post(&provider.url).await.unwrap().bytes_stream();
        let (mut whole, mut count) = (Vec::new(), 0);
        while let Some(piece) = pieces.next().await {
            whole.extend_from_slice(&piece.unwrap());
            count += 1;
        }
        assert_eq!(whole, text);
        assert!(count > text.len() / 4, "{count} pieces of {}", text.len());
    }

    #[tokio::test]
    async fn a_reset_is_an_error_and_no_end() {
        let provider = RawProvider::start(|_| {
            vec![
                Act::Send([STREAM_HEAD, &token("Half")].concat()),
                Act::Pause(Duration::from_millis(100)),
                Act::Reset,
            ]
        })
        .await;
        let mut pieces = post(&provider.url).await.unwrap().bytes_stream();
        assert_eq!(pieces.next().await.unwrap().unwrap(), token("Half"));
        assert!(pieces.next().await.unwrap().is_err());
    }

    #[tokio::test]
    async fn nobody_trusts_the_certificate() {
        let provider = RawProvider::untrusted().await;
        assert!(post(&provider.url).await.unwrap_err().is_connect());
        assert_eq!((provider.handshakes(), provider.requests()), (1, 0));
    }
}
