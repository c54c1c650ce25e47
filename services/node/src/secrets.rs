//! The secrets that sign: configured, or on a developer's machine made once and kept in the data folder, so that every
//! process of that folder agrees. It must not know what is signed.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use rand::{TryRngCore as _, rngs::OsRng};
use troika_chassis::config::Secret;
use troika_identity::{SHORTEST_SECRET, Secrets};

use crate::{
    cli::Role,
    config::Config,
    exit::{Exit, Failure},
};

/// The files in the data folder, readable for their owner only.
const JWT: &str = "jwt-secret";
const SESSION: &str = "session-secret";

/// Checks that what a process with `role` signs and verifies can be signed and verified here.
///
/// # Errors
/// In production, when a secret is missing that one made here would differ from machine to machine for.
pub(crate) fn require(config: &Config, role: Role) -> Result<(), Failure> {
    if !config.in_production() {
        return Ok(());
    }
    let auth = &config.auth;
    let public_keys = auth.jwks_url.is_some() || auth.jwks_file.is_some();
    let gateway = role == Role::Gateway;
    let between = auth.service_secret.is_empty() && auth.jwt_secret.is_empty();
    let missing = [
        (
            gateway && auth.jwt_secret.is_empty() && !public_keys,
            "auth.jwt_secret (JWT_SECRET): must be set in production (or auth.jwks_url)",
        ),
        (
            gateway && auth.session_secret.is_empty(),
            "auth.session_secret (SESSION_SECRET): must be set in production",
        ),
        (
            between && (!gateway || public_keys),
            "auth.service_secret (SERVICE_SECRET): must be set in production, or auth.jwt_secret (JWT_SECRET), the same in all processes",
        ),
    ];
    let lines: Vec<&str> = missing
        .into_iter()
        .filter_map(|(missing, line)| missing.then_some(line))
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    let count = match lines.len() {
        1 => "one problem".to_owned(),
        count => format!("{count} problems"),
    };
    let failure = Failure::new(Exit::Usage, format!("the configuration has {count}"));
    Err(lines.into_iter().fold(failure, |failure, line| {
        failure.with_detail(format!(
            "{line}, to at least {SHORTEST_SECRET} bytes; `openssl rand -hex 32` prints a good one"
        ))
    }))
}

/// The secrets in force.
///
/// # Errors
/// As [`require`], and when a file in the data folder can neither be read nor made.
pub(crate) fn obtain(config: &Config, role: Role) -> Result<Secrets, Failure> {
    require(config, role)?;
    let auth = &config.auth;
    let public_keys = auth.jwks_url.is_some() || auth.jwks_file.is_some();
    let made = |configured: &Secret, file: &str| {
        if !configured.is_empty() || config.in_production() {
            return Ok(configured.clone());
        }
        kept(&config.data_dir.join(file))
    };
    let jwt = if public_keys {
        // Who has public keys means that others sign.
        auth.jwt_secret.clone()
    } else {
        made(&auth.jwt_secret, JWT)?
    };
    Ok(Secrets {
        service: if auth.service_secret.is_empty() && jwt.is_empty() {
            made(&auth.service_secret, SESSION)?
        } else {
            auth.service_secret.clone()
        },
        jwt,
        session: if role == Role::Gateway {
            made(&auth.session_secret, SESSION)?
        } else {
            auth.session_secret.clone()
        },
    })
}

/// Reads a file, making it first when there is none.
fn kept(path: &Path) -> Result<Secret, Failure> {
    let found = match read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(path).and_then(|()| read(path))
        }
        done => done,
    };
    found.map_err(|error| {
        let what = format!(
            "{} cannot be used; set JWT_SECRET and SESSION_SECRET instead",
            path.display()
        );
        Failure::because(Exit::Failed, &what, &error)
    })
}
fn read(path: &Path) -> io::Result<Secret> {
    let text = fs::read_to_string(path)?;
    let secret = text.trim();
    if secret.len() < SHORTEST_SECRET {
        let problem =
            format!("it holds less than {SHORTEST_SECRET} bytes: delete it to have a new one made");
        return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
    }
    Ok(Secret::from(secret))
}

/// Writes a new secret beside the path and links it there whole: of two processes that do so at once
/// one wins, and nobody reads half a secret.
fn make(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut bytes = [0; SHORTEST_SECRET];
    OsRng.try_fill_bytes(&mut bytes).map_err(io::Error::other)?;
    let draft = Draft(path.with_extension(uuid::Uuid::new_v4().simple().to_string()));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft.0)?;
    writeln!(file, "{}", hex::encode(bytes))?;
    file.sync_all()?;
    match fs::hard_link(&draft.0, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// A file that is removed when it is no longer needed.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::config::Environment;

    fn config(data_dir: &Path) -> Config {
        Config {
            data_dir: data_dir.join("deep/data"),
            ..Config::default()
        }
    }

    #[test]
    fn a_developer_gets_secrets_that_stay_and_that_only_they_can_read() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let secrets = obtain(&config, Role::Gateway).unwrap();
        assert_eq!(secrets.jwt.expose().len(), 64);
        assert_ne!(secrets.jwt.expose(), secrets.session.expose());
        let again = obtain(&config, Role::Gateway).unwrap();
        assert_eq!(again.jwt.expose(), secrets.jwt.expose());
        assert_eq!(again.session.expose(), secrets.session.expose());
        for file in [JWT, SESSION] {
            let mode = fs::metadata(config.data_dir.join(file))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let files = fs::read_dir(&config.data_dir).unwrap().count();
        assert_eq!(files, 2, "no draft is left");
    }

    #[test]
    fn processes_that_start_together_agree_on_one_secret() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let secrets: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| obtain(&config, Role::Chat).unwrap()))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert!(
            secrets
                .iter()
                .all(|secret| secret.jwt.expose() == secrets[0].jwt.expose())
        );
    }

    #[test]
    fn production_needs_configured_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            environment: Environment::Production,
            ..config(folder.path())
        };
        let failure = obtain(&config, Role::Gateway).err().unwrap();
        assert_eq!(failure.exit(), Exit::Usage);
        let lines = failure.lines().collect::<Vec<_>>().join("\n");
        assert!(lines.contains("JWT_SECRET") && lines.contains("SESSION_SECRET"));
        let failure = obtain(&config, Role::Chat).err().unwrap();
        assert!(failure.lines().any(|line| line.contains("SERVICE_SECRET")));
        assert!(!config.data_dir.exists());
    }

    #[test]
    fn configured_secrets_are_used_as_they_are() {
        let mut config = Config {
            environment: Environment::Production,
            ..Config::default()
        };
        config.auth.jwt_secret = Secret::from("3f9c1b7e5d2a4860b1c7e9f2a4d6b8c0");
        config.auth.session_secret = Secret::from("0f9c1b7e5d2a4860b1c7e9f2a4d6b8c1");
        let secrets = obtain(&config, Role::Gateway).unwrap();
        assert_eq!(secrets.jwt.expose(), "3f9c1b7e5d2a4860b1c7e9f2a4d6b8c0");
        assert_eq!(secrets.session.expose(), "0f9c1b7e5d2a4860b1c7e9f2a4d6b8c1");
        assert!(secrets.service.is_empty());
    }
}
