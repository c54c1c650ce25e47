//! Web origins: who a page is to its browser, and lists of those that may do something. The edge and the services
//! behind it compare origins here and nowhere else, so that both come to the same answer. It must not know what is
//! allowed to whom.

use std::fmt;

use url::{Host, Url};

/// A scheme, a host and a port, as a browser compares them: in lower case, a default port left out, other alphabets
/// in Punycode.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    secure: bool,
    host: String,
    port: u16,
}

impl Origin {
    /// Reads what a browser sends as `Origin`, or what an operator writes; a slash at its end may stand there. `None`
    /// of `null`, of other schemes, and of what is more than an origin.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        // What a reader of URLs would read over, or take for a slash.
        let is_odd = |letter: char| letter.is_whitespace() || letter.is_control();
        if rest.starts_with('/') || rest.contains('\\') || text.contains(is_odd) {
            return None;
        }
        if !["http", "https"]
            .iter()
            .any(|it| scheme.eq_ignore_ascii_case(it))
        {
            return None;
        }
        let url = Url::parse(text).ok()?;
        let is_bare = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
            && !rest.contains('@');
        let host = match url.host()? {
            Host::Domain(name) if is_name(name) => name.to_owned(),
            Host::Domain(_) => return None,
            address => address.to_string(),
        };
        let port = url.port_or_known_default().filter(|_| is_bare)?;
        Some(Self {
            secure: url.scheme() == "https",
            host,
            port,
        })
    }

    /// Whether a request to `host`, as its `Host` header has it, asks the server that this origin's pages come from.
    /// Schemes are not compared: who takes TLS off in front of a server need not tell it.
    pub fn is_host(&self, host: &str) -> bool {
        let scheme = if self.secure { "https" } else { "http" };
        Self::parse(&format!("{scheme}://{host}")).is_some_and(|other| other == *self)
    }
}

/// The letters of host names. Others would end a word in headers that list origins.
fn is_name(host: &str) -> bool {
    !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

impl fmt::Display for Origin {
    /// As a browser writes it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, default) = if self.secure {
            ("https", 443)
        } else {
            ("http", 80)
        };
        write!(formatter, "{scheme}://{}", self.host)?;
        if self.port != default {
            write!(formatter, ":{}", self.port)?;
        }
        Ok(())
    }
}

/// An origin in a list, or with `*.` before its host all those below it: `https://*.example.com` is
/// `https://a.example.com` and `https://b.a.example.com`, and not `https://example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    origin: Origin,
    below: bool,
}

impl Pattern {
    /// Reads an entry of a list. `None` of what is none, such as a `*` elsewhere, or all hosts below a top-level name.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, host) = text.split_once("://")?;
        let Some(host) = host.strip_prefix("*.") else {
            return Origin::parse(text).map(|origin| Self {
                origin,
                below: false,
            });
        };
        let origin = Origin::parse(&format!("{scheme}://{host}"))?;
        let has_parent = origin.host.trim_matches('.').contains('.') || origin.host == "localhost";
        let is_address =
            origin.host.ends_with(']') || origin.host.parse::<std::net::IpAddr>().is_ok();
        (has_parent && !is_address).then_some(Self {
            origin,
            below: true,
        })
    }

    /// Whether it means `origin`.
    pub fn matches(&self, origin: &Origin) -> bool {
        if !self.below {
            return self.origin == *origin;
        }
        origin.secure == self.origin.secure
            && origin.port == self.origin.port
            && origin
                .host
                .strip_suffix(self.origin.host.as_str())
                .and_then(|labels| labels.strip_suffix('.'))
                .is_some_and(|labels| !labels.is_empty())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.below {
            return self.origin.fmt(formatter);
        }
        let text = self.origin.to_string();
        let (scheme, host) = text.split_once("://").unwrap_or(("https", text.as_str()));
        write!(formatter, "{scheme}://*.{host}")
    }
}

/// The origins that somebody listed. What is no origin names nobody, and leaves the list a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    patterns: Vec<Pattern>,
    is_list: bool,
}

impl Origins {
    /// Reads a list.
    pub fn read<T: AsRef<str>>(texts: &[T]) -> Self {
        Self {
            patterns: texts
                .iter()
                .filter_map(|text| Pattern::parse(text.as_ref().trim()))
                .collect(),
            is_list: !texts.is_empty(),
        }
    }

    /// Whether there is a list at all; where there is none, nobody meant to keep anybody out.
    pub fn is_list(&self) -> bool {
        self.is_list
    }

    /// Whether the list names `origin`.
    pub fn name(&self, origin: &Origin) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(origin))
    }

    /// Whether a page with this `Origin` header may go on: it is named, or there is no list. `null`, and whatever else
    /// is no origin, is never named.
    pub fn admit(&self, header: &str) -> bool {
        !self.is_list || Origin::parse(header).is_some_and(|origin| self.name(&origin))
    }

    /// What is in the list.
    pub fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }
}

#[cfg(test)]
mod tests;
