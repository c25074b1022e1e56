//! What differs in Windows images: the shell, and paths with drive letters and backslashes. Only builds that run no
//! Windows program are possible.

use crate::image::Platform;

pub(super) fn is_meant(platform: &Platform) -> bool {
    platform.os == "windows"
}

/// The shell of a command that is not a list of words.
pub(super) fn shell(platform: &Platform) -> Vec<String> {
    let words: &[&str] = if is_meant(platform) { &["cmd", "/S", "/C"] } else { &["/bin/sh", "-c"] };
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// `path` relative to the folder `current`, made absolute, with slashes and without the letter of the system drive.
pub(super) fn joined(current: &str, path: &str) -> Result<String, &'static str> {
    let (current, path) = (without_drive(current)?, without_drive(path)?);
    Ok(super::instructions::absolute(&current, &path))
}

/// With slashes. An image has only the system drive.
pub(super) fn without_drive(path: &str) -> Result<String, &'static str> {
    let path = path.replace('\\', "/");
    if path.starts_with("//") {
        return Err("it is a share on the network");
    }
    match path.split_once(':') {
        None => Ok(path),
        Some((_, "")) => Err("it names a drive and no folder"),
        Some((drive, rest)) if drive.eq_ignore_ascii_case("c") => Ok(rest.to_owned()),
        Some(_) => Err("it is not on the system's drive"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_system_drive_are_joined() {
        for (current, path, wanted) in [
            ("\\", "app", "/app"),
            ("\\app", r"sub\x", "/app/sub/x"),
            ("/app", r"C:\other", "/other"),
            ("/app", "c:sub", "/app/sub"),
            ("/app", "/other/../b", "/b"),
        ] {
            assert_eq!(joined(current, path).as_deref(), Ok(wanted), "{path}");
        }
        for path in [r"D:\x", "C:", r"\\share\x"] {
            assert!(joined("/", path).is_err(), "{path}");
        }
    }
}
