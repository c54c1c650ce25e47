//! Passwords that are tried first. Not a list of all that were ever stolen: most of those are shorter than what is accepted
//! here, and what is left are these words, rows of keys and numbers, dressed up.

/// What they are made of, in lower case and plain letters.
const WORDS: [&str; 62] = [
    "abc",
    "access",
    "admin",
    "administrator",
    "asdf",
    "asdfgh",
    "asdfghjkl",
    "baseball",
    "batman",
    "changeit",
    "changeme",
    "charlie",
    "chatbot",
    "computer",
    "default",
    "donald",
    "dragon",
    "flower",
    "football",
    "freedom",
    "hello",
    "iloveyou",
    "jordan",
    "killer",
    "letmein",
    "login",
    "lovely",
    "loveyou",
    "master",
    "michael",
    "monkey",
    "mustang",
    "mypassword",
    "ninja",
    "nothing",
    "pass",
    "passphrase",
    "passw",
    "password",
    "princess",
    "qazwsx",
    "qwer",
    "qwert",
    "qwerty",
    "qwertyuiop",
    "qwertz",
    "root",
    "secret",
    "security",
    "shadow",
    "starwars",
    "summer",
    "sunshine",
    "superadmin",
    "superman",
    "test",
    "trustno",
    "troika",
    "user",
    "welcome",
    "winter",
    "zxcvbnm",
];

/// Rows of keys and orders that everybody knows; any part of one, in both directions.
const ROWS: [&str; 8] = [
    "01234567890123456789",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop[]asdfghjkl;'zxcvbnm,./",
    "qwertzuiopasdfghjklyxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
    "1q2w3e4r5t6y7u8i9o0p",
    "q1w2e3r4t5y6u7i8o9p0",
    "azertyuiopqsdfghjklmwxcvbn",
];

/// Shorter parts of a row than this may stand in a good password.
const SHORTEST_ROW: usize = 4;

/// Characters that no word or row accounts for, below which a password is dress around a common one.
const DRESS: usize = 5;

/// Whether a password, in lower case, is among the commonest.
pub(super) fn is(password: &str) -> bool {
    let letters: Vec<char> = password.chars().collect();
    let plain: Vec<char> = letters.iter().copied().map(undressed).collect();
    // What of it must be guessed one by one; the longest common part is taken first.
    let (mut at, mut own) = (0, 0);
    let mut last = None;
    while at < letters.len() {
        let common = longest_word(&plain[at..])
            .max(longest_row(&letters[at..]))
            .max(repeated(&letters[at..], last));
        if common > 0 {
            last = None;
            at += common;
        } else {
            own += usize::from(letters[at].is_alphabetic());
            last = Some(letters[at]);
            at += 1;
        }
    }
    own < DRESS && letters.len() < 40
}

/// The letter that a digit or sign is written for.
fn undressed(letter: char) -> char {
    match letter {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        letter => letter,
    }
}

fn longest_word(rest: &[char]) -> usize {
    WORDS
        .iter()
        .filter(|word| {
            let mut letters = rest.iter();
            word.chars().all(|letter| letters.next() == Some(&letter))
        })
        .map(|word| word.len())
        .max()
        .unwrap_or(0)
}

fn longest_row(rest: &[char]) -> usize {
    let mut longest = 0;
    for length in SHORTEST_ROW..=rest.len() {
        let part: String = rest[..length].iter().collect();
        let backwards: String = rest[..length].iter().rev().collect();
        if !ROWS
            .iter()
            .any(|row| row.contains(&part) || row.contains(&backwards))
        {
            break;
        }
        longest = length;
    }
    longest
}

/// The same character again.
fn repeated(rest: &[char], last: Option<char>) -> usize {
    usize::from(last.is_some() && rest.first().copied() == last)
}
