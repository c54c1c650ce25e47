//! What a token says of its bearer, and signing out. It must not know how tokens are made.

use axum::{
    Extension, Json, Router,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use troika_chassis::error::{Code, Error};
use troika_identity::{Caller, Refusal, Verified, bearer};
use utoipa::ToSchema;

use crate::{
    identity::{Edge, TurnedAway},
    problem::{Problem, ProblemDocument},
};

/// The routes.
pub(crate) fn routes(edge: Edge) -> Router {
    Router::new()
        .route("/api/auth/validate-token", post(validate_token))
        .route("/api/auth/logout", post(logout))
        .route("/api/auth/status", get(status))
        .with_state(edge)
}

/// The bearer of a token.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    /// Who it is, in the words of the token.
    id: String,
    /// `visitor`, `user`, `admin` or `super_admin`.
    role: &'static str,
    /// As the token says.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// As the token says.
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    /// The one bot that a visitor may talk to.
    #[serde(skip_serializing_if = "Option::is_none")]
    chatbot_id: Option<String>,
    /// The company of a user.
    #[serde(skip_serializing_if = "Option::is_none")]
    company_id: Option<String>,
}

impl User {
    fn new(caller: Caller, email: Option<String>, phone: Option<String>) -> Self {
        Self {
            id: caller.subject,
            role: caller.role.as_str(),
            email,
            phone,
            chatbot_id: caller.chatbot,
            company_id: caller.company,
        }
    }
}

/// A token that is good.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Valid {
    /// Always true.
    success: bool,
    /// Always true: a token that is not good is an error.
    valid: bool,
    /// Its bearer.
    user: User,
    /// Seconds since 1970.
    expires_at: u64,
}

/// Whether somebody is signed in.
#[derive(Serialize, ToSchema)]
pub(crate) struct Status {
    /// Always true.
    success: bool,
    /// Whether a token or a sign-in was shown.
    authenticated: bool,
    /// Who that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<User>,
}

/// Tells what the token says that was sent.
#[utoipa::path(
    post, path = "/api/auth/validate-token", tag = "auth", security(("token" = [])),
    responses(
        (status = 200, description = "The token is good", body = Valid),
        (status = "4XX", description = "There is none, or it is not good", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn validate_token(
    State(edge): State<Edge>,
    headers: HeaderMap,
) -> Result<Json<Valid>, Response> {
    let turned_away = |refusal| TurnedAway::from(refusal).into_response();
    let token = bearer(&headers).map_err(turned_away)?;
    let token = token.ok_or_else(|| turned_away(Refusal::NoToken))?;
    let Verified {
        caller,
        email,
        phone,
        expires,
    } = edge
        .doors
        .verifier
        .verify(token)
        .await
        .map_err(turned_away)?;
    Ok(Json(Valid {
        success: true,
        valid: true,
        user: User::new(caller, email, phone),
        expires_at: expires,
    }))
}

/// Takes the token back that was sent: nobody can use it any more. Without one there is nothing to do.
#[utoipa::path(
    post, path = "/api/auth/logout", tag = "auth", security(("token" = [])),
    responses(
        (status = 200, description = "`{success, message}`", body = serde_json::Value),
        (status = "4XX", description = "The token was not good", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "Other processes could not be told", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn logout(State(edge): State<Edge>, headers: HeaderMap) -> Response {
    let verifier = &edge.doors.verifier;
    let shown = match bearer(&headers) {
        Ok(Some(token)) => verifier.verify(token).await.map(|good| Some((token, good))),
        Ok(None) => Ok(None),
        Err(refusal) => Err(refusal),
    };
    match shown {
        Err(refusal) => TurnedAway::from(refusal).into_response(),
        Ok(Some((token, good))) if !verifier.revoke(token, good.expires).await => {
            half_revoked().into_response()
        }
        Ok(_) => {
            let told = serde_json::json!({ "success": true, "message": "Signed out." });
            (StatusCode::OK, Json(told)).into_response()
        }
    }
}

/// The token is taken back here, and others were not told.
pub(crate) fn half_revoked() -> Problem {
    Problem::from(
        Error::new(
            Code::Unavailable,
            "revocation_unavailable",
            "Signing out could not be told to all servers. Please try again.",
        )
        .with_retry_after(std::time::Duration::from_secs(1)),
    )
}

/// Tells who asks.
#[utoipa::path(
    get, path = "/api/auth/status", tag = "auth",
    responses(
        (status = 200, description = "Who asks, or that nobody in particular does", body = Status),
        (status = "4XX", description = "The token was not good", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn status(Extension(caller): Extension<Caller>) -> Json<Status> {
    Json(Status {
        success: true,
        authenticated: caller.is_known(),
        user: caller.is_known().then(|| User::new(caller, None, None)),
    })
}
