//! Administrators sign in on the pages: an address and a password for a cookie that scripts cannot read. It must not know
//! how passwords are kept.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{FromRef, State},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use cookie::{Cookie, SameSite};
use http::{HeaderMap, HeaderValue, StatusCode, header::SET_COOKIE};
use serde::{Deserialize, Serialize};
use troika_chassis::context::RequestContext;
use troika_identity::{Refusal, SignedIn};
use troika_proto::accounts::v1::{AccountRole, SignInRequest};
use utoipa::ToSchema;

use crate::{
    address::{ClientAddress, Https},
    auth::half_revoked,
    body::{BodyLimits, Json},
    identity::{COOKIES, Edge, TurnedAway, cookie},
    problem::{Problem, ProblemDocument},
    request::text,
};

/// What the routes share.
#[derive(Clone)]
pub(crate) struct SignIn {
    edge: Edge,
    limits: BodyLimits,
}

impl FromRef<SignIn> for BodyLimits {
    fn from_ref(routes: &SignIn) -> Self {
        routes.limits
    }
}

/// The routes.
pub(crate) fn routes(edge: Edge, limits: BodyLimits) -> Router {
    Router::new()
        .route("/api/admin/sign-in", post(sign_in))
        .route("/api/admin/sign-out", post(sign_out))
        .route("/api/admin/session", get(session))
        .with_state(SignIn { edge, limits })
}

/// Who wants to sign in. No `Debug`: it holds a password.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct Credentials {
    /// The account's address.
    #[serde(deserialize_with = "text")]
    #[schema(required)]
    email: String,
    /// Its password.
    #[serde(deserialize_with = "text")]
    #[schema(required)]
    password: String,
}

/// Who signed in.
#[derive(Serialize, ToSchema)]
pub(crate) struct Session {
    /// Always true.
    success: bool,
    /// The account.
    account: Account,
}

/// An account, as its owner sees it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Account {
    email: String,
    /// `admin` or `super_admin`.
    role: &'static str,
}

impl Session {
    fn of(email: String, is_super: bool) -> axum::Json<Self> {
        let role = if is_super { "super_admin" } else { "admin" };
        axum::Json(Self {
            success: true,
            account: Account { email, role },
        })
    }
}

/// Signs an administrator in. The cookie is for this host's pages alone.
#[utoipa::path(
    post, path = "/api/admin/sign-in", tag = "admin", request_body = Credentials,
    responses(
        (status = 200, description = "Signed in; the cookie is set", body = Session),
        (status = 401, description = "`wrong_credentials`", content_type = "application/problem+json", body = ProblemDocument),
        (status = 429, description = "`too_many_tries`; `Retry-After`", content_type = "application/problem+json", body = ProblemDocument),
        (status = "4XX", description = "The request cannot be taken", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "Accounts cannot be looked at", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn sign_in(
    State(SignIn { edge, .. }): State<SignIn>,
    Extension(context): Extension<RequestContext>,
    Extension(ClientAddress(client)): Extension<ClientAddress>,
    Extension(Https(https)): Extension<Https>,
    Json(sent): Json<Credentials>,
) -> Result<Response, Problem> {
    let asked = SignInRequest {
        email: sent.email,
        password: sent.password,
        client_address: client.to_string(),
    };
    // The gateway asks, for whoever it is: they are nobody yet.
    let own = RequestContext {
        caller: None,
        ..context
    };
    let answer = edge
        .accounts()
        .ask(&own, asked, |mut client, request| async move {
            client.sign_in(request).await
        })
        .await?;
    let account = answer.account.ok_or_else(Problem::internal)?;
    let is_super = account.role() == AccountRole::SuperAdmin;
    let (token, life) = edge
        .doors
        .sessions
        .sign_in(&account.id, &account.email, is_super, account.revision)
        .ok_or_else(Problem::internal)?;
    let life = cookie::time::Duration::try_from(life).unwrap_or(cookie::time::Duration::HOUR);
    let mut response = Session::of(account.email, is_super).into_response();
    set_cookie(&mut response, https, &token, life);
    Ok(response)
}

/// Signs an administrator out: the cookie is worth nothing any more, wherever a copy of it may be.
#[utoipa::path(
    post, path = "/api/admin/sign-out", tag = "admin",
    responses(
        (status = 200, description = "`{success}`", body = serde_json::Value),
        (status = "4XX", description = "Another site's page asks", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "Other processes could not be told", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn sign_out(
    State(SignIn { edge, .. }): State<SignIn>,
    headers: HeaderMap,
    Extension(Https(https)): Extension<Https>,
    signed_in: Option<Extension<Arc<SignedIn>>>,
) -> Response {
    if let (Some(Extension(account)), Some(token)) = (signed_in, cookie(&headers)) {
        edge.forget(&account).await;
        if !edge.doors.verifier.revoke(&token, account.exp).await {
            return half_revoked().into_response();
        }
    }
    let done = axum::Json(serde_json::json!({ "success": true }));
    let mut response = (StatusCode::OK, done).into_response();
    set_cookie(&mut response, https, "", cookie::time::Duration::ZERO);
    response
}

/// Tells who is signed in.
#[utoipa::path(
    get, path = "/api/admin/session", tag = "admin",
    responses(
        (status = 200, description = "Who is signed in", body = Session),
        (status = 401, description = "Nobody is", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn session(
    signed_in: Option<Extension<Arc<SignedIn>>>,
) -> Result<axum::Json<Session>, TurnedAway> {
    let Extension(account) = signed_in.ok_or(Refusal::NoToken)?;
    Ok(Session::of(account.email.clone(), account.is_super))
}

fn set_cookie(response: &mut Response, https: bool, token: &str, life: cookie::time::Duration) {
    let [secure, plain] = COOKIES;
    let cookie = Cookie::build((if https { secure } else { plain }, token))
        .http_only(true)
        .secure(https)
        .same_site(SameSite::Strict)
        .path("/")
        .max_age(life);
    if let Ok(value) = HeaderValue::from_str(&cookie.to_string()) {
        response.headers_mut().append(SET_COOKIE, value);
    }
}
