//! Who asks at the edge: a token, an administrator's cookie, a visitor's signed session, or nobody in particular. What is
//! found goes with the request, and to every service that it leads to. It must not know what anybody may do.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use cookie::Cookie;
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{AUTHORIZATION, COOKIE, ORIGIN, WWW_AUTHENTICATE},
    request::Parts,
};
use ipnet::IpNet;
use moka::future::Cache;
use troika_chassis::{channel::Channel, context::RequestContext, error::Error};
use troika_identity::{Caller, Doors, Refusal, SignedIn, told};
use troika_proto::accounts::v1::{CheckAccountRequest, accounts_client::AccountsClient};

use crate::{address::ClientAddress, call::Peer, config::Config, cors::Page, problem::Problem};

/// The cookie of an administrator who signed in: over https, and where there is none.
pub(crate) const COOKIES: [&str; 2] = ["__Host-troika_admin", "troika_admin"];

/// How long an account that is good is believed to be.
const BELIEVED: Duration = Duration::from_secs(30);

/// What tells who asks. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Edge {
    pub(crate) doors: Doors,
    accounts: Peer<AccountsClient<Channel>>,
    good: Cache<(String, u64), ()>,
    exempt: Arc<[IpNet]>,
}

impl Edge {
    /// Asks after accounts over `channel`.
    pub(crate) fn new(doors: Doors, channel: Channel, config: &Config) -> Self {
        Self {
            doors,
            accounts: Peer::new("flags", AccountsClient::new(channel), config.flags_deadline),
            exempt: config.rate_limit_ip_whitelist.clone().into(),
            good: Cache::builder()
                .max_capacity(10_000)
                .time_to_live(BELIEVED)
                .build(),
        }
    }

    /// The role that keeps accounts.
    pub(crate) fn accounts(&self) -> &Peer<AccountsClient<Channel>> {
        &self.accounts
    }

    /// Forgets that an account is good: somebody signed out of it.
    pub(crate) async fn forget(&self, account: &SignedIn) {
        let known = (account.id.clone(), account.revision);
        self.good.invalidate(&known).await;
    }

    async fn who(&self, request: &Parts) -> Result<(Caller, Option<Arc<SignedIn>>), TurnedAway> {
        let headers = &request.headers;
        let mut caller = self.doors.shown(headers).await?;
        let mut signed_in = None;
        if !headers.contains_key(AUTHORIZATION)
            && let Some(account) = self.cookie(headers).await
        {
            if !request.method.is_safe() && !is_own_page(request) {
                return Err(TurnedAway::CrossSite);
            }
            caller = Caller {
                session: caller.session,
                ..account.caller()
            };
            signed_in = Some(Arc::new(account));
        }
        let page = request.extensions.get::<Page>();
        caller.origin = page.and_then(Page::foreign).map(str::to_owned);
        let client = request.extensions.get::<ClientAddress>();
        caller.address = client.map(|client| client.0).filter(|address| {
            // Whom no limit counts here is counted nowhere.
            !self.exempt.iter().any(|network| network.contains(address))
        });
        Ok((caller, signed_in))
    }

    /// Who signed in on a page. A cookie that is not good any more is none: the page will say so.
    async fn cookie(&self, headers: &HeaderMap) -> Option<SignedIn> {
        let token = cookie(headers)?;
        // What was never signed here asks nobody.
        let account = self.doors.sessions.signed_in(&token)?;
        self.doors.verifier.check(&token).await.ok()?;
        let known = (account.id.clone(), account.revision);
        if self.good.contains_key(&known) {
            return Some(account);
        }
        let asked = CheckAccountRequest {
            id: account.id.clone(),
            revision: account.revision,
        };
        // On the gateway's own behalf: nobody is known yet.
        let answer = self
            .accounts
            .ask(
                &RequestContext::new(),
                asked,
                |mut client, request| async move { client.check_account(request).await },
            )
            .await;
        if !answer.is_ok_and(|answer| answer.good) {
            return None;
        }
        self.good.insert(known, ()).await;
        Some(account)
    }
}

/// The value of the sign-in cookie.
pub(crate) fn cookie(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|sent| sent.to_str().ok())
        .flat_map(Cookie::split_parse)
        .filter_map(Result::ok)
        .find(|cookie| COOKIES.contains(&cookie.name()))
        .map(|cookie| cookie.value().to_owned())
}

/// Whether a browser says that a page of this host makes the request: others may make it send its cookies.
fn is_own_page(request: &Parts) -> bool {
    if let Some(site) = request.headers.get("sec-fetch-site") {
        return site == "same-origin";
    }
    request.headers.contains_key(ORIGIN)
        && matches!(request.extensions.get::<Page>(), Some(Page::Own))
}

/// Finds out who asks, before anything else is looked at.
pub(crate) async fn identify(State(edge): State<Edge>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let (caller, signed_in) = if parts.method == Method::OPTIONS {
        Default::default()
    } else {
        match edge.who(&parts).await {
            Ok(found) => found,
            Err(turned_away) => {
                parts.extensions.insert(turned_away);
                Default::default()
            }
        }
    };
    let extensions = &mut parts.extensions;
    if let (Some(context), Some(told)) = (extensions.get_mut::<RequestContext>(), told(&caller)) {
        context.caller = Some(told);
    }
    extensions.insert(caller);
    if let Some(signed_in) = signed_in {
        extensions.insert(signed_in);
    }
    next.run(Request::from_parts(parts, body)).await
}

/// Turns away who showed something that is not good, whatever they ask for: they believe to be somebody.
pub(crate) async fn turn_away(request: Request, next: Next) -> Response {
    match request.extensions().get::<TurnedAway>() {
        Some(turned_away) => turned_away.into_response(),
        None => next.run(request).await,
    }
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TurnedAway {
    Refused(Refusal),
    /// Another site's page uses an administrator's cookie.
    CrossSite,
}

impl From<Refusal> for TurnedAway {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl IntoResponse for TurnedAway {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(refusal) => {
                let mut response = Problem::from(Error::from(refusal)).into_response();
                response.headers_mut().insert(
                    WWW_AUTHENTICATE,
                    HeaderValue::from_static(refusal.challenge()),
                );
                response
            }
            Self::CrossSite => Problem::new(
                StatusCode::FORBIDDEN,
                "cross_site",
                "Only this host's own pages may do this with a sign-in. Scripts send a token: `Authorization: Bearer …`.",
            )
            .into_response(),
        }
    }
}
