//! The real binary as real processes, each sandbox with a data folder and ports of its own. Knows
//! troika from outside only: its environment, its ready line, its exit.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use crate::servers::signal;

/// How long a process may take to become ready, on a busy machine too.
const START: Duration = Duration::from_secs(60);

/// Variables of the surrounding environment that would reach the binary and change it.
const FOREIGN: [&str; 17] = [
    "PORT",
    "MONGODB_URI",
    "REDIS_URL",
    "RATE_LIMIT_IP_WHITELIST",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_MODEL",
    "GOOGLE_CLOUD_CREDENTIALS",
    "JWT_SECRET",
    "SESSION_SECRET",
    "SERVICE_SECRET",
    "JWT_PREVIOUS_SECRET",
    "TROIKA_TOKEN",
    "NODE_ENV",
    "TROIKA_ENV",
    "RUST_LOG",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];

/// What tokens are signed with in every sandbox, so that processes with folders of their own know each other.
pub const SECRET: &str = "3f9c1b7e5d2a4860b1c7e9f2a4d6b8c0";

/// A token with these claims, good for an hour where they say nothing else.
pub fn token(mut claims: serde_json::Value) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    if claims["exp"].is_null() {
        claims["exp"] = (now.unwrap().as_secs() + 3600).into();
    }
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
}

/// Where processes are started: one binary, one data folder, one environment.
#[derive(Clone)]
pub struct Sandbox {
    binary: PathBuf,
    folder: Arc<TempDir>,
    environment: BTreeMap<String, String>,
}

impl Sandbox {
    /// A sandbox for `env!("CARGO_BIN_EXE_troika")`.
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        let environment = [
            ("PORT", "0"),
            ("TROIKA_CHAT__LISTEN", "127.0.0.1:0"),
            ("TROIKA_TTS__LISTEN", "127.0.0.1:0"),
            ("TROIKA_FLAGS__LISTEN", "127.0.0.1:0"),
            ("TROIKA_METRICS__LISTEN", "127.0.0.1:0"),
            ("TROIKA_ADMIN__LISTEN", "127.0.0.1:0"),
            ("TROIKA_CHAT__MODEL__KNOWLEDGE_PACE", "0s"),
            ("JWT_SECRET", SECRET),
            ("SESSION_SECRET", SECRET),
            // All clients of a test are one address: see `limited`.
            ("RATE_LIMIT_IP_WHITELIST", "127.0.0.0/8"),
        ];
        Self {
            binary: binary.into(),
            folder: Arc::new(tempfile::tempdir().unwrap()),
            environment: environment
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        }
    }

    /// Sets a variable for every process.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Leaves a variable out that a sandbox sets.
    pub fn without(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    /// Clients on this machine are limited like all others.
    pub fn limited(mut self) -> Self {
        self.environment.remove("RATE_LIMIT_IP_WHITELIST");
        self
    }

    /// Answers come from this provider.
    pub fn provider(self, provider: &crate::provider::Provider) -> Self {
        self.env("OPENAI_BASE_URL", provider.url.clone())
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        self.folder.path()
    }

    /// Puts the data into a folder that is there already.
    pub fn data_in(self, folder: &Path) -> Self {
        self.env("TROIKA_DATA_DIR", folder.to_str().unwrap())
    }

    /// A command of the binary in this environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        for name in FOREIGN {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .env("TROIKA_DATA_DIR", self.data())
            .envs(&self.environment)
            .current_dir(self.data());
        command
    }

    /// Runs the binary to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Starts every role in one process.
    pub fn start(&self) -> Troika {
        self.launch(&[])
    }

    /// Starts one role.
    pub fn start_role(&self, role: &str) -> Troika {
        self.launch(&["run", role])
    }

    /// Starts one role that cannot become ready yet; it has no ready line.
    pub fn start_role_unready(&self, role: &str) -> Troika {
        self.spawn(&["run", role]).0
    }

    /// Starts every role in one process that cannot become ready yet; it has no ready line.
    pub fn start_unready(&self) -> Troika {
        self.spawn(&[]).0
    }

    fn launch(&self, arguments: &[&str]) -> Troika {
        let (mut troika, ready) = self.spawn(arguments);
        match ready.recv_timeout(START) {
            Ok(line) => troika.ready = line,
            Err(_) => panic!("troika {arguments:?} is not ready:\n{}", troika.log()),
        }
        troika
    }

    fn spawn(&self, arguments: &[&str]) -> (Troika, mpsc::Receiver<String>) {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (output, errors) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        thread::spawn({
            let log = log.clone();
            move || {
                for line in BufReader::new(errors).lines().map_while(Result::ok) {
                    let mut log = log.lock().unwrap();
                    log.push_str(&line);
                    log.push('\n');
                }
            }
        });
        let (told, ready) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if line.starts_with("ready ") {
                    let _ = told.send(line);
                }
            }
        });
        let troika = Troika {
            child,
            ready: String::new(),
            log,
            _folder: self.folder.clone(),
        };
        (troika, ready)
    }
}

/// A running process; killed when it is dropped.
pub struct Troika {
    child: Child,
    /// Its ready line.
    pub ready: String,
    log: Arc<Mutex<String>>,
    _folder: Arc<TempDir>,
}

impl Troika {
    /// A value of the ready line.
    pub fn fact(&self, key: &str) -> &str {
        let found = self
            .ready
            .split_whitespace()
            .find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        found.unwrap_or_else(|| panic!("no {key} in {:?}", self.ready))
    }

    /// The gateway's address.
    pub fn gateway(&self) -> &str {
        self.fact("gateway")
    }

    /// The chat role's address.
    pub fn chat(&self) -> &str {
        self.fact("chat")
    }

    /// The speech role's address.
    pub fn tts(&self) -> &str {
        self.fact("tts")
    }

    /// The flags role's address.
    pub fn flags(&self) -> &str {
        self.fact("flags")
    }

    /// The metrics role's address.
    pub fn metrics(&self) -> &str {
        self.fact("metrics")
    }

    /// The address of those who run it.
    pub fn admin(&self) -> &str {
        self.fact("admin")
    }

    /// Everything it logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// The process's number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Waits for its end; the exit code.
    pub fn exit(&mut self, limit: Duration) -> i32 {
        let begun = std::time::Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(
                begun.elapsed() < limit,
                "still running after {limit:?}:\n{}",
                self.log()
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills it, as a crash would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Troika {
    fn drop(&mut self) {
        self.kill();
    }
}
