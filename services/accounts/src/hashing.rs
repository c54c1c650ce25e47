//! Passwords to hashes, and whether one fits: on blocking threads, so many at once. It must not know whose they are.

use std::{sync::Arc, time::Duration};

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher as _, PasswordVerifier as _, Version,
    password_hash::{self, SaltString, rand_core::OsRng},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
    time::timeout,
};
use troika_chassis::error::{Code, Error};

use crate::{config::Hashing, password::Password};

/// Those that may wait for each that is made: more would wait in vain.
const WAITING_FOR_EACH: usize = 16;

/// Why nothing can be hashed.
#[derive(Debug, thiserror::Error)]
pub enum HashingError {
    /// The settings do not fit each other.
    #[error("Argon2 does not take these settings: {0}")]
    Settings(argon2::Error),
    /// The hash could not be made.
    #[error("a password cannot be hashed: {0}")]
    Hash(password_hash::Error),
    /// The thread that did it ended.
    #[error("hashing a password ended early")]
    Thread(#[source] tokio::task::JoinError),
}

/// Whether a password fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fits {
    /// It does; with a new hash, where the old one is weaker than the settings are now.
    Yes(Option<String>),
    No,
}

/// Makes hashes and looks whether they fit. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Hasher {
    argon: Argon2<'static>,
    /// Held by the thread that hashes: dropping the call does not free the memory it takes.
    threads: Arc<Semaphore>,
    /// Held by each call, so that not too many wait.
    calls: Arc<Semaphore>,
    wait: Duration,
    /// Fits nobody; as much work as a password that is somebody's, once it was hashed by these settings.
    nobody: Arc<str>,
}

impl Hasher {
    /// Hashes as the settings say.
    pub(crate) async fn new(settings: &Hashing) -> Result<Self, HashingError> {
        let params = Params::new(settings.kibibytes(), settings.passes, settings.lanes, None)
            .map_err(HashingError::Settings)?;
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobody = {
            let argon = argon.clone();
            let random: [u8; 32] = rand::random();
            spawn_blocking(move || hash(&argon, &random))
                .await
                .map_err(HashingError::Thread)?
                .map_err(HashingError::Hash)?
        };
        Ok(Self {
            argon,
            threads: Arc::new(Semaphore::new(settings.at_once)),
            calls: Arc::new(Semaphore::new(settings.at_once * (1 + WAITING_FOR_EACH))),
            wait: settings.wait,
            nobody: nobody.into(),
        })
    }

    /// The hash of a new password.
    ///
    /// # Errors
    /// When too many are hashed already.
    pub(crate) async fn hash(&self, password: Password) -> Result<String, Error> {
        let argon = self.argon.clone();
        self.run(move || hash(&argon, password.as_bytes())).await
    }

