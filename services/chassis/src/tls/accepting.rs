//! Handshakes beside each other: who says nothing keeps nobody else waiting. It must not know what is served.

use std::{io, time::Duration};

use futures::{Stream, StreamExt as _, stream};
use tokio::{net::TcpStream, task::JoinSet};

use super::{ServerTls, TlsStream};

/// How long a client may take for its handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Handshakes at once. Further clients wait, at most as long as a handshake may take.
const MOST: usize = 4096;

/// The connections of those who shook hands; errors are the listener's own.
pub(crate) fn accepting(
    incoming: impl Stream<Item = io::Result<TcpStream>> + Send + 'static,
    tls: ServerTls,
) -> impl Stream<Item = io::Result<TlsStream<TcpStream>>> + Send + 'static {
    let handshakes = JoinSet::new();
    let state = (Box::pin(incoming.fuse()), tls, handshakes);
    stream::unfold(state, |(mut incoming, tls, mut handshakes)| async move {
        loop {
            tokio::select! {
                Some(shaken) = handshakes.join_next() => match shaken {
                    Ok(Ok(stream)) => return Some((Ok(stream), (incoming, tls, handshakes))),
                    Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake came to nothing"),
                    Err(error) => tracing::error!(%error, "a TLS handshake broke off"),
                },
                Some(accepted) = incoming.next(), if handshakes.len() < MOST => match accepted {
                    Ok(stream) => {
                        let tls = tls.clone();
                        handshakes.spawn(async move { tls.accept(stream, HANDSHAKE).await });
                    }
                    Err(error) => return Some((Err(error), (incoming, tls, handshakes))),
                },
                else => return None,
            }
        }
    })
}
