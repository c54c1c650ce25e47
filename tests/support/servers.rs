//! Real servers as child processes of one test, on ports of their own, gone when the test ends; and
//! addresses where nothing, or nothing useful, answers. Knows no store.

use std::{
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// How long a server may take to start, on a busy machine too.
const START: Duration = Duration::from_secs(60);

/// A running server and the folder of its data.
pub struct Server {
    child: Child,
    /// Its port on loopback.
    pub port: u16,
    folder: TempDir,
}

impl Server {
    /// Kills the server, as a crash would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts a killed MongoDB server again, on its port and its data.
    pub fn restart_mongodb(&mut self) {
        (self.child, _) = start_mongodb(self.folder.path(), self.port);
    }

    /// Starts a killed Redis server again, on its port and without its data.
    pub fn restart_redis(&mut self) {
        let begun = Instant::now();
        // Its own last connections may hold the port for a moment.
        loop {
            self.child = spawn_redis(self.folder.path(), self.port);
            if listens(&mut self.child, self.port) {
                return;
            }
            assert!(begun.elapsed() < START, "redis-server did not listen again");
        }
    }

    /// Stops the server in its tracks: connections stay open, nothing answers.
    pub fn freeze(&self) {
        signal(self.child.id(), "STOP");
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        signal(self.child.id(), "CONT");
    }
}

/// Sends a signal by its name.
pub fn signal(process: u32, name: &str) {
    let sent = Command::new("kill")
        .args(["-s", name, &process.to_string()])
        .status()
        .unwrap();
    assert!(sent.success(), "signal {name} to {process}");
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a server that speaks MongoDB's wire protocol.
pub fn mongodb() -> Server {
    let folder = tempfile::tempdir().unwrap();
    let (child, port) = start_mongodb(folder.path(), 0);
    Server {
        child,
        port,
        folder,
    }
}

/// Starts the server on a folder and a port, 0 for a free one; the port it has.
fn start_mongodb(folder: &Path, port: u16) -> (Child, u16) {
    let program = tools().join("venv/bin/secantusd-py");
    assert!(
        program.exists(),
        "{} is not there: tests/run installs it (TROIKA_TEST_TOOLS names another folder of tools)",
        program.display()
    );
    let mut child = Command::new(program)
        .args([
            "--host",
            "127.0.0.1",
            "--port",
            &port.to_string(),
            "--storage-path",
        ])
        .arg(folder.join("data"))
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = child.stderr.take().unwrap();
    let (found, port) = mpsc::channel();
    thread::spawn(move || {
        let mut told = Vec::new();
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            let address = line
                .split_once("listening on ")
                .and_then(|(_, rest)| rest.trim().parse::<SocketAddr>().ok());
            if let Some(address) = address {
                let _ = found.send(Ok(address.port()));
            }
            if told.len() < 50 {
                told.push(line);
            }
        }
        let _ = found.send(Err(told.join("\n")));
    });
    match port.recv_timeout(START) {
        Ok(Ok(port)) => (child, port),
        Ok(Err(log)) => panic!("the MongoDB server ended:\n{log}"),
        Err(_) => panic!("the MongoDB server did not listen within {START:?}"),
    }
}

/// Starts a Redis server.
pub fn redis() -> Server {
    // Redis cannot choose a port itself, and another process may take the free one first: then again.
    for _ in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut child = spawn_redis(folder.path(), port);
        if listens(&mut child, port) {
            return Server {
                child,
                port,
                folder,
            };
        }
    }
    panic!("redis-server did not listen");
}

fn spawn_redis(folder: &Path, port: u16) -> Child {
    Command::new("redis-server")
        .args([
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--port",
        ])
        .arg(port.to_string())
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server is not there: tests/run installs it")
}

/// Whether it listens in the end, and did not leave.
fn listens(child: &mut Child, port: u16) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < START && child.try_wait().unwrap().is_none() {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return true;
        }
        thread::sleep(Duration::from_millis(5));
    }
    let _ = child.kill();
    let _ = child.wait();
    false
}

/// An address where connections are refused.
pub fn refusing() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free_port()).into()
}

/// An address where connections are taken and nothing is ever answered, for as long as the listener lives.
pub fn hanging() -> TcpListener {
    // The kernel completes connections by itself; nobody has to accept them.
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// The folder of the tools that tests need beside what the system has.
pub fn tools() -> PathBuf {
    std::env::var_os("TROIKA_TEST_TOOLS").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/troika/tools"),
        PathBuf::from,
    )
}
