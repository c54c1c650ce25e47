//! Web origins: which of them a list lets in. Pure.

use url::Url;

/// Whether a page of `origin`, as its browser says, is on a list of origins; an empty list has everybody on it. Items are
/// origins such as `https://shop.example`, or all hosts below one: `https://*.shop.example`. An origin that is none, such as
/// `null`, is on no list but the empty one.
pub fn allows(list: &[String], origin: &str) -> bool {
    if list.is_empty() {
        return true;
    }
    let Some(origin) = Origin::read(origin) else {
        return false;
    };
    list.iter()
        .any(|item| match item.trim().split_once("://*.") {
            Some((scheme, domain)) => {
                Origin::read(&format!("{scheme}://{domain}")).is_some_and(|item| {
                    item.scheme == origin.scheme
                        && item.port == origin.port
                        && origin
                            .host
                            .strip_suffix(&item.host)
                            .is_some_and(|below| below.len() > 1 && below.ends_with('.'))
                })
            }
            None => Origin::read(item).is_some_and(|item| item == origin),
        })
}

#[derive(PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl Origin {
    fn read(text: &str) -> Option<Self> {
        let url = Url::parse(text.trim()).ok()?;
        if !matches!(url.scheme(), "http" | "https") {
            return None;
        }
        Some(Self {
            scheme: url.scheme().to_owned(),
            host: url.host_str()?.to_owned(),
            port: url.port_or_known_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_compared_as_browsers_do() {
        let list = [
            "https://shop.example",
            "http://localhost:3000",
            "https://*.big.example",
        ];
        let list = list.map(str::to_owned);
        for (origin, on_it) in [
            ("https://shop.example", true),
            ("https://SHOP.example", true),
            ("https://shop.example:443", true),
            ("https://shop.example:8443", false),
            ("http://shop.example", false),
            ("https://shop.example.evil.example", false),
            ("https://evilshop.example", false),
            ("http://localhost:3000", true),
            ("http://localhost", false),
            ("https://a.big.example", true),
            ("https://a.b.big.example", true),
            ("https://big.example", false),
            ("https://.big.example", false),
            ("https://evilbig.example", false),
            ("http://a.big.example", false),
            ("null", false),
            ("file://", false),
            ("", false),
        ] {
            assert_eq!(allows(&list, origin), on_it, "{origin}");
        }
        assert!(allows(&[], "https://anybody.example") && allows(&[], "null"));
    }
}
