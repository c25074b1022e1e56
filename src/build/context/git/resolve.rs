//! Resolves a reference to what it means now.

use super::program::{git, run};
use super::reference::is_commit;
use super::{GitError, GitReference};

/// What to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The full name of the branch or tag: `refs/heads/main`.
    pub name: Option<String>,
    /// A commit, or the object of an annotated tag.
    pub object: String,
    /// The commit of such a tag, if it is known already.
    pub peeled: Option<String>,
}

impl Resolved {
    /// The commit, as far as it is known without a fetch.
    pub fn commit(&self) -> &str {
        self.peeled.as_deref().unwrap_or(&self.object)
    }

    /// Checks that the checksum is a prefix of the commit or of the tag's object. `commit` is what was fetched.
    pub fn check(&self, wanted: &GitReference, commit: &str) -> Result<(), GitError> {
        let Some(expected) = wanted.checksum.as_deref() else { return Ok(()) };
        if [commit, &self.object].iter().any(|known| known.starts_with(expected)) {
            return Ok(());
        }
        let (url, expected, actual) = (wanted.shown(), expected.to_owned(), commit.to_owned());
        Err(GitError::Checksum { url, expected, actual })
    }
}

/// Asks the repository what the reference means now, unless it is a commit, or the commit is fetched directly.
pub fn resolve(wanted: &GitReference) -> Result<Resolved, GitError> {
    let reference = wanted.reference.as_deref();
    if let Some(commit) = reference.filter(|reference| is_commit(reference)) {
        let resolved = Resolved { name: None, object: commit.to_owned(), peeled: None };
        resolved.check(wanted, commit)?;
        return Ok(resolved);
    }
    if wanted.fetch_by_commit {
        let commit = wanted.checksum.clone().filter(|checksum| is_commit(checksum));
        let object = commit.ok_or_else(|| GitError::NoCommit { url: wanted.shown() })?;
        // If a branch and a tag have this name, git chooses the branch.
        let name = reference.map(|name| if name.starts_with("refs/") { name.to_owned() } else { branch(name) });
        return Ok(Resolved { name, object, peeled: None });
    }
    let mut command = git(wanted);
    command.args(["ls-remote"]);
    match reference {
        None => command.args(["--symref", "--", &wanted.remote, "HEAD"]),
        Some(reference) => command.args(["--", &wanted.remote, reference, &format!("{reference}^{{}}")]),
    };
    let listed = run(command, "list the references of", wanted)?;
    let resolved = choose(&listed, reference).ok_or_else(|| GitError::NoReference {
        url: wanted.shown(),
        reference: reference.unwrap_or("HEAD").to_owned(),
    })?;
    resolved.check(wanted, resolved.commit())?;
    Ok(resolved)
}

fn branch(name: &str) -> String {
    format!("refs/heads/{name}")
}

/// The listed name of the reference: as it is below `refs/`, a branch, or a tag, in BuildKit's order.
fn choose(listed: &str, reference: Option<&str>) -> Option<Resolved> {
    let names: Vec<(&str, &str)> = listed.lines().filter_map(|line| line.split_once('\t')).collect();
    let find = |name: &str| names.iter().find(|(_, known)| *known == name).map(|(object, _)| (*object).to_owned());
    let Some(reference) = reference else {
        let name = names.iter().find_map(|(what, known)| what.strip_prefix("ref: ").filter(|_| *known == "HEAD"));
        let is_object = |(object, known): &&(&str, &str)| *known == "HEAD" && is_commit(object);
        let (object, _) = names.iter().find(is_object)?;
        return Some(Resolved { name: name.map(str::to_owned), object: (*object).to_owned(), peeled: None });
    };
    let below_refs = format!("refs/{}", reference.strip_prefix("refs/").unwrap_or(reference));
    let candidates = [below_refs, branch(reference), format!("refs/tags/{reference}"), reference.to_owned()];
    candidates.into_iter().find_map(|name| {
        let object = find(&name)?;
        let peeled = find(&format!("{name}^{{}}"));
        Some(Resolved { name: Some(name), object, peeled })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_come_before_tags_and_tags_have_an_object_of_their_own() {
        let (a, b, c) = ("a".repeat(40), "b".repeat(40), "c".repeat(40));
        let listed = format!("{a}\trefs/heads/x\n{b}\trefs/tags/x\n{c}\trefs/tags/x^{{}}\n");
        let of = |reference: &str| choose(&listed, Some(reference)).map(|found| (found.name.unwrap(), found.object));
        assert_eq!(of("x"), Some(("refs/heads/x".to_owned(), a.clone())));
        assert_eq!(of("refs/tags/x"), Some(("refs/tags/x".to_owned(), b.clone())));
        assert_eq!(of("tags/x"), Some(("refs/tags/x".to_owned(), b)));
        assert_eq!(choose(&listed, Some("refs/tags/x")).unwrap().commit(), c);
        assert_eq!(of("y"), None);
        let head = choose(&format!("ref: refs/heads/main\tHEAD\n{a}\tHEAD\n"), None).unwrap();
        assert_eq!((head.name.as_deref(), head.object), (Some("refs/heads/main"), a));
    }
}
