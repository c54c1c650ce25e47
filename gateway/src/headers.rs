//! What every answer tells a browser for safety's sake. What an answer says itself, such as a page its policy, stays. It
//! must not know what is answered.

use axum::{extract::Request, middleware::Next, response::Response};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_SECURITY_POLICY, REFERRER_POLICY,
        STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    },
};

use crate::address::Https;

/// An answer of the API loads nothing, and stands in no frame.
const API_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

const REFERRERS: HeaderValue = HeaderValue::from_static("same-origin");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");
const CROSS_ORIGIN: HeaderValue = HeaderValue::from_static("cross-origin");

/// A year. Names below this host are their owners' own matter.
const TRANSPORT: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Nothing here needs any of it.
const PERMISSIONS: HeaderValue = HeaderValue::from_static(
    "accelerometer=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), hid=(), \
     magnetometer=(), microphone=(), midi=(), payment=(), serial=(), usb=()",
);

const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const POWERED_BY: HeaderName = HeaderName::from_static("x-powered-by");

/// Puts them on an answer.
pub(crate) async fn guard(request: Request, next: Next) -> Response {
    let https = request
        .extensions()
        .get::<Https>()
        .copied()
        .unwrap_or_default();
    let mut response = next.run(request).await;
    put(response.headers_mut(), https);
    response
}

fn put(headers: &mut HeaderMap, https: Https) {
    headers.remove(POWERED_BY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    headers.insert(OPENER, SAME_ORIGIN);
    headers.insert(PERMISSIONS_POLICY, PERMISSIONS);
    headers.entry(REFERRER_POLICY).or_insert(REFERRERS);
    let policy = headers.entry(CONTENT_SECURITY_POLICY).or_insert(API_POLICY);
    if let Some(frames) = frames(policy) {
        headers.insert(X_FRAME_OPTIONS, frames);
    }
    // Whom CORS lets read an answer, this must not keep from it.
    let is_shared = headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN);
    let resource = if is_shared { CROSS_ORIGIN } else { SAME_ORIGIN };
    headers.insert(RESOURCE, resource);
    if https.0 {
        headers.insert(STRICT_TRANSPORT_SECURITY, TRANSPORT);
    }
}

/// What a policy says about frames, for browsers that read only this. It cannot name others: then nothing is said.
fn frames(policy: &HeaderValue) -> Option<HeaderValue> {
    let policy = policy.to_str().ok()?;
    let rule = policy
        .split(';')
        .find_map(|part| part.trim().strip_prefix("frame-ancestors"))?;
    match rule.trim() {
        "'none'" => Some(HeaderValue::from_static("DENY")),
        "'self'" => Some(HeaderValue::from_static("SAMEORIGIN")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(policy: Option<&'static str>, shared: bool, https: bool) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(POWERED_BY, HeaderValue::from_static("something"));
        if let Some(policy) = policy {
            headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
            headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        }
        if shared {
            let page = HeaderValue::from_static("https://shop.example");
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, page);
        }
        put(&mut headers, Https(https));
        headers
    }

    #[test]
    fn an_answer_of_the_api_is_no_page_and_says_so() {
        let headers = told(None, false, false);
        for (name, value) in [
            (
                "content-security-policy",
                "default-src 'none'; frame-ancestors 'none'",
            ),
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(headers[name], value, "{name}");
        }
        let permissions = headers["permissions-policy"].to_str().unwrap();
        assert!(permissions.contains("microphone=()"), "{permissions}");
        for name in ["strict-transport-security", "x-powered-by", "server"] {
            assert!(!headers.contains_key(name), "{name}");
        }
    }

    #[test]
    fn the_transport_is_promised_only_to_who_came_by_it() {
        let headers = told(None, false, true);
        assert_eq!(headers["strict-transport-security"], "max-age=31536000");
    }

    #[test]
    fn what_cors_shares_is_kept_from_nobody() {
        let headers = told(None, true, false);
        assert_eq!(headers["cross-origin-resource-policy"], "cross-origin");
    }

    #[test]
    fn a_page_keeps_its_policy_and_old_browsers_are_told_the_same_about_frames() {
        for (policy, frames) in [
            ("default-src 'self'; frame-ancestors 'none'", Some("DENY")),
            (
                "default-src 'self'; frame-ancestors 'self'",
                Some("SAMEORIGIN"),
            ),
            ("frame-ancestors 'self' https://shop.example", None),
            ("frame-ancestors *", None),
        ] {
            let headers = told(Some(policy), false, false);
            assert_eq!(headers[CONTENT_SECURITY_POLICY], policy);
            assert_eq!(headers[REFERRER_POLICY], "no-referrer");
            let told = headers
                .get(X_FRAME_OPTIONS)
                .map(|value| value.to_str().unwrap());
            assert_eq!(told, frames, "{policy}");
        }
    }
}
