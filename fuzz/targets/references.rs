//! A text that parses as a reference or a platform gives the same one when its canonical text is parsed.

use rbuild::image::{Platform, Reference};

pub const PIECES: super::Pieces = &[
    b"/",
    b":",
    b"@",
    b"sha256:",
    b"localhost",
    b":5000/",
    b".",
    b"__",
    b"--",
    b"docker.io/",
    b"library/",
    b"linux/",
    b"arm64/v8",
    b"[::1]",
];

pub fn run(text: &[u8]) -> String {
    let text = &*String::from_utf8_lossy(text);
    let mut said = String::new();
    match text.parse::<Reference>() {
        Ok(reference) => {
            let again = reference.to_string().parse::<Reference>().expect("it was one");
            assert_eq!(again.to_string(), reference.to_string());
            let _ = reference.familiar();
            said.push_str(&format!("{:?} {:?}", reference.tag().is_some(), reference.digest().is_some()));
        }
        Err(error) => said.push_str(&super::chain(&error)),
    }
    match text.parse::<Platform>() {
        Ok(platform) => drop(platform.normalized().to_string()),
        Err(error) => said.push_str(&super::chain(&error)),
    }
    said
}

pub fn seeds() -> Vec<Vec<u8>> {
    let digest = format!("host:5000/a/b:c@sha256:{}", "a".repeat(64));
    super::texts(&[
        "busybox",
        "docker.io/library/a:1",
        &digest,
        "localhost/x__y-z.w:T_1",
        "linux/arm64/v8",
        "windows(10.0)/amd64",
        "amd64",
    ])
}
