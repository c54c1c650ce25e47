//! Bare connections that do what no HTTP client does.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};
use troika_tests::listener::question;

/// The gateway's socket address.
pub(super) fn address(gateway: &str) -> SocketAddr {
    gateway.strip_prefix("http://").unwrap().parse().unwrap()
}

/// A connection that says nothing yet.
pub(super) async fn connect(gateway: &str) -> TcpStream {
    TcpStream::connect(address(gateway)).await.unwrap()
}

/// A connection from this address of the machine, any of 127.0.0.0/8.
pub(super) async fn connect_from(gateway: &str, from: Ipv4Addr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((from, 0))).unwrap();
    socket.connect(address(gateway)).await.unwrap()
}

/// A connection that takes as little at a time as the system allows.
pub(super) async fn connect_narrow(gateway: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(address(gateway)).await.unwrap()
}

/// A question to the demo bot as bytes.
pub(super) fn asking(gateway: &str) -> Vec<u8> {
    let body = question("greedy").to_string();
    format!(
        "POST /api/chat/query/stream HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        address(gateway),
        body.len()
    )
    .into_bytes()
}

/// What became of a connection.
pub(super) struct Cut {
    /// What the server said before it ended the connection.
    pub(super) said: String,
    /// How long it bore the connection.
    pub(super) after: Duration,
}

/// Sends `begin` at once and then one byte of `then` after another, with pauses, until the server ends the
/// connection.
pub(super) async fn drip(gateway: String, begin: Vec<u8>, then: u8, pause: Duration) -> Cut {
    let socket = connect(&gateway).await;
    let begun = Instant::now();
    let (mut reading, mut writing) = socket.into_split();
    let mut said = Vec::new();
    let dripping = async {
        writing.write_all(&begin).await?;
        loop {
            tokio::time::sleep(pause).await;
            writing.write_all(&[then]).await?;
        }
        #[allow(unreachable_code, reason = "gives the block its type")]
        std::io::Result::Ok(())
    };
    tokio::select! {
        // The server may have answered before it cut: what it said is read below.
        _ = dripping => {}
        // Both an end and a reset are what is waited for.
        _ = reading.read_to_end(&mut said) => {}
    }
    let _ = reading.read_to_end(&mut said).await;
    Cut {
        said: String::from_utf8_lossy(&said).into_owned(),
        after: begun.elapsed(),
    }
}

/// Waits for the server to end the connection; how long that took.
pub(super) async fn until_cut(mut socket: TcpStream) -> Duration {
    let begun = Instant::now();
    // Both an end and a reset are what is waited for.
    let _ = socket.read_to_end(&mut Vec::new()).await;
    begun.elapsed()
}

/// Lets this process and the ones it starts have this many files open, or as many as the system lets it have; how many.
pub(super) fn raise_open_files(wanted: u64) -> u64 {
    let allowed = getrlimit(Resource::Nofile);
    let most = allowed.maximum.unwrap_or(u64::MAX);
    let wanted = wanted.max(allowed.current.unwrap_or(u64::MAX));
    let limit = |current: u64, maximum: u64| Rlimit {
        current: Some(current),
        maximum: Some(maximum),
    };
    // Raising the highest that is allowed takes root.
    let raised = setrlimit(Resource::Nofile, limit(wanted, wanted.max(most)));
    if raised.is_err() {
        setrlimit(Resource::Nofile, limit(wanted.min(most), most)).unwrap();
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Sends these bytes and no more; the statuses of all answers until the connection ends.
pub(super) async fn statuses(gateway: &str, bytes: &[u8]) -> Vec<u16> {
    let (mut reading, mut writing) = connect(gateway).await.into_split();
    let mut said = Vec::new();
    let sending = async {
        // A server that has heard enough may end the connection on the way.
        let _ = writing.write_all(bytes).await;
        let _ = writing.shutdown().await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = sending => {}
        ended = tokio::time::timeout(Duration::from_secs(60), reading.read_to_end(&mut said)) => {
            let _ = ended.expect("the server ends the connection");
        }
    }
    String::from_utf8_lossy(&said)
        .split("HTTP/1.1 ")
        .skip(1)
        .filter_map(|answer| answer.get(..3)?.parse().ok())
        .collect()
}
