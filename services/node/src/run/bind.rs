//! Takes the addresses of the roles and of those who run them, and says what to change when one is not to be had. It must not know what
//! is served there.

use std::{io, net::SocketAddr};

use tokio::net::TcpListener;

use crate::{
    cli::Role,
    config::rules,
    exit::{Exit, Failure},
};

/// Binds a role's address.
///
/// # Errors
/// When it is taken, not of this machine, or not allowed.
pub(super) async fn bind(role: Role, address: SocketAddr) -> Result<TcpListener, Failure> {
    let variable = match role {
        Role::Gateway => "PORT=0".to_owned(),
        _ => format!("TROIKA_{}__LISTEN=127.0.0.1:0", role.name().to_uppercase()),
    };
    let who = format!("the {} role", role.name());
    take(&who, address, &variable, &rules::dotted(role)).await
}

/// Binds the address of those who run this process.
///
/// # Errors
/// When it is taken, not of this machine, or not allowed.
pub(super) async fn bind_admin(address: SocketAddr) -> Result<TcpListener, Failure> {
    let variable = "TROIKA_ADMIN__LISTEN=127.0.0.1:0";
    take("the admin port", address, variable, "admin.listen").await
}

async fn take(
    who: &str,
    address: SocketAddr,
    variable: &str,
    setting: &str,
) -> Result<TcpListener, Failure> {
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
        Failure::new(Exit::Failed, format!("{who} cannot start: {problem}")).with_detail(format!(
            "set another address with {variable} or {setting} in troika.toml (port 0 takes a free one)"
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
        for (role, variable) in [
            (Role::Gateway, "PORT="),
            (Role::Chat, "TROIKA_CHAT__LISTEN="),
            (Role::Flags, "flags.listen"),
        ] {
            let failure = bind(role, address).await.unwrap_err();
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
    async fn an_admin_port_that_is_taken_is_named_too() {
        let held = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let failure = bind_admin(held.local_addr().unwrap()).await.unwrap_err();
        let text = failure.lines().collect::<Vec<_>>().join("\n");
        assert!(
            text.contains("the admin port cannot start") && text.contains("TROIKA_ADMIN__LISTEN="),
            "{text}"
        );
    }

    #[tokio::test]
    async fn port_0_takes_a_free_port() {
        let listener = bind(Role::Gateway, SocketAddr::from(([127, 0, 0, 1], 0)))
            .await
            .unwrap();
        assert_ne!(listener.local_addr().unwrap().port(), 0);
    }
}
