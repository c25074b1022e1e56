//! Which wing and room of src/ may use which, according to docs/architecture.md. Adding to a list is a design decision.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regex::Regex;

#[path = "architecture/circles.rs"]
mod circles;

/// The wings; each may use those before it. The last ones are faces: nothing uses them.
const WINGS: &[&str] =
    &["base", "image", "language", "store", "transport", "container", "build", "engine", "api", "cli"];

/// What each room may use besides `base`: a wing's own files, or a folder in it that is listed here.
const MAY_USE: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("image", &[]),
    ("image/layer", &[]),
    ("language/bake", &["language/dockerfile"]),
    ("language/dockerfile", &[]),
    ("language/plan", &["image", "language/dockerfile"]),
    ("store", &["image"]),
    ("store/snapshot", &["image/layer", "store"]),
    ("transport/transfer", &["image", "image/layer", "store"]),
    ("transport/cloud", &[]),
    ("transport/docker_engine", &["image"]),
    ("transport/archive", &["image", "image/layer", "store", "transport/transfer"]),
    ("transport/registry", &["image", "image/layer", "store", "transport/cloud", "transport/transfer"]),
    (
        "transport/copy",
        &["image", "image/layer", "store", "transport/archive", "transport/registry", "transport/transfer"],
    ),
    ("transport/telemetry", &[]),
    ("container/cdi", &[]),
    ("container/sandbox", &[]),
    ("container/volume", &[]),
    ("container/network", &["container/sandbox"]),
    ("container/runtime", &["container/sandbox"]),
    (
        "container",
        &[
            "container/cdi",
            "container/network",
            "container/runtime",
            "container/sandbox",
            "container/volume",
            "image",
            "image/layer",
            "store",
            "store/snapshot",
        ],
    ),
    ("build/context", &["image/layer"]),
    ("build/explain", &[]),
    (
        "build/remote_cache",
        &["image", "image/layer", "store", "transport/cloud", "transport/registry", "transport/transfer"],
    ),
    (
        "build/solve",
        &[
            "build/context",
            "build/explain",
            "container/cdi",
            "container/network",
            "container/sandbox",
            "image/layer",
            "language/dockerfile",
            "language/plan",
            "store",
            "store/snapshot",
        ],
    ),
    (
        "build",
        &[
            "build/context",
            "build/explain",
            "build/remote_cache",
            "build/solve",
            "container/sandbox",
            "image",
            "image/layer",
            "language/dockerfile",
            "language/plan",
            "store",
            "store/snapshot",
            "transport/archive",
            "transport/cloud",
            "transport/docker_engine",
            "transport/registry",
            "transport/transfer",
        ],
    ),
    (
        "engine/bake",
        &[
            "build",
            "build/solve",
            "engine/history",
            "language/dockerfile",
            "language/plan",
            "store",
            "transport/registry",
        ],
    ),
    ("engine/builders", &["image", "transport/docker_engine"]),
    (
        "engine/contents",
        &["build", "engine/image", "image", "image/layer", "store", "store/snapshot", "transport/transfer"],
    ),
    (
        "engine/debug",
        &[
            "build",
            "build/solve",
            "container",
            "container/sandbox",
            "engine/history",
            "engine/image",
            "image",
            "image/layer",
            "language/plan",
            "store",
            "store/snapshot",
        ],
    ),
    (
        "engine/history",
        &[
            "build",
            "build/explain",
            "build/solve",
            "image",
            "language/dockerfile",
            "language/plan",
            "store",
            "store/snapshot",
            "transport/registry",
        ],
    ),
    (
        "engine/check",
        &["build/explain", "container", "container/volume", "engine/history", "image", "image/layer", "store"],
    ),
    (
        "engine/image",
        &[
            "build/context",
            "container",
            "engine",
            "image",
            "language/plan",
            "store",
            "transport/archive",
            "transport/registry",
            "transport/transfer",
        ],
    ),
    (
        "engine/container",
        &[
            "container",
            "container/network",
            "container/runtime",
            "container/sandbox",
            "container/volume",
            "engine",
            "engine/image",
            "engine/system",
            "image",
            "store",
            "store/snapshot",
        ],
    ),
    ("engine/network", &["container", "container/network", "engine"]),
    (
        "engine/system",
        &[
            "container",
            "container/cdi",
            "container/network",
            "container/runtime",
            "container/sandbox",
            "container/volume",
            "engine",
            "engine/image",
            "image",
            "store",
        ],
    ),
    ("engine/volume", &["container", "container/volume", "engine", "engine/system"]),
];

