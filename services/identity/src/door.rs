//! The door of a gRPC server: who calls, and whether they may call this method. What passes carries its [`Caller`].

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
};
use http::{HeaderMap, header::AUTHORIZATION};
use tonic::Status;
use tracing::info;
use troika_chassis::{error::Error, server::GrpcService};

use crate::{
    access::{Access, Rules},
    caller::{Caller, SignedSession, Vouched},
    refusal::Refusal,
    service::Services,
    session::Sessions,
    verifier::Verifier,
};

/// Carries the signed session of a visitor.
pub const SESSION: &str = "x-session-token";

/// What a process's doors have in common. Cloning is cheap.
#[derive(Clone)]
pub struct Doors {
    /// Tokens.
    pub verifier: Verifier,
    /// Sessions.
    pub sessions: Sessions,
    /// Processes of this system.
    pub services: Services,
    /// Whether who shows nothing is refused whatever they call.
    pub required: bool,
}

impl Doors {
    /// Puts a door before a role's services. Health and reflection, which the server adds, stay open.
    pub fn guard(&self, service: GrpcService, rules: Rules) -> GrpcService {
        let door = Arc::new(Door {
            doors: self.clone(),
            rules,
        });
        let layer = middleware::from_fn_with_state(door, pass);
        let routes = service.routes.into_axum_router().route_layer(layer);
        GrpcService {
            routes: routes.into(),
            ..service
        }
    }

    /// Who a call's headers show, and whether a process of this system vouches for them.
    async fn caller(&self, headers: &HeaderMap) -> Result<(Caller, bool), Refusal> {
        match self.services.caller(headers) {
            Ok(Some(caller)) => Ok((caller, true)),
            Ok(None) => self.shown(headers).await.map(|caller| (caller, false)),
            Err(()) => Err(Refusal::InvalidCredential),
        }
    }

    /// Who shows a token or a session.
    ///
    /// # Errors
    /// When the token is not good. A session that is not good is none.
    pub async fn shown(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let mut caller = match bearer(headers)? {
            Some(token) => self.verifier.verify(token).await?.caller,
            None => Caller::default(),
        };
        if let Some(signed) = headers.get(SESSION) {
            let session = signed
                .to_str()
                .ok()
                .and_then(|text| self.sessions.read(text));
            caller.session = session.map(|(bot, id)| SignedSession { bot, id });
        }
        Ok(caller)
    }
}

/// The token of the one `Authorization` header; `None` where it is of another scheme.
///
/// # Errors
/// When there are several, or there is no text in it.
pub fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut sent = headers.get_all(AUTHORIZATION).iter();
    let Some(first) = sent.next() else {
        return Ok(None);
    };
    if sent.next().is_some() {
        return Err(Refusal::InvalidToken);
    }
    let text = first.to_str().map_err(|_| Refusal::InvalidToken)?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") {
        // Meant for a proxy before us.
        return Ok(None);
    }
    if token.is_empty() {
        return Err(Refusal::InvalidToken);
    }
    Ok(Some(token))
}

struct Door {
    doors: Doors,
    rules: Rules,
}

impl Door {
    async fn admit(&self, method: &str, headers: &HeaderMap) -> Result<(Caller, Vouched), Refusal> {
        let (caller, vouched) = self.doors.caller(headers).await?;
        if self.doors.required && !vouched && !caller.is_known() {
            return Err(Refusal::NoToken);
        }
        let rule = self.rules.iter().find(|(name, _)| *name == method);
        // A method that nobody thought of is closed.
        let access = rule.map_or(Access::Service, |(_, access)| *access);
        access.admit(&caller, vouched)?;
        Ok((caller, Vouched(vouched)))
    }
}

/// Lets a call pass, with its caller, or answers it.
async fn pass(State(door): State<Arc<Door>>, mut request: Request, next: Next) -> Response {
    let method = request.uri().path().trim_start_matches('/');
    match door.admit(method, request.headers()).await {
        Ok((caller, vouched)) => {
            request.extensions_mut().insert(caller);
            request.extensions_mut().insert(vouched);
            next.run(request).await
        }
        Err(refusal) => {
            info!(reason = refusal.reason(), "a call is refused");
            Status::from(Error::from(refusal)).into_http()
        }
    }
}