    /// Whether a password is the one of a hash; without either of them the same work is done in vain. With `renew`, a weaker
    /// hash than those made now is replaced.
    ///
    /// # Errors
    /// When too many are hashed already.
    pub(crate) async fn check(
        &self,
        stored: Option<String>,
        password: Option<Password>,
        renew: bool,
    ) -> Result<Fits, Error> {
        let (argon, nobody) = (self.argon.clone(), Arc::clone(&self.nobody));
        self.run(move || {
            let typed = password
                .as_ref()
                .map_or(&b"nothing"[..], Password::as_bytes);
            let parsed = stored.as_deref().map(PasswordHash::new);
            let Some(Ok(parsed)) = parsed else {
                if parsed.is_some() {
                    tracing::error!(
                        "a stored password hash cannot be read: its account needs a new password"
                    );
                }
                let nobody = PasswordHash::new(&nobody)?;
                let _ = argon.verify_password(typed, &nobody);
                return Ok(Fits::No);
            };
            match argon.verify_password(typed, &parsed) {
                Ok(()) if password.is_some() => {}
                Ok(()) | Err(password_hash::Error::Password) => return Ok(Fits::No),
                Err(error) => return Err(error),
            }
            let weaker = renew && is_weaker(&parsed, argon.params());
            Ok(Fits::Yes(weaker.then(|| hash(&argon, typed)).transpose()?))
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, password_hash::Error> + Send + 'static,
    ) -> Result<T, Error> {
        let _call = self.calls.try_acquire().map_err(|_| busy())?;
        let turn = self.turn().await?;
        spawn_blocking(move || {
            let _turn = turn;
            work()
        })
        .await
        .map_err(|error| Error::internal(HashingError::Thread(error)))?
        .map_err(|error| Error::internal(HashingError::Hash(error)))
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, Error> {
        let turn = Arc::clone(&self.threads).acquire_owned();
        match timeout(self.wait, turn).await {
            Ok(turn) => turn.map_err(Error::internal),
            Err(_) => Err(busy()),
        }
    }
}

fn hash(argon: &Argon2<'_>, password: &[u8]) -> Result<String, password_hash::Error> {
    let salt = SaltString::generate(&mut OsRng);
    Ok(argon.hash_password(password, &salt)?.to_string())
}

/// Whether a hash is weaker than those made now in any way.
fn is_weaker(stored: &PasswordHash<'_>, now: &Params) -> bool {
    let current = stored.algorithm == Algorithm::Argon2id.ident()
        && stored.version == Some(Version::V0x13.into());
    !current
        || Params::try_from(stored).map_or(true, |stored| {
            stored.m_cost() < now.m_cost()
                || stored.t_cost() < now.t_cost()
                || stored.p_cost() < now.p_cost()
        })
}

fn busy() -> Error {
    Error::new(
        Code::Unavailable,
        "sign_in_busy",
        "Too many people sign in right now. Please try again in a moment.",
    )
    .with_retry_after(Duration::from_secs(2))
}

#[cfg(test)]
mod tests {
    use bytesize::ByteSize;

    use super::*;

    /// Far less than the settings allow: these tests are about other things.
    fn quick() -> Hashing {
        Hashing {
            memory: ByteSize::kib(64),
            passes: 1,
            ..Hashing::default()
        }
    }

    fn password(text: &str) -> Option<Password> {
        Password::typed(text)
    }

    #[tokio::test]
    async fn hashes_are_argon2id_as_the_settings_say_and_differ_for_the_same_password() {
        let hasher = Hasher::new(&Hashing::default()).await.unwrap();
        let one = hasher
            .hash(password("meadow piston").unwrap())
            .await
            .unwrap();
        let other = hasher
            .hash(password("meadow piston").unwrap())
            .await
            .unwrap();
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert_ne!(one, other);
        let fits = |typed| {
            let hasher = hasher.clone();
            let stored = Some(one.clone());
            async move { hasher.check(stored, password(typed), true).await.unwrap() }
        };
        assert_eq!(fits("meadow piston").await, Fits::Yes(None));
        assert_eq!(fits("meadow pistol").await, Fits::No);
        assert_eq!(fits("").await, Fits::No);
    }

    #[tokio::test]
    async fn nobody_s_password_fits_nothing() {
        let hasher = Hasher::new(&quick()).await.unwrap();
        for stored in [
            None,
            Some("$2b$12$not-ours".to_owned()),
            Some(String::new()),
        ] {
            for typed in ["nothing", "", "meadow piston"] {
                let fits = hasher.check(stored.clone(), password(typed), true).await;
                assert_eq!(fits.unwrap(), Fits::No, "{stored:?} {typed:?}");
            }
        }
        // Nor does what stands for nothing typed.
        let stored = hasher.hash(password("nothing").unwrap()).await.unwrap();
        let fits = hasher.check(Some(stored), None, true).await.unwrap();
        assert_eq!(fits, Fits::No);
    }

    #[tokio::test]
    async fn a_weaker_hash_is_made_anew_and_a_stronger_one_stays() {
        let weak = Hasher::new(&quick()).await.unwrap();
        let strong = Hashing {
            passes: 2,
            ..quick()
        };
        let strong = Hasher::new(&strong).await.unwrap();
        let old = weak.hash(password("meadow piston").unwrap()).await.unwrap();
        let check = |hasher: &Hasher, stored: &str, renew| {
            let (hasher, stored) = (hasher.clone(), stored.to_owned());
            async move {
                let typed = password("meadow piston");
                hasher.check(Some(stored), typed, renew).await.unwrap()
            }
        };
        let Fits::Yes(Some(new)) = check(&strong, &old, true).await else {
            panic!("the weaker hash stays");
        };
        assert!(new.contains("t=2"), "{new}");
        assert_eq!(check(&strong, &new, true).await, Fits::Yes(None));
        assert_eq!(check(&weak, &new, true).await, Fits::Yes(None));
        assert_eq!(check(&strong, &old, false).await, Fits::Yes(None));
    }

    #[tokio::test]
    async fn so_many_are_hashed_at_once_and_who_waits_too_long_is_told() {
        let settings = Hashing {
            at_once: 1,
            wait: Duration::from_millis(50),
            ..quick()
        };
        let hasher = Hasher::new(&settings).await.unwrap();
        let held = Arc::clone(&hasher.threads).acquire_owned().await.unwrap();
        let refused = hasher.hash(password("meadow piston").unwrap()).await;
        assert_eq!(refused.unwrap_err().reason(), "sign_in_busy");
        drop(held);
        assert!(
            hasher
                .hash(password("meadow piston").unwrap())
                .await
                .is_ok()
        );
        let _all = hasher
            .calls
            .acquire_many(1 + WAITING_FOR_EACH as u32)
            .await
            .unwrap();
        let refused = hasher.hash(password("meadow piston").unwrap()).await;
        assert_eq!(refused.unwrap_err().code(), Code::Unavailable);
    }
}
