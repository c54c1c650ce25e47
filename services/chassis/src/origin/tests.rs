//! Which texts are origins, and which of them a list means.

use super::*;

#[test]
fn an_origin_is_written_as_browsers_write_it() {
    for (text, expected) in [
        ("https://example.com", Some("https://example.com")),
        ("HTTPS://Example.COM:443", Some("https://example.com")),
        ("http://example.com:80/", Some("http://example.com")),
        ("http://example.com:443", Some("http://example.com:443")),
        ("https://example.com:8443", Some("https://example.com:8443")),
        ("http://127.0.0.1:3000", Some("http://127.0.0.1:3000")),
        ("http://[::1]:3000", Some("http://[::1]:3000")),
        (
            "https://bücher.example",
            Some("https://xn--bcher-kva.example"),
        ),
        ("http://localhost", Some("http://localhost")),
        ("null", None),
        ("", None),
        ("*", None),
        ("https://", None),
        ("https://*", None),
        ("https://*.example.com", None),
        ("example.com", None),
        ("//example.com", None),
        ("https:example.com", None),
        ("https:///example.com", None),
        ("https:\\\\example.com", None),
        ("https://a.example\\@b.example", None),
        ("https://example.com/page", None),
        ("https://example.com?x", None),
        ("https://example.com#x", None),
        ("https://me@example.com", None),
        ("https://@example.com", None),
        ("https://exa mple.com", None),
        ("https://exa\tmple.com", None),
        ("https://example.com\n", None),
        ("https://example.com, https://other.example", None),
        ("https://example.com;script-src", None),
        ("https://example.com:99999", None),
        ("ftp://example.com", None),
        ("file:///etc/passwd", None),
        ("chrome-extension://abcdef", None),
        ("javascript:alert(1)", None),
    ] {
        let read = Origin::parse(text).map(|origin| origin.to_string());
        assert_eq!(read.as_deref(), expected, "{text:?}");
    }
}

#[test]
fn a_pattern_means_one_origin_or_all_below_a_host() {
    let table: [(&str, &[&str], &[&str]); 5] = [
        (
            "https://example.com",
            &["https://example.com", "https://EXAMPLE.com:443"],
            &[
                "http://example.com",
                "https://example.com:8443",
                "https://www.example.com",
                "https://example.com.evil.example",
                "https://evilexample.com",
                "null",
            ],
        ),
        (
            "https://*.example.com",
            &["https://a.example.com", "https://b.a.Example.com"],
            &[
                "https://example.com",
                "https://.example.com",
                "https://evilexample.com",
                "https://a.example.com.evil.example",
                "http://a.example.com",
                "https://a.example.com:444",
            ],
        ),
        (
            "http://*.localhost:3000",
            &["http://shop.localhost:3000"],
            &["http://localhost:3000", "http://shop.localhost"],
        ),
        (
            "http://[::1]:3000",
            &["http://[0:0:0:0:0:0:0:1]:3000"],
            &["http://[::1]", "http://[::2]:3000"],
        ),
        (
            "https://bücher.example",
            &["https://xn--bcher-kva.example"],
            &["https://bucher.example"],
        ),
    ];
    for (pattern, named, others) in table {
        let list = Origins::read(&[pattern]);
        for origin in named {
            assert!(list.admit(origin), "{pattern} is {origin}");
        }
        for origin in others {
            assert!(!list.admit(origin), "{pattern} is not {origin}");
        }
    }
}

#[test]
fn what_is_no_pattern_is_not_read() {
    for text in [
        "*",
        "https://*",
        "*.example.com",
        "https://*.com",
        "https://*.",
        "https://*example.com",
        "https://a.*.example.com",
        "https://*.*.example.com",
        "https://*.127.0.0.1",
        "https://*.[::1]",
        "https://*.example.com/path",
        "null",
        "",
    ] {
        assert_eq!(Pattern::parse(text), None, "{text}");
    }
    let written = Pattern::parse("HTTPS://*.Example.com:8443/").map(|it| it.to_string());
    assert_eq!(written.as_deref(), Some("https://*.example.com:8443"));
}

#[test]
fn without_a_list_everybody_is_admitted_and_with_an_unusable_one_nobody() {
    let none = Origins::read::<&str>(&[]);
    assert!(none.admit("https://anybody.example") && none.admit("null"));
    let unusable = Origins::read(&["null", "shop.example"]);
    for origin in ["null", "https://shop.example"] {
        assert!(!unusable.admit(origin), "{origin}");
    }
}

#[test]
fn a_page_asks_its_own_server_whatever_the_scheme() {
    for (origin, host, own) in [
        ("https://chat.example", "chat.example", true),
        ("https://chat.example", "Chat.Example:443", true),
        ("http://chat.example", "chat.example:80", true),
        ("http://localhost:5000", "localhost:5000", true),
        ("http://[::1]:5000", "[::1]:5000", true),
        ("http://localhost:5001", "localhost:5000", false),
        ("https://evil.example", "chat.example", false),
        ("https://chat.example", "chat.example/evil", false),
        ("https://chat.example", "me@chat.example", false),
        ("https://chat.example", "", false),
    ] {
        let parsed = Origin::parse(origin).unwrap();
        assert_eq!(parsed.is_host(host), own, "{origin} {host}");
    }
}
