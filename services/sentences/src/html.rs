//! Recognises HTML tags by one character at a time, for the segmenter and for the speakable text alike.
//! Must not know sentences.

/// Longest name of an element that is believed.
const MAX_NAME: usize = 24;

/// Elements that stand on lines of their own.
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "br",
    "caption",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "main",
    "nav",
    "ol",
    "option",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "ul",
];

/// Elements whose content is no text.
const HIDDEN: &[(&str, &str)] = &[("script", "</script>"), ("style", "</style>")];

/// What a character did to a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The tag goes on.
    More,
    /// The character was the tag's last one.
    Done,
    /// `<!--` is whole: a comment begins.
    Comment,
    /// This was no tag; the character is not part of it.
    Not,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// After `<`.
    Opened,
    /// After `</`.
    Slash,
    Name,
    /// Between attributes.
    Between,
    Attribute,
    /// After an attribute's `=`.
    Equals,
    Value,
    Quoted(char),
    /// After `<!`.
    Bang,
    /// After `<!-`.
    BangDash,
    /// `<!DOCTYPE …`.
    Declaration,
}

/// Reads one tag, from behind its `<`. The grammar is that of CommonMark, on one line; a full stop,
/// question or exclamation mark where an attribute's name may stand shows that it is prose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TagScanner {
    state: State,
    name: String,
    closing: bool,
    attributes: bool,
}

impl TagScanner {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Opened,
            name: String::new(),
            closing: false,
            attributes: false,
        }
    }

    pub(crate) fn step(&mut self, c: char) -> Step {
        if crate::class::is_line_end(c) || c == '\r' {
            return Step::Not;
        }
        let next = match (self.state, c) {
            (State::Opened, '/') => {
                self.closing = true;
                State::Slash
            }
            (State::Opened, '!') => State::Bang,
            (State::Opened | State::Slash, _) if c.is_ascii_alphabetic() => {
                self.name.push(c.to_ascii_lowercase());
                State::Name
            }
            (State::Bang, '-') => State::BangDash,
            (State::Bang, _) if c.is_ascii_alphabetic() => State::Declaration,
            (State::BangDash, '-') => return Step::Comment,
            (
                State::Name
                | State::Between
                | State::Attribute
                | State::Equals
                | State::Value
                | State::Declaration,
                '>',
            ) => return Step::Done,
            (State::Quoted(quote), _) => {
                if c == quote {
                    State::Between
                } else {
                    self.state
                }
            }
            (_, '<') => return Step::Not,
            (State::Name, _) if c.is_ascii_alphanumeric() || c == '-' => {
                if self.name.len() == MAX_NAME {
                    return Step::Not;
                }
                self.name.push(c.to_ascii_lowercase());
                State::Name
            }
            (State::Name | State::Between | State::Attribute, '/') => State::Between,
            (State::Name | State::Between | State::Attribute | State::Value, _)
                if c.is_whitespace() =>
            {
                State::Between
            }
            (State::Attribute, '=') => {
                self.attributes = true;
                State::Equals
            }
            (State::Between | State::Attribute, _)
                if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '@') =>
            {
                State::Attribute
            }
            (State::Equals, '"' | '\'') => State::Quoted(c),
            (State::Equals, _) if c.is_whitespace() => State::Equals,
            (State::Equals | State::Value, _) => State::Value,
            (State::Declaration, _) if c.is_ascii_alphanumeric() || c == ' ' => State::Declaration,
            _ => return Step::Not,
        };
        self.state = next;
        Step::More
    }

    /// Whether this is certainly a tag although its end is missing: it has an attribute with a value.
    pub(crate) fn is_tag_cut_short(&self) -> bool {
        self.attributes
    }

    /// Whether the element stands on a line of its own.
    pub(crate) fn is_block(&self) -> bool {
        BLOCKS.contains(&self.name.as_str())
    }

    /// The end tag of an element whose content is no text, when this is its start tag.
    pub(crate) fn hidden_until(&self) -> Option<&'static str> {
        HIDDEN
            .iter()
            .find(|(name, _)| *name == self.name && !self.closing)
            .map(|(_, end)| *end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(text: &str) -> Option<usize> {
        let mut scanner = TagScanner::new();
        for (at, c) in text.char_indices().skip(1) {
            match scanner.step(c) {
                Step::More => {}
                Step::Done => return Some(at + 1),
                Step::Comment | Step::Not => return None,
            }
        }
        None
    }

    #[test]
    fn tags_are_told_from_comparisons() {
        for tag in [
            "<b>",
            "</b>",
            "<br/>",
            "<br />",
            r#"<a href="https://a.b/?q=1. 2" title='x > y'>"#,
            "<img src=a.png alt=x>",
            "<!DOCTYPE html>",
            "<my-element>",
        ] {
            assert_eq!(end(&format!("{tag} rest")), Some(tag.len()), "{tag}");
        }
        for text in [
            "< 3 and 4 > 2",
            "<3>",
            "<y and z. Then>",
            "<a <b>",
            "<a\n>",
            "<>",
            "<http://a.b>",
        ] {
            assert_eq!(end(text), None, "{text}");
        }
    }
}
