//! Takes the roles' addresses, and says what to change when one is not to be had. It must not know what
//! is served there.

use std::{io, net::SocketAddr};

use tokio::net::TcpListener;

use crate::exit::{Exit, Failure};

/// Binds the chat role's address.
///
/// # Errors
/// When it is taken, not of this machine, or not allowed.
pub(super) async fn chat(address: SocketAddr) -> Result<TcpListener, Failure> {
    let change = "TROIKA_CHAT__LISTEN=127.0.0.1:0 or chat.listen in troika.toml";
    bind(address, "chat", change).await
}

/// Binds the speech role's address.
///
/// # Errors
/// As [`chat`].
pub(super) async fn tts(address: SocketAddr) -> Result<TcpListener, Failure> {
    let change = "TROIKA_TTS__LISTEN=127.0.0.1:0 or tts.listen in troika.toml";
    bind(address, "tts", change).await
}

/// Binds the gateway's address.
///
/// # Errors
/// As [`chat`].
pub(super) async fn gateway(address: SocketAddr) -> Result<TcpListener, Failure> {
    bind(address, "gateway", "PORT=0 or gateway.port in troika.toml").await
}

async fn bind(address: SocketAddr, role: &str, change: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let port = address.port();
        let problem = match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!("port {port} is taken: another program listens on {address}")
            }
            io::ErrorKind::AddrNotAvailable => {
                format!("{} is no address of this machine", address.ip())
            }
            io::ErrorKind::PermissionDenied => {
                format!("port {port} needs more rights than this process has")
            }
            _ => format!("{address} cannot be listened on: {error}"),
        };
        Failure::new(
            Exit::Failed,
            format!("the {role} role cannot start: {problem}"),
        )
        .with_detail(format!(
            "set another address with {change} (port 0 takes a free one)"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_that_is_taken_is_named_with_the_variable_that_changes_it() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        for (failure, variable) in [
            (gateway(address).await.unwrap_err(), "PORT="),
            (chat(address).await.unwrap_err(), "TROIKA_CHAT__LISTEN="),
        ] {
            let text = failure.lines().collect::<Vec<_>>().join("\n");
            assert!(
                text.contains(&format!("port {} is taken", address.port()))
                    && text.contains(variable),
                "{text}"
            );
            assert_eq!(failure.exit(), Exit::Failed);
        }
    }

    #[tokio::test]
    async fn port_0_takes_a_free_port() {
        let listener = gateway(SocketAddr::from(([127, 0, 0, 1], 0)))
            .await
            .unwrap();
        assert_ne!(listener.local_addr().unwrap().port(), 0);
    }
}
