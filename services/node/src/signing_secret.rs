//! The secret that signs tokens: configured, or on a developer's machine made once and kept in the data
//! folder, so that every process of that folder agrees. It must not know what a token says.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use rand::{TryRngCore as _, rngs::OsRng};
use troika_chassis::config::Secret;

use crate::{
    config::{Config, SHORTEST_SECRET},
    exit::{Exit, Failure},
};

/// The file in the data folder, readable for its owner only.
const FILE: &str = "jwt-secret";

/// Checks that tokens can be signed and verified here.
///
/// # Errors
/// In production, when no secret is configured: one made here would differ from machine to machine.
pub(crate) fn require(config: &Config) -> Result<(), Failure> {
    if config.in_production() && config.auth.jwt_secret.is_empty() {
        return Err(Failure::new(Exit::Usage, "the configuration has one problem").with_detail(format!(
            "auth.jwt_secret (JWT_SECRET): must be set in production, to at least {SHORTEST_SECRET} bytes; \
             `openssl rand -hex 32` prints a good one"
        )));
    }
    Ok(())
}

/// The secret in force.
///
/// # Errors
/// As [`require`], and when the file in the data folder can neither be read nor made.
pub(crate) fn obtain(config: &Config) -> Result<Secret, Failure> {
    require(config)?;
    if !config.auth.jwt_secret.is_empty() {
        return Ok(config.auth.jwt_secret.clone());
    }
    let path = config.data_dir.join(FILE);
    kept(&path).map_err(|error| {
        let what = format!("{} cannot be used; set JWT_SECRET instead", path.display());
        Failure::because(Exit::Failed, &what, &error)
    })
}

/// Reads the file, making it first when there is none.
fn kept(path: &Path) -> io::Result<Secret> {
    match read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(path)?;
            read(path)
        }
        done => done,
    }
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
    fn a_developer_gets_a_secret_that_stays_and_that_only_they_can_read() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let secret = obtain(&config).unwrap();
        assert_eq!(secret.expose().len(), 64);
        assert_eq!(obtain(&config).unwrap().expose(), secret.expose());
        let mode = fs::metadata(config.data_dir.join(FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(
            fs::read_dir(&config.data_dir).unwrap().count(),
            1,
            "no draft is left"
        );
    }

    #[test]
    fn processes_that_start_together_agree_on_one_secret() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let secrets: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| obtain(&config).unwrap()))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert!(
            secrets
                .iter()
                .all(|secret| secret.expose() == secrets[0].expose())
        );
    }

    #[test]
    fn production_needs_a_configured_secret() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            environment: Environment::Production,
            ..config(folder.path())
        };
        let failure = obtain(&config).unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage);
        assert!(failure.lines().any(|line| line.contains("JWT_SECRET")));
        assert!(!config.data_dir.exists());
    }

    #[test]
    fn a_configured_secret_is_used_as_it_is() {
        let mut config = Config {
            environment: Environment::Production,
            ..Config::default()
        };
        config.auth.jwt_secret = Secret::from("0123456789abcdef0123456789abcdef");
        assert_eq!(
            obtain(&config).unwrap().expose(),
            "0123456789abcdef0123456789abcdef"
        );
    }
}
