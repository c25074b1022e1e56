//! `git://HOST/PATH[#REF[#COMMIT]]`, which kaniko fetches over https, with the fields of `--git`.

use crate::base::boolean;
use crate::cli::CliError;

/// `--git`
#[derive(Debug, Default)]
struct Options {
    branch: Option<String>,
    submodules: bool,
}

impl Options {
    fn of(given: &[String]) -> Result<Self, CliError> {
        let mut options = Self::default();
        for pair in given.iter().flat_map(|text| text.split(',')) {
            let wrong = |message: &str| CliError::new(format!("invalid --git `{pair}`: {message}"));
            let (key, value) = pair.split_once('=').ok_or_else(|| wrong("it is KEY=VALUE"))?;
            let flag = || boolean(value).ok_or_else(|| wrong("it is true or false"));
            match key {
                "branch" => options.branch = Some(value.to_owned()).filter(|branch| !branch.is_empty()),
                "recurse-submodules" => options.submodules = flag()?,
                // Only what is needed is fetched anyway.
                "single-branch" => drop(flag()?),
                "insecure-skip-tls" if flag()? => {
                    return Err(wrong("rbuild fetches from nobody whose certificate it cannot check")
                        .hint("name the authority's certificate with GIT_SSL_CAINFO"));
                }
                "insecure-skip-tls" => {}
                _ => return Err(wrong("there are branch, single-branch, recurse-submodules and insecure-skip-tls")),
            }
        }
        Ok(options)
    }
}

/// The address in rbuild's format. As in kaniko, `.git` is part of the context, and submodules only if requested.
/// `variable` reads the environment.
pub(super) fn address(
    text: &str,
    given: &[String],
    variable: impl Fn(&str) -> Option<String>,
) -> Result<String, CliError> {
    let options = Options::of(given)?;
    let mut parts = text.split('#');
    let (place, reference, commit) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let method = variable("GIT_PULL_METHOD").filter(|method| method == "http").unwrap_or("https".to_owned());
    let user =
        if place.split('/').next().is_some_and(|host| host.contains('@')) { String::new() } else { user(&variable) };
    let submodules = options.submodules;
    let mut address = format!("{method}://{user}{place}?keep-git-dir=true&submodules={submodules}");
    let is_commit = |text: &str| matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let named = reference.filter(|reference| is_commit(reference));
    let wanted = commit.or(named).or(options.branch.as_deref()).or(reference).filter(|wanted| !wanted.is_empty());
    if let Some(wanted) = wanted {
        address.push_str("&ref=");
        address.push_str(&escaped(wanted));
    }
    Ok(address)
}

/// `GIT_TOKEN`, or else `GIT_USERNAME` and `GIT_PASSWORD`.
fn user(variable: &impl Fn(&str) -> Option<String>) -> String {
    let of = |name: &str| variable(name).filter(|value| !value.is_empty());
    if let Some(token) = of("GIT_TOKEN") {
        return format!("{}@", escaped(&token));
    }
    match (of("GIT_USERNAME"), of("GIT_PASSWORD")) {
        (None, None) => String::new(),
        (user, password) => {
            let (user, password) = (user.unwrap_or_default(), password.unwrap_or_default());
            format!("{}:{}@", escaped(&user), escaped(&password))
        }
    }
}

fn escaped(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let of = |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, given: &[&str], variables: &[(&str, &str)]) -> Result<String, CliError> {
        let given: Vec<String> = given.iter().map(ToString::to_string).collect();
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string());
        address(text, &given, find)
    }

    #[test]
    fn addresses_have_references_commits_and_users() {
        let plain = "h/r?keep-git-dir=true&submodules=false";
        let commit = "0123456789012345678901234567890123456789";
        for (text, given, variables, expected) in [
            ("h/r", &[][..], &[][..], format!("https://{plain}")),
            ("h/r#refs/heads/a", &[], &[], format!("https://{plain}&ref=refs/heads/a")),
            (&format!("h/r#refs/heads/a#{commit}"), &[], &[], format!("https://{plain}&ref={commit}")),
            (&format!("h/r#{commit}"), &["branch=b"], &[], format!("https://{plain}&ref={commit}")),
            ("h/r#c", &["branch=a b"], &[], format!("https://{plain}&ref=a%20b")),
            ("h/r", &["single-branch=true"], &[("GIT_TOKEN", "t@k")], format!("https://t%40k@{plain}")),
            ("h/r", &[], &[("GIT_USERNAME", "u"), ("GIT_PASSWORD", "p:")], format!("https://u:p%3A@{plain}")),
            ("me@h/r", &[], &[("GIT_TOKEN", "t")], format!("https://me@{plain}")),
            ("h/r", &[], &[("GIT_PULL_METHOD", "http")], format!("http://{plain}")),
            (
                "h/r",
                &["recurse-submodules=true,branch=x"],
                &[("GIT_PULL_METHOD", "ssh")],
                "https://h/r?keep-git-dir=true&submodules=true&ref=x".to_owned(),
            ),
        ] {
            assert_eq!(of(text, given, variables).unwrap(), expected, "{text} {given:?} {variables:?}");
        }
        for wrong in ["branch", "depth=1", "single-branch=maybe", "insecure-skip-tls=true"] {
            assert!(of("h/r", &[wrong], &[]).is_err(), "{wrong}");
        }
    }
}