/// Words that may only occur in these folders; the crates and modules with side effects.
const ONLY_IN: &[(&str, &[&str])] = &[
    (r"\bunsafe\b", &["container/sandbox"]),
    (r"\bclap::", &["cli"]),
    (r"\brusqlite::", &["store"]),
    (r"\boci_client::", &["transport/registry"]),
    (r"\b(hyper|hyper_util)::", &["transport/registry", "api"]),
    (
        r"\breqwest::",
        &[
            "transport/cloud",
            "transport/registry",
            "build/context",
            "build/remote_cache",
            "transport/docker_engine",
            "transport/telemetry",
        ],
    ),
    (r"\bstd::net::(Tcp|Udp|ToSocket)", &["container/network", "transport/registry", "build/context", "api"]),
    (r"\beprintln!|\bprintln!", &["cli"]),
    (r"\bseccompiler::", &["container/sandbox"]),
];

/// A face may use everything except another face. (The command line starts the service.)
fn is_face(own: &str, path: &Path) -> bool {
    if own == "api" {
        assert!(!code_of(path).contains("crate::cli"), "api must not know cli: {}", path.display());
    }
    own == "api"
}

/// What writes to the standard streams, and the files below src/cli that may use it: everything else is written through
/// `output`, which neutralises untrusted text for a terminal.
const WRITERS: &[(&str, &[&str])] = &[
    (r"\b(e?println!|e?print!|dbg!|(io::)?std(out|err)\(\))", &["output/"]),
    // Archives, which are refused on a terminal, output of containers, and cells that already went through `visible`.
    (
        r"\braw_std(out|err)\(",
        &[
            "output/",
            "image/save.rs",
            "image/explore/screen.rs",
            "container/export.rs",
            "container/cp.rs",
            "container/logs.rs",
        ],
    ),
    // What they draw already went through `visible`.
    (r"\bsay_prepared\(|\barea::draw\(", &["output/", "progress/", "transfers/bars.rs"]),
];

/// What only computes, without side effects: rooms, and files of `base`.
const PURE: &[&str] = &[
    "base/boolean",
    "base/csv",
    "base/digest",
    "base/duration",
    "base/filters",
    "base/glob",
    "base/natural",
    "base/redaction",
    "base/signal",
    "base/size",
    "base/time",
    "base/urls",
    "build/explain",
    "image",
    "language/dockerfile",
    "language/plan",
];
const INPUT_AND_OUTPUT: &str =
    r"\b(std::fs|std::net::Tcp|std::process|std::env::(var|args|current)|crate::base::foreign|rustix|libc|tokio)";

