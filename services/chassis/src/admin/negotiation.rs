//! Which text format of metrics a client asks for. Pure.

use http::{HeaderMap, header::ACCEPT};

/// Whether it takes `OpenMetrics` at least as gladly as the classic text.
pub(super) fn wants_open_metrics(headers: &HeaderMap) -> bool {
    let (mut open, mut classic) = (0.0_f32, 0.0_f32);
    let ranges = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    for range in ranges {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let quality = parts
            .find_map(|part| part.strip_prefix("q="))
            .map_or(1.0, |quality| quality.parse().unwrap_or(0.0));
        if kind.eq_ignore_ascii_case("application/openmetrics-text") {
            open = open.max(quality);
        } else if kind.eq_ignore_ascii_case("text/plain") {
            classic = classic.max(quality);
        }
    }
    open > 0.0 && open >= classic
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(accept: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().unwrap());
        wants_open_metrics(&headers)
    }

    #[test]
    fn open_metrics_is_for_those_who_ask_for_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                          application/openmetrics-text;version=0.0.1;q=0.5,\
                          text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        assert!(asked(prometheus));
        assert!(asked("application/openmetrics-text"));
        for other in [
            "*/*",
            "text/plain",
            "text/html",
            "application/openmetrics-text;q=0",
            "",
        ] {
            assert!(!asked(other), "{other}");
        }
        assert!(!asked(
            "application/openmetrics-text;q=0.3, text/plain;q=0.8"
        ));
        assert!(!wants_open_metrics(&HeaderMap::new()));
    }
}
