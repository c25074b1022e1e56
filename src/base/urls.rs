//! Which words are network addresses.

/// True for a git repository: `git@host:path`, `git://`, `ssh://`, or http(s) with a path that ends in `.git`.
pub fn is_git_url(text: &str) -> bool {
    let path = text.split(['#', '?']).next().unwrap_or(text);
    text.starts_with("git://")
        || text.starts_with("git@")
        || text.starts_with("ssh://")
        || (is_http_url(text) && path.ends_with(".git"))
}

/// Whether the text is an address of http or https.
pub fn is_http_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}