fn source_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn source_files() -> Vec<PathBuf> {
    let files =
        walkdir::WalkDir::new(source_folder()).sort_by_file_name().into_iter().map(|entry| entry.unwrap().into_path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// The room of a file.
fn room_of(path: &Path) -> String {
    let inside = path.strip_prefix(source_folder()).unwrap();
    let words: Vec<&str> = inside.iter().map(|word| word.to_str().unwrap().trim_end_matches(".rs")).collect();
    room(words[0], words.get(1).copied())
}

/// The room of a module path: a folder that is listed, or else the wing.
fn room(wing: &str, inner: Option<&str>) -> String {
    let inner = inner.map(|inner| format!("{wing}/{inner}"));
    inner.filter(|inner| MAY_USE.iter().any(|(name, _)| name == inner)).unwrap_or_else(|| wing.to_owned())
}

fn wing(room: &str) -> usize {
    let name = room.split('/').next().unwrap();
    WINGS.iter().position(|wing| *wing == name).unwrap_or_else(|| panic!("{name} is not among the wings"))
}

/// The code without comments, and without the tests at the end of a file.
fn code_of(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let code = code.split("#[cfg(test)]\npub(super) mod tests {").next().unwrap();
    code.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// `PATH: word` for each match outside the folders.
fn found_outside(pattern: &str, allowed: impl Fn(&Path) -> bool) -> Vec<String> {
    let pattern = Regex::new(pattern).unwrap();
    let mut found = Vec::new();
    for path in source_files() {
        let is_test = path.file_stem().is_some_and(|name| name.to_string_lossy().ends_with("tests"));
        if is_test || allowed(&path) {
            continue;
        }
        let code = code_of(&path);
        found.extend(pattern.find_iter(&code).map(|word| format!("{}: {}", path.display(), word.as_str())));
    }
    found
}

#[test]
fn rooms_use_what_they_may_and_nothing_else() {
    let used = Regex::new(r"\bcrate::([a-z_]+)(?:::([a-z_]+))?").unwrap();
    let mut wrong = BTreeSet::new();
    for path in source_files() {
        let own = room_of(&path);
        if matches!(own.as_str(), "lib" | "main" | "cli" | "language" | "transport" | "engine") || is_face(&own, &path)
        {
            // Faces may use everything. The others are lists of their contents.
            continue;
        }
        let (_, allowed) = MAY_USE.iter().find(|(name, _)| *name == own).expect(&own);
        for words in used.captures_iter(&code_of(&path)) {
            let other = room(&words[1], words.get(2).map(|word| word.as_str()));
            if other != own && other != "base" && !allowed.contains(&other.as_str()) {
                wrong.insert(format!("{own} must not know {other}: {}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_arrow_between_wings_runs_back() {
    for (own, allowed) in MAY_USE {
        for other in *allowed {
            assert!(wing(other) <= wing(own), "{own} comes before {other}");
        }
    }
}

#[test]
fn what_touches_the_world_stays_in_its_folder() {
    for (pattern, folders) in ONLY_IN {
        let found = found_outside(pattern, |path| folders.contains(&room_of(path).as_str()));
        assert!(found.is_empty(), "only in {folders:?}: {found:#?}");
    }
}

#[test]
fn one_writer_prints() {
    let faces = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli");
    for (pattern, may) in WRITERS {
        let pattern = Regex::new(pattern).unwrap();
        for path in source_files() {
            let Ok(inside) = path.strip_prefix(&faces) else { continue };
            if !may.iter().any(|start| inside.to_string_lossy().starts_with(start)) {
                let found = pattern.find(&code_of(&path)).map(|word| word.as_str().to_owned());
                assert!(found.is_none(), "{}: {} is for {may:?}", path.display(), found.unwrap_or_default());
            }
        }
    }
}

#[test]
fn what_computes_does_no_input_and_output() {
    let source = source_folder();
    let is_pure = |path: &Path| {
        let file = path.strip_prefix(&source).unwrap().with_extension("");
        PURE.iter().any(|pure| Path::new(pure) == file || *pure == room_of(path))
    };
    let found = found_outside(INPUT_AND_OUTPUT, |path| !is_pure(path));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn files_stay_small() {
    let long = |path: &PathBuf| std::fs::read_to_string(path).unwrap().lines().count() > 500;
    let found: Vec<PathBuf> = source_files().into_iter().filter(long).collect();
    assert!(found.is_empty(), "over 500 lines: {found:#?}");
}

/// As many as fit on a screen: the lines between a function's braces.
const MOST_LINES_OF_A_FUNCTION: usize = 60;

#[test]
fn functions_stay_short() {
    let head = Regex::new(r#"^( *)(pub(\([a-z_: ]+\))? )?((const|async|unsafe|extern "C") )*fn (\w+)"#).unwrap();
    let mut long = Vec::new();
    for path in source_files() {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (at, words) in lines.iter().enumerate().filter_map(|(at, line)| Some((at, head.captures(line)?))) {
            // rustfmt puts the brace that ends a function below its beginning.
            let end = format!("{}}}", &words[1]);
            let Some(open) = lines[at..].iter().position(|line| line.ends_with(['{', ';', '}'])) else { continue };
            if !lines[at + open].ends_with('{') {
                continue;
            }
            let body = lines[at + open + 1..].iter().position(|line| **line == end).unwrap();
            if body > MOST_LINES_OF_A_FUNCTION {
                long.push(format!("{}:{}: {} has {body} lines", path.display(), at + 1, &words[6]));
            }
        }
    }
    assert!(long.is_empty(), "cut them where a reader would: {long:#?}");
}

/// Where code reads what others control: containers' files, volumes, contexts, unpacked images, streams.
const FOREIGN: &[&str] = &[
    "transport/archive/contents.rs",
    "build/remote_cache/folder.rs",
    "build/remote_cache/mounts/",
    "container/changes.rs",
    "container/commit.rs",
    "container/copy/",
    "container/volumes.rs",
    "build/context/",
    "transport/copy/layout.rs",
    "image/layer/",
    "container/sandbox/init/target.rs",
    "container/sandbox/init/volumes.rs",
    "container/sandbox/mount_points.rs",
    "store/snapshot/",
    "build/solve/copy/",
];

/// Calls that open, change or inspect a path. (Calls that only take a handle are harmless.)
const OPENS_PATHS: &str = concat!(
    r"\b(std::fs|fs)::(read|read_dir|read_link|read_to_string|write|copy|rename|hard_link|create_dir|create_dir_all)\(",
    r"|\b(std::fs|fs)::(remove_\w+|set_permissions|metadata|symlink_metadata|canonicalize)\(",
    r"|\bFile::(open|create|create_new)\(|OpenOptions|DirBuilder|walkdir::",
    r"|\.(exists|is_file|symlink_metadata|canonicalize)\(\)|\brustix::fs::(open|stat|lstat)\(",
    r"|\b(openat|openat2|statat|readlinkat|mkdirat|mknodat|unlinkat|renameat|renameat_with|linkat|symlinkat)\(",
    r"|\b(chmodat|chownat|utimensat|l?(get|set|list|remove)xattr)\(",
);

/// Files there that may use such calls nevertheless, and why.
const OWN_PATHS: &[(&str, &str)] = &[
    ("build/remote_cache/folder.rs", "the path of the folder itself, which is its user's own words"),
    ("build/remote_cache/mounts/fill.rs", "a new folder of the store, before it is anybody's"),
    ("build/remote_cache/mounts/send.rs", "the cache's folder itself and its lock, which are the store's"),
    ("container/changes.rs", "whether a container was ever started"),
    ("container/commit.rs", "whether a container was ever started, and a new folder of the store"),
    ("container/volumes.rs", "sources of binds, which are their user's own words"),
    ("build/context/http.rs", "downloads that the store keeps"),
    ("build/context/stat_cache.rs", "a file of the store"),
    ("image/layer/directory.rs", "single names by their folder's handle, and the root that the caller names"),
    ("image/layer/normalise.rs", "names that were listed, by their folder's handle"),
    ("container/sandbox/init/target.rs", "single names by their folder's handle, and this process's own /proc"),
    ("container/sandbox/init/volumes.rs", "the staging area, which nobody else sees"),
    ("store/snapshot/unpack.rs", "a new folder of the store"),
    ("store/snapshot/working/scan.rs", "a file of its own beside the root, to see which times files get"),
    ("build/solve/copy/checkout.rs", "the folders of checkouts, which are the store's"),
    ("build/solve/copy/earlier.rs", "lists that the store keeps"),
    ("build/solve/copy/mod.rs", "a new folder of the store"),
    ("build/solve/copy/place.rs", "downloads that the store keeps"),
];

#[test]
fn what_is_foreign_is_opened_by_handles() {
    let pattern = Regex::new(OPENS_PATHS).unwrap();
    let source = source_folder();
    let (mut wrong, mut excused) = (Vec::new(), BTreeSet::new());
    for path in source_files() {
        let name = path.strip_prefix(&source).unwrap().to_str().unwrap();
        if !FOREIGN.iter().any(|place| name.starts_with(place)) || name.ends_with("tests.rs") {
            continue;
        }
        let code = code_of(&path);
        let found: Vec<&str> = pattern.find_iter(&code).map(|word| word.as_str()).collect();
        match OWN_PATHS.iter().find(|(file, _)| *file == name) {
            Some((file, _)) if !found.is_empty() => drop(excused.insert(*file)),
            _ => wrong.extend(found.into_iter().map(|word| format!("{name}: {word}"))),
        }
    }
    assert!(wrong.is_empty(), "use crate::base::foreign, or give a reason in OWN_PATHS: {wrong:#?}");
    let needless: Vec<_> = OWN_PATHS.iter().filter(|(file, _)| !excused.contains(file)).collect();
    assert!(needless.is_empty(), "no exception is needed any more: {needless:#?}");
}
