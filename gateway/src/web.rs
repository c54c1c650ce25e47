//! The pages and their assets, built into the binary. It must not know what is on a page.

use axum::{
    body::Body,
    extract::{Query, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri,
    header::{
        ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION,
        REFERRER_POLICY,
    },
};
use rust_embed::{Embed, EmbeddedFile};
use serde::Deserialize;

use crate::bots::Bots;

/// A page loads what this server gives it and nothing else, and no script stands in the page.
const POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

#[derive(Embed)]
#[folder = "web/"]
struct Assets;

/// Which bot a page is for.
#[derive(Deserialize)]
pub(crate) struct Shown {
    bot: Option<String>,
}

/// Serves the chat page, which pages of others may show where its bot lets them.
pub(crate) async fn chat_page(
    State(bots): State<Bots>,
    shown: Result<Query<Shown>, QueryRejection>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let bot = shown.ok().and_then(|Query(shown)| shown.bot);
    let mut response = serve(method, uri, headers).await;
    if let Some(bot) = bot {
        let ancestors = bots.frame_ancestors(&bot).await;
        let policy = POLICY.replace(
            "frame-ancestors 'none'",
            &format!("frame-ancestors {ancestors}"),
        );
        if let Ok(policy) = HeaderValue::try_from(policy) {
            response
                .headers_mut()
                .insert(CONTENT_SECURITY_POLICY, policy);
        }
    }
    response
}

/// Serves the pages and every asset; whatever is neither is not found. Stands last, after all routes.
pub(crate) async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = match uri.path() {
        "/" => "index.html",
        "/rollouts" => "rollouts/index.html",
        "/dashboard" => "dashboard/index.html",
        // A page's links start where the page stands: one level deeper they would lead nowhere.
        "/rollouts/" | "/rollouts/index.html" => return moved("../rollouts"),
        "/dashboard/" | "/dashboard/index.html" => return moved("../dashboard"),
        path => path.trim_start_matches('/'),
    };
    let Some(asset) = Assets::get(path) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if method != Method::GET && method != Method::HEAD {
        let allow = [(ALLOW, HeaderValue::from_static("GET, HEAD"))];
        return (StatusCode::METHOD_NOT_ALLOWED, allow).into_response();
    }
    let tag = entity_tag(&asset);
    let mut response = if is_known(&headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let kind = content_type(&asset);
        ([(CONTENT_TYPE, kind)], Body::from(asset.data)).into_response()
    };
    let out = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        out.insert(ETAG, tag);
    }
    // Names do not change with contents: browsers keep a copy and ask whether it is still good.
    insert(out, CACHE_CONTROL, "no-cache");
    insert(out, CONTENT_SECURITY_POLICY, POLICY);
    insert(out, REFERRER_POLICY, "same-origin");
    response
}

fn moved(address: &'static str) -> Response {
    let address = [(LOCATION, HeaderValue::from_static(address))];
    (StatusCode::PERMANENT_REDIRECT, address).into_response()
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}

/// 128 bits of the content's SHA-256 as a strong entity tag.
fn entity_tag(asset: &EmbeddedFile) -> String {
    use std::fmt::Write as _;
    let mut tag = String::with_capacity(34);
    tag.push('"');
    for byte in asset.metadata.sha256_hash().iter().take(16) {
        // Writing into a string cannot fail.
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}

fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

fn content_type(asset: &EmbeddedFile) -> HeaderValue {
    let kind = match asset.metadata.mimetype() {
        // What modules with the ending .mjs are called where the registry has moved on.
        "application/javascript" => "text/javascript",
        kind => kind,
    };
    let full = if kind.starts_with("text/") {
        format!("{kind}; charset=utf-8")
    } else {
        kind.to_owned()
    };
    HeaderValue::from_str(&full)
        .unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(path: &'static str) -> Response {
        serve(Method::GET, Uri::from_static(path), HeaderMap::new()).await
    }

    #[tokio::test]
    async fn every_page_is_served_under_the_same_policy() {
        for path in ["/", "/rollouts", "/dashboard"] {
            let response = get(path).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(response.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
            assert_eq!(response.headers()[CONTENT_SECURITY_POLICY], POLICY);
        }
    }

    #[tokio::test]
    async fn an_address_below_a_page_leads_to_the_page() {
        for (path, page) in [
            ("/rollouts/", "../rollouts"),
            ("/rollouts/index.html", "../rollouts"),
            ("/dashboard/", "../dashboard"),
            ("/dashboard/index.html", "../dashboard"),
        ] {
            let response = get(path).await;
            assert_eq!(response.status(), StatusCode::PERMANENT_REDIRECT, "{path}");
            assert_eq!(response.headers()[LOCATION], page);
        }
        let response = get("/rollouts/nothing.js").await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn browsers_take_every_asset_for_what_it_is() {
        for name in Assets::iter() {
            let expected = match name.rsplit('.').next().unwrap() {
                "html" => "text/html; charset=utf-8",
                "js" | "mjs" => "text/javascript; charset=utf-8",
                "css" => "text/css; charset=utf-8",
                "svg" => "image/svg+xml",
                "woff2" => "font/woff2",
                _ => continue,
            };
            let asset = Assets::get(&name).unwrap();
            assert_eq!(content_type(&asset), expected, "{name}");
        }
    }
}
