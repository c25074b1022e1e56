//! The top-level names of a context that users can't look into: an archive, a repository.

use std::fmt;
use std::path::Path;

use crate::base::input;

/// How many are shown.
const SHOWN: usize = 10;
const DOCKERFILE: &str = "Dockerfile";

/// The names, sorted; those of folders end with a slash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopNames {
    names: Vec<String>,
    /// A folder with a Dockerfile in it.
    folder: Option<String>,
}

impl TopNames {
    /// Empty if the folder can't be listed.
    pub fn of(root: &Path) -> Self {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            names.push(if is_folder { format!("{name}/") } else { name });
        }
        names.sort();
        let has_one =
            |name: &&String| name.ends_with('/') && input::is_beneath(root, &Path::new(name).join(DOCKERFILE));
        let folder = names.iter().find(has_one).cloned();
        Self { names, folder }
    }

    /// Suggests where the Dockerfile may be.
    pub fn hint(&self) -> Option<String> {
        self.folder.as_ref().map(|folder| format!("there is a `{folder}{DOCKERFILE}`: name it with --file"))
    }
}

impl fmt::Display for TopNames {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.names.is_empty() {
            return formatter.write_str("nothing at all");
        }
        let shown: Vec<String> = self.names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
        formatter.write_str(&shown.join(", "))?;
        match self.names.len() - shown.len() {
            0 => Ok(()),
            more => write!(formatter, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed_and_cut() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(TopNames::of(root.path()).to_string(), "nothing at all");
        std::fs::create_dir(root.path().join("app")).unwrap();
        std::fs::write(root.path().join("app/Dockerfile"), "").unwrap();
        (1..=12).for_each(|number| std::fs::write(root.path().join(format!("f{number:02}")), "").unwrap());
        let names = TopNames::of(root.path());
        assert!(names.to_string().starts_with("`app/`, `f01`, ") && names.to_string().ends_with("`f09` and 3 more"));
        assert_eq!(names.hint().as_deref(), Some("there is a `app/Dockerfile`: name it with --file"));
    }
}
