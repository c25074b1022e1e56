//! Keeps secrets out of records.

use super::{Fact, FactKind, Value};

/// A variable with one of these words in its name has a secret value.
const SECRET_WORDS: [&str; 12] = [
    "apikey",
    "auth",
    "credential",
    "credentials",
    "key",
    "passphrase",
    "password",
    "passwd",
    "pwd",
    "pword",
    "secret",
    "token",
];
/// The same, anywhere in a name.
const SECRET_PARTS: [&str; 5] = ["token", "password", "passwd", "secret", "_proxy"];
const MARK: &str = "***";
/// Shorter values occur by chance.
const SHORTEST: usize = 4;

/// Whether the value of the variable is secret.
pub fn looks_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_PARTS.iter().any(|part| name.contains(part))
        || name.split(['_', '-', '.']).any(|word| SECRET_WORDS.contains(&word))
}

/// Knows the secrets of a build.
#[derive(Debug, Default)]
pub struct Concealer {
    values: Vec<String>,
}

impl Concealer {
    /// Remembers the secrets among the variables.
    pub fn learn<'a>(&mut self, variables: impl IntoIterator<Item = (&'a str, &'a str)>) {
        for (name, value) in variables {
            if value.len() >= SHORTEST && looks_secret(name) && !self.values.iter().any(|known| known == value) {
                self.values.push(value.to_owned());
            }
        }
        // A value that contains another one goes first.
        self.values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    }

    /// The text without secrets, and without the users in addresses.
    pub fn conceal(&self, text: &str) -> String {
        let mut text = without_users(text);
        for value in &self.values {
            text = text.replace(value.as_str(), MARK);
        }
        text
    }

    /// The fact of a variable, with its value only if it is not secret.
    pub fn variable(&self, kind: FactKind, name: &str, value: &str) -> Fact {
        if looks_secret(name) {
            let digest = blake3::hash(value.as_bytes());
            let [first, second, ..] = *digest.as_bytes();
            return Fact { kind, name: name.to_owned(), value: Value::Concealed(u16::from_le_bytes([first, second])) };
        }
        Fact::text(kind, name, &self.conceal(value))
    }
}

/// `https://user:password@host` as `https://***@host`.
fn without_users(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end =
            after.find(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'')).unwrap_or(after.len());
        match after[..end].rfind('@') {
            Some(host) => {
                out.push_str(MARK);
                rest = &after[host..];
            }
            None => rest = after,
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names() {
        for name in ["NPM_TOKEN", "mytoken", "DB_PASSWORD", "API_KEY", "https_proxy", "CLIENTSECRET", "BASIC_AUTH"] {
            assert!(looks_secret(name), "{name}");
        }
        for name in ["VERSION", "KEYBOARD", "AUTHOR", "MONKEY", "PATH"] {
            assert!(!looks_secret(name), "{name}");
        }
    }

    #[test]
    fn nothing_of_a_secret_is_left() {
        let mut concealer = Concealer::default();
        concealer.learn([("MY_TOKEN", "hunter22"), ("NAME", "public"), ("PIN_SECRET", "12")]);
        let text = "curl -H hunter22 https://me:pw@host/x?y=public 12";
        assert_eq!(concealer.conceal(text), "curl -H *** https://***@host/x?y=public 12");
        let fact = concealer.variable(FactKind::Argument, "MY_TOKEN", "hunter22");
        assert!(!serde_json::to_string(&fact).unwrap().contains("hunter22"));
        assert_ne!(fact, concealer.variable(FactKind::Argument, "MY_TOKEN", "hunter23"));
        assert_eq!(
            concealer.variable(FactKind::Argument, "URL", "http://hunter22/"),
            Fact::text(FactKind::Argument, "URL", "http://***/")
        );
    }
}
