//! Files of package managers that no image needs.

use std::path::Path;

/// A package manager.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Manager {
    pub name: &'static str,
    /// Folders relative to the root; with `**/`, at any depth.
    places: &'static [&'static str],
    /// How to avoid it.
    pub advice: &'static str,
}

const MANAGERS: &[Manager] = &[
    Manager {
        name: "apt",
        places: &["var/lib/apt/lists", "var/cache/apt"],
        advice: "end the RUN with `&& rm -rf /var/lib/apt/lists/*`, or give it \
                 --mount=type=cache,target=/var/cache/apt --mount=type=cache,target=/var/lib/apt",
    },
    Manager { name: "apk", places: &["var/cache/apk", "etc/apk/cache"], advice: "use `apk add --no-cache`" },
    Manager {
        name: "dnf",
        places: &["var/cache/dnf", "var/cache/yum", "var/cache/libdnf5"],
        advice: "end the RUN with `&& dnf clean all`, or give it --mount=type=cache,target=/var/cache/dnf",
    },
    Manager { name: "zypper", places: &["var/cache/zypp"], advice: "end the RUN with `&& zypper clean --all`" },
    Manager { name: "pacman", places: &["var/cache/pacman"], advice: "end the RUN with `&& pacman -Scc --noconfirm`" },
    Manager {
        name: "pip",
        places: &["**/.cache/pip", "**/.cache/uv"],
        advice: "use `pip install --no-cache-dir`, or give the RUN --mount=type=cache,target=/root/.cache",
    },
    Manager {
        name: "npm",
        places: &["**/.npm/_cacache", "**/.npm/_logs", "**/.cache/yarn", "usr/local/share/.cache"],
        advice: "end the RUN with `&& npm cache clean --force`, or give it --mount=type=cache,target=/root/.npm",
    },
    Manager {
        name: "go",
        places: &["**/.cache/go-build", "**/go/pkg/mod/cache", "go/pkg/mod"],
        advice: "build in a stage of its own and COPY the program, or give the RUN \
                 --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build",
    },
    Manager {
        name: "cargo",
        places: &["**/.cargo/registry", "**/.cargo/git", "usr/local/cargo/registry", "usr/local/cargo/git"],
        advice: "build in a stage of its own and COPY the program, or give the RUN \
                 --mount=type=cache,target=/usr/local/cargo/registry",
    },
    Manager {
        name: "gem",
        places: &["usr/local/bundle/cache", "**/.bundle/cache"],
        advice: "end the RUN with `&& rm -rf /usr/local/bundle/cache`",
    },
    Manager {
        name: "composer",
        places: &["**/.composer/cache", "**/.cache/composer"],
        advice: "end the RUN with `&& composer clear-cache`",
    },
    Manager { name: "conda", places: &["opt/conda/pkgs"], advice: "end the RUN with `&& conda clean --all --yes`" },
    Manager {
        name: "maven",
        places: &["**/.m2/repository"],
        advice: "build in a stage of its own, or give the RUN --mount=type=cache,target=/root/.m2",
    },
    Manager {
        name: "gradle",
        places: &["**/.gradle/caches"],
        advice: "build in a stage of its own, or give the RUN --mount=type=cache,target=/root/.gradle",
    },
];

/// The package manager to whose cache the path belongs.
pub(super) fn manager_of(path: &Path) -> Option<&'static Manager> {
    let is_in = |place: &&str| match place.strip_prefix("**/") {
        Some(place) => path.ancestors().skip(1).any(|above| above.ends_with(place)),
        None => path != Path::new(place) && path.starts_with(place),
    };
    MANAGERS.iter().find(|manager| manager.places.iter().any(&is_in))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_are_known_by_their_folders() {
        for (path, name) in [
            ("var/lib/apt/lists/deb.example_dists_main", "apt"),
            ("var/cache/apk/APKINDEX.tar.gz", "apk"),
            ("root/.cache/pip/http/a", "pip"),
            ("home/me/.npm/_cacache/index", "npm"),
            ("root/.cache/go-build/00/x", "go"),
            ("go/pkg/mod/cache/download/x", "go"),
            ("usr/local/cargo/registry/cache/x", "cargo"),
            ("home/me/.cargo/registry/src/x", "cargo"),
        ] {
            assert_eq!(manager_of(Path::new(path)).map(|manager| manager.name), Some(name), "{path}");
        }
        for path in ["var/lib/apt", "var/lib/apt/lists", "usr/lib/go/x", "srv/pip"] {
            assert_eq!(manager_of(Path::new(path)), None, "{path}");
        }
    }
}
