//! Git URLs: an accepted one names a host, and no option, program or folder outside.

use rbuild::base::urls::{is_git_url, is_http_url};
use rbuild::build::context::git::GitReference;

pub const PIECES: super::Pieces = &[
    b"https://",
    b"ssh://",
    b"git@",
    b"git://",
    b"ext::",
    b"file://",
    b"@",
    b":",
    b"#",
    b"?",
    b"&",
    b"ref=",
    b"subdir=",
    b"tag=",
    b"checksum=",
    b"..",
    b"%2e%2e",
    b"%2f",
    b"/",
    b"-",
    b"--upload-pack=",
    b"%0a",
    b"%00",
    b".git",
    b"me:password@",
];

pub fn run(bytes: &[u8]) -> String {
    let url = &*String::from_utf8_lossy(bytes);
    let told = format!("{} {}", is_git_url(url), is_http_url(url));
    let parsed = match GitReference::parse(url) {
        Ok(parsed) => parsed,
        Err(error) => return format!("{told} {}", super::chain(&error)),
    };
    assert!(!parsed.remote.starts_with('-') && !parsed.remote.starts_with("ext::"), "{parsed:?}");
    let scheme = parsed.remote.split_once("://").map(|(scheme, _)| scheme);
    assert!(scheme.is_none_or(|scheme| matches!(scheme, "http" | "https" | "ssh" | "git")), "{parsed:?}");
    let reference = parsed.reference.as_deref().unwrap_or_default();
    assert!(!reference.starts_with('-') && !reference.contains(|letter: char| letter.is_ascii_control()), "{parsed:?}");
    let subdirectory = parsed.subdirectory.clone().unwrap_or_default();
    let is_plain = |part: std::path::Component<'_>| matches!(part, std::path::Component::Normal(_));
    assert!(subdirectory.components().all(is_plain), "{parsed:?}");
    format!(
        "{told} {scheme:?} {} {} {:?}",
        reference.is_empty(),
        subdirectory.as_os_str().is_empty(),
        parsed.shown() == parsed.remote
    )
}

pub fn seeds() -> Vec<Vec<u8>> {
    super::texts(&[
        "https://me:password@host/r.git#main:docs/a",
        "https://host/r.git?ref=main&subdir=docs%2Fa&keep-git-dir=1&submodules=false&checksum=abcdef1",
        "git@host:r.git#v1",
        "ssh://git@host:22/r.git?tag=v1#:d",
        "git://host/r.git?branch=x",
        "ext::sh -c x",
    ])
}
