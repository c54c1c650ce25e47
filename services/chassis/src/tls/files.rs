//! Reads the files and says what is in them. It must not know what they are used for.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustls::{
    RootCertStore,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{Error as PemError, PemObject as _},
    },
};

use super::{Purpose, TlsConfig, TlsError};

/// More than a chain of certificates ever is, and less than what hurts to read every second.
const LARGEST: u64 = 1024 * 1024;

/// A file by the key that names it.
#[derive(Clone, Debug)]
struct Named {
    key: &'static str,
    path: PathBuf,
}

/// The files of one purpose.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) purpose: Purpose,
    named: Vec<Named>,
}

/// What was in them, or why that is unknown. It holds a private key: it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Contents(Vec<Result<Vec<u8>, String>>);

impl Files {
    pub(super) fn of(purpose: Purpose, config: &TlsConfig) -> Self {
        let named = [
            ("cert", &config.cert),
            ("key", &config.key),
            ("client_ca", &config.client_ca),
            ("ca", &config.ca),
        ];
        let named = named.into_iter().filter_map(|(key, path)| {
            let path = path.clone()?;
            Some(Named { key, path })
        });
        Self {
            purpose,
            named: named.collect(),
        }
    }

    /// Reads them all.
    pub(super) fn read(&self) -> Contents {
        let read = |named: &Named| read(&named.path).map_err(|error| error.to_string());
        Contents(self.named.iter().map(read).collect())
    }

    /// What is in them, by their keys.
    pub(super) fn view<'a>(&'a self, contents: &'a Contents) -> View<'a> {
        View {
            files: self,
            contents,
        }
    }

    /// Says so when everybody on this machine may read the private key.
    #[cfg(unix)]
    pub(super) fn warn_of_open_keys(&self) {
        use std::os::unix::fs::PermissionsExt as _;
        let keys = self.named.iter().filter(|named| named.key == "key");
        for named in keys {
            let mode = fs::metadata(&named.path).map(|file| file.permissions().mode());
            if mode.is_ok_and(|mode| mode & 0o007 != 0) {
                tracing::warn!(
                    file = %named.path.display(),
                    "the private key may be read by every user of this machine: chmod o-rwx"
                );
            }
        }
    }

    #[cfg(not(unix))]
    pub(super) fn warn_of_open_keys(&self) {}
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let about = fs::metadata(path)?;
    if !about.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    if about.len() > LARGEST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    fs::read(path)
}

/// The files with what is in them.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    files: &'a Files,
    contents: &'a Contents,
}

impl View<'_> {
    /// The bytes of a file; none when it is not named.
    pub(super) fn bytes(&self, key: &str) -> Result<Option<&[u8]>, TlsError> {
        let mut both = self.files.named.iter().zip(&self.contents.0);
        match both.find(|(named, _)| named.key == key) {
            None => Ok(None),
            Some((_, Ok(bytes))) => Ok(Some(bytes)),
            Some((_, Err(problem))) => Err(self.wrong(
                key,
                format!("it cannot be read: {problem}: name a file that this user may read"),
            )),
        }
    }

    /// The certificates of a file, at least one; none when it is not named.
    pub(super) fn certificates(
        &self,
        key: &str,
    ) -> Result<Option<Vec<CertificateDer<'static>>>, TlsError> {
        let Some(bytes) = self.bytes(key)? else {
            return Ok(None);
        };
        let found = CertificateDer::pem_slice_iter(bytes)
            .collect::<Result<Vec<_>, PemError>>()
            .map_err(|problem| {
                self.wrong(key, format!("it is no PEM: {problem}: write it anew"))
            })?;
        if found.is_empty() {
            return Err(self.wrong(
                key,
                "there is no certificate in it: name a file of certificates in PEM".into(),
            ));
        }
        Ok(Some(found))
    }

    /// The private key of a file; none when it is not named.
    pub(super) fn key(&self, key: &str) -> Result<Option<PrivateKeyDer<'static>>, TlsError> {
        let Some(bytes) = self.bytes(key)? else {
            return Ok(None);
        };
        // What the library says may hold a line of the file.
        let found = PrivateKeyDer::from_pem_slice(bytes).map_err(|_| {
            let problem = "there is no private key in it, or it is encrypted: name one in PEM without a passphrase";
            self.wrong(key, problem.into())
        })?;
        Ok(Some(found))
    }

    /// The authorities of a file; none when it is not named.
    pub(super) fn authorities(&self, key: &str) -> Result<Option<RootCertStore>, TlsError> {
        let Some(certificates) = self.certificates(key)? else {
            return Ok(None);
        };
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            roots.add(certificate).map_err(|problem| {
                self.wrong(key, format!("an authority cannot be used: {problem}"))
            })?;
        }
        Ok(Some(roots))
    }

    /// What is wrong with a file.
    pub(super) fn wrong(&self, key: &str, problem: String) -> TlsError {
        let file = self.files.named.iter().find(|named| named.key == key);
        TlsError {
            setting: format!("{}.{key}", self.files.purpose.section),
            file: file.map_or_else(String::new, |named| named.path.display().to_string()),
            problem,
        }
    }
}
