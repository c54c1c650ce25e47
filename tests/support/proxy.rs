//! A network between two processes that does as it is told: lets through, slows down, holds everything
//! back, cuts. Knows bytes alone.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::sleep,
};

/// How the network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Open,
    /// Every piece waits this long, in each direction.
    Slow(Duration),
    /// Connections stay, and are still made; nothing passes.
    Held,
    /// Connections are reset, those that are there and those that come.
    Cut,
}

/// A proxy in front of one address; its connections end with it.
pub struct Proxy {
    /// Where to connect to.
    pub address: SocketAddr,
    way: watch::Sender<Way>,
    server: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Proxy {
    /// Starts a proxy that lets everything through to `target`.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (way, state) = watch::channel(Way::Open);
        let server = tokio::spawn(async move {
            // Dropped with this task, and all connections with it.
            let mut connections = JoinSet::new();
            loop {
                let (near, _) = listener.accept().await.unwrap();
                connections.spawn(join(near, target, state.clone()));
            }
        });
        Self {
            address,
            way,
            server,
        }
    }

    /// The same for a `http://` address.
    pub async fn to_url(target: &str) -> Self {
        Self::to(target.strip_prefix("http://").unwrap().parse().unwrap()).await
    }

    /// Its address as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets everything through again, what was held back included.
    pub fn open(&self) {
        self.way.send_replace(Way::Open);
    }

    /// Makes every piece wait.
    pub fn slow(&self, delay: Duration) {
        self.way.send_replace(Way::Slow(delay));
    }

    /// Holds everything back, as a network does that lost its route.
    pub fn hold(&self) {
        self.way.send_replace(Way::Held);
    }

    /// Resets all connections, and those that come.
    pub fn cut(&self) {
        self.way.send_replace(Way::Cut);
    }
}

async fn join(near: TcpStream, target: SocketAddr, mut way: watch::Receiver<Way>) {
    if *way.borrow() == Way::Cut {
        let _ = near.set_zero_linger();
        return;
    }
    let Ok(far) = TcpStream::connect(target).await else {
        return;
    };
    for socket in [&near, &far] {
        let _ = socket.set_nodelay(true);
        // However it ends, it ends at once: no process waits for bytes that never come.
        let _ = socket.set_zero_linger();
    }
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    let (up, down) = (way.clone(), way.clone());
    tokio::select! {
        () = async { tokio::join!(pump(near_in, far_out, up), pump(far_in, near_out, down)); } => {}
        _ = way.wait_for(|way| *way == Way::Cut) => {}
    }
}

/// Carries bytes one way until their end, at the pace of the network.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut way: watch::Receiver<Way>) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        let now = *way.borrow();
        if let Way::Slow(delay) = now {
            sleep(delay).await;
        }
        if way.wait_for(|way| *way != Way::Held).await.is_err() {
            return;
        }
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::time::timeout;

    use super::*;

    /// A peer that sends everything back, through a proxy.
    async fn echo() -> (Proxy, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::to(listener.local_addr().unwrap()).await;
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let (mut from, mut to) = socket.split();
            let _ = tokio::io::copy(&mut from, &mut to).await;
        });
        let near = TcpStream::connect(proxy.address).await.unwrap();
        (proxy, near)
    }

    async fn there_and_back(near: &mut TcpStream) {
        near.write_all(b"x").await.unwrap();
        assert_eq!(near.read_u8().await.unwrap(), b'x');
    }

    #[tokio::test]
    async fn what_is_held_back_comes_when_the_way_is_open_again() {
        let (proxy, mut near) = echo().await;
        there_and_back(&mut near).await;
        proxy.hold();
        near.write_all(b"y").await.unwrap();
        let early = timeout(Duration::from_millis(100), near.read_u8()).await;
        assert!(early.is_err());
        proxy.open();
        assert_eq!(near.read_u8().await.unwrap(), b'y');
    }

    #[tokio::test]
    async fn a_slow_way_delays_both_directions() {
        let (proxy, mut near) = echo().await;
        proxy.slow(Duration::from_millis(50));
        let begun = Instant::now();
        there_and_back(&mut near).await;
        assert!(begun.elapsed() >= Duration::from_millis(100));
    }

    #[tokio::test]
    async fn a_cut_resets_connections() {
        let (proxy, mut near) = echo().await;
        there_and_back(&mut near).await;
        proxy.cut();
        assert!(near.read_u8().await.is_err());
    }
}
