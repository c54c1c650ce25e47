//! What whoever comes in plain text is told: the same address over TLS. Only to hosts that the certificate is for, so
//! that nobody is sent elsewhere. It must not know the routes, but for the two that probes ask.

use axum::body::Body;
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode, Uri,
    header::{CONTENT_TYPE, HOST, LOCATION},
    uri::Authority,
};
use troika_chassis::tls::ServerTls;

/// Answered as they are: probes in the cluster ask them, and they tell nothing.
const PROBES: [&str; 2] = ["/health", "/ready"];

/// The port of `https` that need not be said.
const USUAL: u16 = 443;

/// Who sends requests to TLS.
#[derive(Clone, Debug)]
pub(super) struct Redirect {
    tls: ServerTls,
    port: u16,
}

impl Redirect {
    /// To this port of the same host, with this certificate.
    pub(super) fn new(tls: ServerTls, port: u16) -> Self {
        Self { tls, port }
    }

    /// The answer; none where the routes answer.
    pub(super) fn answer<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        if PROBES.contains(&request.uri().path()) {
            return None;
        }
        let place = host(request.uri(), request.headers())
            .filter(|host| self.tls.bears(host))
            .and_then(|host| HeaderValue::try_from(self.place(&host, request.uri())).ok());
        let mut answer = Response::new(Body::empty());
        match place {
            Some(place) => {
                *answer.status_mut() = StatusCode::PERMANENT_REDIRECT;
                answer.headers_mut().insert(LOCATION, place);
            }
            None => {
                *answer.status_mut() = StatusCode::MISDIRECTED_REQUEST;
                let text = HeaderValue::from_static("text/plain; charset=utf-8");
                answer.headers_mut().insert(CONTENT_TYPE, text);
                *answer.body_mut() = Body::from("This host is not served here.\n");
            }
        }
        Some(answer)
    }

    fn place(&self, host: &str, uri: &Uri) -> String {
        let path = uri
            .path_and_query()
            .map_or("/", |path| path.as_str())
            .trim_start_matches('*');
        let path = if path.is_empty() { "/" } else { path };
        match self.port {
            USUAL => format!("https://{host}{path}"),
            port => format!("https://{host}:{port}{path}"),
        }
    }
}

/// The host that was asked for, without its port: in the address, else in the header, of which there must be one.
fn host(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let authority = match uri.authority() {
        Some(authority) => authority.clone(),
        None => {
            let mut hosts = headers.get_all(HOST).iter();
            let (Some(host), None) = (hosts.next(), hosts.next()) else {
                return None;
            };
            Authority::try_from(host.as_bytes()).ok()?
        }
    };
    // Nobody signs in that way, and it makes addresses that look like others.
    let plain = !authority.as_str().contains('@');
    plain.then(|| authority.host().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(uri: &str, hosts: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, host.parse().unwrap());
        }
        host(&uri.parse().unwrap(), &headers)
    }

    #[test]
    fn the_host_is_what_was_asked_for_and_nothing_that_only_looks_like_it() {
        assert_eq!(asked("/", &["bots.example"]).unwrap(), "bots.example");
        assert_eq!(asked("/", &["bots.example:80"]).unwrap(), "bots.example");
        assert_eq!(asked("/", &["[::1]:80"]).unwrap(), "[::1]");
        assert_eq!(
            asked("http://a.example/", &["b.example"]).unwrap(),
            "a.example"
        );
        for wrong in [
            &["bots.example@evil.example"][..],
            &["bots.example/evil"],
            &["a.example", "b.example"],
            &[""],
            &[],
        ] {
            assert_eq!(asked("/", wrong), None, "{wrong:?}");
        }
    }
}
