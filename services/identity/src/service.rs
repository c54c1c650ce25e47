//! What processes of this system show each other: a credential that lives for minutes, and beside it who asks on the edge.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, HeaderName, HeaderValue};
use moka::sync::Cache;
use prost::Message as _;
use serde::{Deserialize, Serialize};
use tonic::metadata::{BinaryMetadataValue, MetadataMap};
use troika_proto::identity::v1 as wire;

use crate::{
    caller::Caller,
    secrets::{Purpose, Seal, Secrets},
};

/// Carries the credential of the calling process.
pub const CREDENTIAL: HeaderName = HeaderName::from_static("troika-service");
/// Carries who asks on the edge.
pub const CALLER: HeaderName = HeaderName::from_static(CALLER_NAME);
const CALLER_NAME: &str = "troika-caller-bin";

/// How long a credential is good for; a new one is made at half of it.
const LIFE: Duration = Duration::from_secs(10 * 60);
/// How far the clocks of two machines may be apart, in seconds.
const LEEWAY: u64 = 30;
/// A credential that was good is believed this long without looking at its signature again.
const BELIEVED: Duration = Duration::from_secs(30);
/// Callers have a few short texts.
const LARGEST_CALLER: usize = 4096;

#[derive(Serialize, Deserialize)]
struct Claims {
    /// The process: a role's name.
    sub: String,
    exp: u64,
}

/// A process's own credential, made anew in time. Cloning is cheap.
#[derive(Clone)]
pub struct ServiceCredential(Arc<Own>);

struct Own {
    seal: Seal,
    name: String,
    current: Mutex<Option<(HeaderValue, SystemTime)>>,
}

impl ServiceCredential {
    /// Of the process called `name`; `None` when there is no secret to sign it with.
    pub fn new(secrets: &Secrets, name: &str) -> Option<Self> {
        Some(Self(Arc::new(Own {
            seal: seal(secrets)?,
            name: name.to_owned(),
            current: Mutex::default(),
        })))
    }

    /// The credential for a call that is made now.
    pub fn show(&self) -> Option<HeaderValue> {
        let now = SystemTime::now();
        let mut current = self
            .0
            .current
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((credential, made)) = current.as_ref()
            && now.duration_since(*made).is_ok_and(|age| age < LIFE / 2)
        {
            return Some(credential.clone());
        }
        let exp = (now + LIFE).duration_since(UNIX_EPOCH).ok()?.as_secs();
        let token = self.0.seal.sign(&Claims {
            sub: self.0.name.clone(),
            exp,
        })?;
        let mut credential = HeaderValue::try_from(token).ok()?;
        credential.set_sensitive(true);
        *current = Some((credential.clone(), now));
        Some(credential)
    }
}

/// Tells processes of this system from others. Cloning is cheap.
#[derive(Clone)]
pub struct Services {
    seal: Option<Seal>,
    believed: Cache<String, String>,
}

impl Services {
    /// Believes what is signed with the service secret; nobody without one.
    pub fn new(secrets: &Secrets) -> Self {
        Self {
            seal: seal(secrets),
            believed: Cache::builder()
                .max_capacity(1000)
                .time_to_live(BELIEVED)
                .build(),
        }
    }

    /// Who calls, when a process of this system does: whom it names, or itself. `Err` for a credential that is not good.
    pub(crate) fn caller(&self, headers: &HeaderMap) -> Result<Option<Caller>, ()> {
        let Some(credential) = headers.get(CREDENTIAL) else {
            return Ok(None);
        };
        let process = self.process(credential.to_str().map_err(drop)?).ok_or(())?;
        let Some(named) = headers.get(CALLER) else {
            return Ok(Some(Caller::service(&process)));
        };
        if named.len() > LARGEST_CALLER {
            return Err(());
        }
        let mut metadata = MetadataMap::new();
        metadata.as_mut().insert(CALLER, named.clone());
        let bytes = metadata
            .get_bin(CALLER_NAME)
            .and_then(|value| value.to_bytes().ok())
            .ok_or(())?;
        let caller = wire::Caller::decode(bytes).map_err(drop)?;
        Ok(Some(caller.into()))
    }

    fn process(&self, credential: &str) -> Option<String> {
        if let Some(process) = self.believed.get(credential) {
            return Some(process);
        }
        let claims: Claims = self.seal.as_ref()?.open(credential)?;
        self.believed
            .insert(credential.to_owned(), claims.sub.clone());
        Some(claims.sub)
    }
}

/// The caller as the value of [`CALLER`].
pub fn told(caller: &Caller) -> Option<HeaderValue> {
    let bytes = wire::Caller::from(caller).encode_to_vec();
    let mut metadata = MetadataMap::new();
    metadata.insert_bin(CALLER_NAME, BinaryMetadataValue::from_bytes(&bytes));
    let mut value = metadata.into_headers().remove(CALLER)?;
    value.set_sensitive(true);
    Some(value)
}

fn seal(secrets: &Secrets) -> Option<Seal> {
    let secret = if secrets.service.is_empty() {
        &secrets.jwt
    } else {
        &secrets.service
    };
    Seal::new(secret, Purpose::Service, LEEWAY)
}

#[cfg(test)]
mod tests {
    use troika_chassis::config::Secret;

    use super::*;
    use crate::caller::Role;

    fn secrets(jwt: &str, service: &str) -> Secrets {
        Secrets {
            jwt: Secret::from(jwt),
            service: Secret::from(service),
            ..Secrets::default()
        }
    }

    fn headers(credential: &ServiceCredential, caller: Option<&Caller>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CREDENTIAL, credential.show().unwrap());
        if let Some(caller) = caller {
            headers.insert(CALLER, told(caller).unwrap());
        }
        headers
    }

    const ONE: &str = "3f9c1b7e5d2a4860b1c7e9f2a4d6b8c0";
    const OTHER: &str = "0f9c1b7e5d2a4860b1c7e9f2a4d6b8c1";

    #[test]
    fn a_process_is_itself_or_whom_it_names() {
        let secrets = secrets(ONE, "");
        let (credential, services) = (
            ServiceCredential::new(&secrets, "gateway").unwrap(),
            Services::new(&secrets),
        );
        let itself = services.caller(&headers(&credential, None)).unwrap();
        assert!(itself.unwrap() == Caller::service("gateway"));
        let named = Caller {
            role: Role::User,
            subject: "ü".to_owned(),
            company: Some("c".to_owned()),
            ..Caller::default()
        };
        let told = services
            .caller(&headers(&credential, Some(&named)))
            .unwrap();
        assert!(told.unwrap() == named);
    }

    #[test]
    fn nobody_else_is_believed() {
        let services = Services::new(&secrets(ONE, ""));
        assert!(services.caller(&HeaderMap::new()).unwrap().is_none());
        // Who sends a caller and no credential is nobody.
        let mut alone = HeaderMap::new();
        alone.insert(CALLER, told(&Caller::service("x")).unwrap());
        assert!(services.caller(&alone).unwrap().is_none());
        for (jwt, service) in [(OTHER, ""), (ONE, OTHER)] {
            let stranger = ServiceCredential::new(&secrets(jwt, service), "gateway").unwrap();
            assert!(services.caller(&headers(&stranger, None)).is_err());
        }
        let mut broken = HeaderMap::new();
        broken.insert(CREDENTIAL, HeaderValue::from_static("x.y.z"));
        assert!(services.caller(&broken).is_err());
        assert!(ServiceCredential::new(&Secrets::default(), "x").is_none());
    }
}
