//! Versions of runc from which a container can escape.

use std::process::{Command, Stdio};

use super::program::Runtime;

/// Major, minor and patch number; and the number of a release candidate, which comes before the release.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    numbers: [u32; 3],
    candidate: u32,
}

/// The first version of each line with a fix for runc's CVE-2025-31133, CVE-2025-52565 and CVE-2025-52881
/// (GHSA-9493-h29p-rfm2). Later lines were never affected, earlier ones were never fixed.
const FIXED: [Version; 3] = [
    Version { numbers: [1, 2, 8], candidate: RELEASE },
    Version { numbers: [1, 3, 3], candidate: RELEASE },
    Version { numbers: [1, 4, 0], candidate: 3 },
];

/// A release comes after all its candidates.
const RELEASE: u32 = u32::MAX;

impl Runtime {
    /// A warning for the user if this is a runc with known container escapes.
    pub fn warning(&self) -> Option<String> {
        // If it can't be executed, its first use reports that.
        let output = Command::new(&self.program).arg("--version").stdin(Stdio::null()).output().ok()?;
        of_answer(&self.program.display().to_string(), &String::from_utf8_lossy(&output.stdout))
    }
}

/// runc's output starts with `runc version 1.1.5+ds1`; other runtimes use their own names.
fn of_answer(program: &str, answer: &str) -> Option<String> {
    let text = answer.lines().next()?.strip_prefix("runc version ")?.trim();
    if Version::parse(text).is_some_and(|version| version.is_fixed()) {
        return None;
    }
    Some(format!(
        "`{program}` is runc {text}: a container can leave it by CVE-2025-31133, which is fixed in runc 1.2.8, 1.3.3 and \
         1.4.0; update it, unless your distribution has mended this version"
    ))
}

impl Version {
    fn parse(text: &str) -> Option<Self> {
        // A suffix after a plus or a tilde is the packager's.
        let text = text.split(['+', '~', ' ']).next()?;
        let (numbers, candidate) = text.split_once('-').unwrap_or((text, ""));
        let mut parts = numbers.trim_start_matches('v').split('.').map(|part| part.parse().ok());
        let mut next = || parts.next().flatten();
        let numbers = [next()?, next()?, next().unwrap_or(0)];
        let candidate = match candidate {
            "" => RELEASE,
            text => text.trim_start_matches("rc").trim_start_matches('.').parse().unwrap_or(0),
        };
        Some(Self { numbers, candidate })
    }

    fn is_fixed(&self) -> bool {
        let line = |version: &Self| (version.numbers[0], version.numbers[1]);
        match FIXED.iter().find(|fixed| line(fixed) == line(self)) {
            Some(fixed) => self >= fixed,
            None => FIXED.last().is_some_and(|last| line(self) > line(last)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runcs_that_are_too_old() {
        let warning = |version: &str| of_answer("/sbin/runc", &format!("runc version {version}\nspec: 1.2.0\n"));
        for old in ["1.0.0-rc93", "1.1.5+ds1", "1.1.15", "1.2.7", "1.3.2", "1.4.0-rc.2", "1.4.0-rc.1+dev", "nonsense"] {
            assert!(warning(old).is_some_and(|text| text.contains(old)), "{old}");
        }
        for mended in
            ["1.2.8", "1.2.8+ds1-1", "1.3.3", "1.3.10", "1.4.0-rc.3", "1.4.0", "1.4.1-rc.1", "1.5.0-rc.1", "2.0.0"]
        {
            assert_eq!(warning(mended), None, "{mended}");
        }
        assert_eq!(of_answer("/bin/crun", "crun version 1.8.1\ncommit: 1\n"), None);
        assert_eq!(of_answer("/bin/x", ""), None);
    }
}
