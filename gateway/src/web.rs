//! The pages and their assets, built into the binary, and who may frame them. It must not know what is on a page.

use axum::{
    Extension,
    body::Body,
    extract::State,
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
use troika_chassis::{context::RequestContext, origin::Origins};
use url::form_urlencoded;

use crate::bots::Bots;

/// A page loads what this server gives it and nothing else, and no script stands in the page. Who may frame it follows.
const POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors ";

/// The bot that the chat page talks to when its address names none.
const DEMO: &str = "000000000000000000000001";

/// The most that a policy may take up of a head that proxies must take too.
const LONGEST_RULE: usize = 4096;

#[derive(Embed)]
#[folder = "web/"]
struct Assets;

/// What is asked about pages.
#[derive(Clone)]
pub(crate) struct Web {
    pub(crate) bots: Bots,
    /// Whether anybody may frame a bot that lists no origins.
    pub(crate) frame_anywhere: bool,
}

impl Web {
    /// Who may frame the chat page. While the bot's list is not known, nobody else.
    async fn frames(&self, uri: &Uri, context: &RequestContext) -> String {
        let query = uri.query().unwrap_or_default().as_bytes();
        let named = form_urlencoded::parse(query).find(|(name, _)| name == "bot");
        let bot = named.map_or(DEMO.into(), |(_, id)| id);
        match self.bots.get(&bot, context).await {
            Some(bot) => rule(&bot.origins, self.frame_anywhere),
            None => "'self'".to_owned(),
        }
    }
}

/// Who may frame a bot that lists these origins.
fn rule(origins: &Origins, anywhere: bool) -> String {
    if !origins.is_list() && anywhere {
        return "*".to_owned();
    }
    let mut rule = "'self'".to_owned();
    for pattern in origins.patterns() {
        let origin = pattern.to_string();
        if rule.len() + 1 + origin.len() > LONGEST_RULE {
            tracing::warn!("a bot lists more origins than a policy about frames can name");
            break;
        }
        rule.push(' ');
        rule.push_str(&origin);
    }
    rule
}

/// Serves the pages and every asset; whatever is neither is not found. Stands last, after all routes.
pub(crate) async fn serve(
    State(web): State<Web>,
    Extension(context): Extension<RequestContext>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
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
    let frames = match path {
        "index.html" => web.frames(&uri, &context).await,
        _ => "'none'".to_owned(),
    };
    if let Ok(policy) = HeaderValue::from_str(&format!("{POLICY}{frames}")) {
        out.insert(CONTENT_SECURITY_POLICY, policy);
    }
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
    use troika_chassis::channel::{ChannelConfig, channel};

    use super::*;

    async fn get(path: &'static str) -> Response {
        let nowhere = Uri::from_static("http://127.0.0.1:1");
        let web = Web {
            bots: Bots::new(channel(nowhere, &ChannelConfig::default())),
            frame_anywhere: true,
        };
        serve(
            State(web),
            Extension(RequestContext::new()),
            Method::GET,
            Uri::from_static(path),
            HeaderMap::new(),
        )
        .await
    }

    #[tokio::test]
    async fn every_page_is_served_under_the_same_policy_and_others_frame_none_that_is_not_known() {
        for (path, frames) in [
            ("/", "'self'"),
            ("/?bot=0123456789abcdef01234567", "'self'"),
            ("/index.html?bot=x", "'self'"),
            ("/rollouts", "'none'"),
            ("/dashboard?bot=0123456789abcdef01234567", "'none'"),
        ] {
            let response = get(path).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(response.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
            let policy = response.headers()[CONTENT_SECURITY_POLICY]
                .to_str()
                .unwrap();
            assert_eq!(policy, format!("{POLICY}{frames}"), "{path}");
            assert!(!policy.contains("unsafe"), "{policy}");
        }
    }

    #[test]
    fn a_bot_is_framed_where_it_is_allowed_and_no_list_breaks_out_of_its_rule() {
        let listed = |texts: &[&str], anywhere| rule(&Origins::read(texts), anywhere);
        assert_eq!(listed(&[], false), "'self'");
        assert_eq!(listed(&[], true), "*");
        for anywhere in [false, true] {
            let list = [
                "https://Shop.example:443",
                "https://*.b.example",
                "https://c.example; script-src *",
                "*",
                "null",
            ];
            let expected = "'self' https://shop.example https://*.b.example";
            assert_eq!(listed(&list, anywhere), expected);
            assert_eq!(listed(&["nonsense"], anywhere), "'self'");
        }
        let many: Vec<String> = (0..1000)
            .map(|at| format!("https://a{at}.example"))
            .collect();
        let rule = rule(&Origins::read(&many), false);
        assert!(
            (4000..=LONGEST_RULE).contains(&rule.len()),
            "{}",
            rule.len()
        );
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
