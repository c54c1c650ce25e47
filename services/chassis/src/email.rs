//! What is an email address: the services compare what people type with this and with nothing else. It must not know whose
//! it is.

use email_address::{EmailAddress, Options};

/// The longest path of a mail (RFC 5321, 4.5.3.1.3) without its brackets, in bytes.
const LONGEST: usize = 254;

/// Whether a text is an address alone: no name around it, no number in the place of a domain, no whitespace and no control
/// characters, and no longer than mail takes.
pub fn is_address(text: &str) -> bool {
    let options = Options::default()
        .without_display_text()
        .without_domain_literal();
    text.len() <= LONGEST
        && !text
            .chars()
            .any(|letter| letter.is_control() || letter.is_whitespace())
        && EmailAddress::parse_with_options(text, options).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_and_nothing_more() {
        for good in [
            "ada@shop.example",
            "a.b+c@xn--fsq.example",
            "अदा@दुकान.example",
        ] {
            assert!(is_address(good), "{good}");
        }
        let long = format!("{}@shop.example", "x".repeat(60)) + &".example".repeat(30);
        for bad in [
            "",
            "ada",
            "@shop.example",
            "Ada <ada@shop.example>",
            "ada@[192.0.2.1]",
            "ada @shop.example",
            "ada@shop.example\n",
            "\u{7}ada@shop.example",
            &long,
        ] {
            assert!(!is_address(bad), "{bad:?}");
        }
    }
}
