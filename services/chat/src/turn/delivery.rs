//! Lets an answer's text through as it is written, or holds it back and gives it out in one piece. Pure.

/// The way of a turn's text.
pub(super) struct Delivery {
    streams: bool,
    held: String,
}

impl Delivery {
    pub(super) fn new(streams: bool) -> Self {
        Self {
            streams,
            held: String::new(),
        }
    }

    /// Takes text; what is to be sent of it now, if anything.
    pub(super) fn push(&mut self, text: String) -> Option<String> {
        if self.streams {
            return Some(text).filter(|text| !text.is_empty());
        }
        self.held.push_str(&text);
        None
    }

    /// What was held back, once nothing more comes.
    pub(super) fn rest(&mut self) -> Option<String> {
        Some(std::mem::take(&mut self.held)).filter(|held| !held.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(streams: bool, pieces: &[&str]) -> Vec<String> {
        let mut delivery = Delivery::new(streams);
        let mut sent: Vec<String> = pieces
            .iter()
            .filter_map(|piece| delivery.push((*piece).to_owned()))
            .collect();
        sent.extend(delivery.rest());
        assert_eq!(delivery.rest(), None);
        sent
    }

    #[test]
    fn text_goes_through_as_it_comes_or_in_one_piece() {
        assert_eq!(sent(true, &["a", "", "b"]), ["a", "b"]);
        assert_eq!(sent(false, &["a", "", "b"]), ["ab"]);
        assert_eq!(sent(false, &["", ""]), [""; 0]);
    }
}
