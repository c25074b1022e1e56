//! Finds the page for a method and a path.

use hyper::Method;

use super::error::ApiError;
use super::query;
use super::request::Request;
use super::response::Response;
use super::routes;
use super::service::Service;
use super::version::Version;

pub type Page = fn(&Service, &mut Request) -> Result<Response, ApiError>;

/// One line of the table.
pub struct Route {
    pub method: Method,
    /// `{id}` is a part without slashes, `{name:.*}` one that may contain some; there is at most one of these.
    pub path: &'static str,
    /// The first API version that has it.
    pub since: Version,
    pub page: Page,
}

/// A route, and the values in the path.
pub struct Found {
    pub route: &'static Route,
    pub version: Version,
    pub path: Vec<(&'static str, String)>,
}

/// Finds the route. `path` is still percent-encoded.
pub fn find(method: &Method, path: &str) -> Result<Found, ApiError> {
    let path = query::decoded(path);
    let (version, rest) = split_version(&path);
    let missing = || ApiError::not_found("page not found");
    let of = |route: &'static Route| (route.method == *method).then(|| Some((route, matched(route.path, rest)?)))?;
    let (route, parts) = routes::all().find_map(of).ok_or_else(missing)?;
    let version = version.unwrap_or_else(Version::newest);
    version.check()?;
    if version < route.since {
        let text = format!(
            "{} {} requires API version {}, but the client's is {version}",
            route.method, route.path, route.since
        );
        return Err(ApiError::bad_request(text));
    }
    Ok(Found { route, version, path: parts })
}

/// `/v1.44/info` → 1.44 and `/info`.
fn split_version(path: &str) -> (Option<Version>, &str) {
    let found = path.strip_prefix("/v").and_then(|rest| {
        let (version, rest) = rest.split_at(rest.find('/')?);
        Some((Version::parse(version)?, rest))
    });
    found.map_or((None, path), |(version, rest)| (Some(version), rest))
}

/// The values in the braces, if the path matches.
fn matched(pattern: &'static str, path: &str) -> Option<Vec<(&'static str, String)>> {
    let Some((before, rest)) = pattern.split_once('{') else { return (pattern == path).then(Vec::new) };
    let (name, after) = rest.split_once('}')?;
    let rest = path.strip_prefix(before)?;
    let (name, value, rest) = match name.strip_suffix(":.*") {
        Some(name) => (name, rest.strip_suffix(after)?, ""),
        None => {
            let (value, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            (name, value, rest)
        }
    };
    let mut parts = vec![(name, value.to_owned())];
    if !rest.is_empty() || !after.is_empty() && pattern.find(":.*").is_none() {
        parts.extend(matched(after, rest)?);
    }
    (!value.is_empty()).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(pattern: &'static str, path: &str) -> Option<Vec<String>> {
        Some(matched(pattern, path)?.into_iter().map(|(_, value)| value).collect())
    }

    #[test]
    fn patterns() {
        for (pattern, path, expected) in [
            ("/info", "/info", Some(vec![])),
            ("/info", "/infos", None),
            ("/containers/{id}/json", "/containers/a/json", Some(vec!["a"])),
            ("/containers/{id}/json", "/containers/a/b/json", None),
            ("/containers/{id}/json", "/containers//json", None),
            ("/containers/{id}/json", "/containers/a", None),
            ("/containers/{id}", "/containers/a", Some(vec!["a"])),
            ("/containers/{id}", "/containers/a/json", None),
            ("/images/{name:.*}/json", "/images/a/b:1/json", Some(vec!["a/b:1"])),
            ("/images/{name:.*}/json", "/images/json", None),
            ("/images/{name:.*}", "/images/a/b", Some(vec!["a/b"])),
            ("/a/{x}/b/{y}", "/a/1/b/2", Some(vec!["1", "2"])),
        ] {
            let expected = expected.map(|words| words.into_iter().map(str::to_owned).collect());
            assert_eq!(parts(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn a_version_before_the_path() {
        assert_eq!(split_version("/v1.44/info"), (Version::parse("1.44"), "/info"));
        assert_eq!(split_version("/volumes"), (None, "/volumes"));
        assert_eq!(split_version("/vx/info"), (None, "/vx/info"));
    }

    #[test]
    fn no_line_of_the_table_hides_another() {
        for route in routes::all() {
            let path = route.path.replace(":.*", "").replace(['{', '}'], "");
            let found = find(&route.method, &path).ok().map(|found| found.route.path);
            assert_eq!(found, Some(route.path), "{} {path}", route.method);
        }
    }
}
