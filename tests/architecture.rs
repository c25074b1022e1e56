//! Which folder of src/ may know which, as docs/architecture.md draws it. Adding to a list is a decision about the design.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regex::Regex;

/// What all folders may use of the crate.
const OF_ALL: &[&str] =
    &["base", "digest", "flaw", "foreign", "input", "io_error", "privacy", "redaction", "rights", "side_by_side"];

/// What each folder may use besides.
const MAY_USE: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("bake", &["context", "dockerfile"]),
    ("cdi", &[]),
    ("dockerfile", &[]),
    ("image", &[]),
    ("signal", &[]),
    ("sandbox", &[]),
    ("explain", &[]),
    ("flaw", &[]),
    ("foreign", &[]),
    ("layer", &[]),
    ("store", &["image"]),
    ("context", &["layer"]),
    ("network", &["sandbox"]),
    ("plan", &["dockerfile", "image", "signal", "context"]),
    ("snapshot", &["context", "layer", "store"]),
    ("solve", &["cdi", "context", "dockerfile", "explain", "layer", "network", "plan", "sandbox", "snapshot", "store"]),
    ("transfer", &["image", "layer", "store"]),
    ("docker_engine", &["image"]),
    ("archive", &["image", "layer", "store", "transfer"]),
    ("registry", &["image", "layer", "store", "transfer"]),
    ("copy", &["archive", "image", "layer", "registry", "store", "transfer"]),
    ("cache", &["image", "layer", "registry", "store", "transfer"]),
    (
        "build",
        &[
            "archive",
            "cache",
            "context",
            "docker_engine",
            "dockerfile",
            "image",
            "layer",
            "plan",
            "registry",
            "sandbox",
            "snapshot",
            "solve",
            "store",
            "transfer",
        ],
    ),
    ("runtime", &["sandbox"]),
    ("container", &["cdi", "image", "layer", "network", "runtime", "sandbox", "signal", "snapshot", "store", "volume"]),
    ("volume", &[]),
    ("check", &["container", "explain", "image", "layer", "store", "volume"]),
    ("digest", &[]),
    ("input", &[]),
    ("io_error", &[]),
    ("rights", &[]),
    ("privacy", &[]),
    ("redaction", &[]),
    ("side_by_side", &[]),
    ("lib", &["cli"]),
];

/// Words that stand only in these folders; the crates and modules that touch the world.
const ONLY_IN: &[(&str, &[&str])] = &[
    (r"\bunsafe\b", &["sandbox"]),
    (r"\bclap::", &["cli"]),
    (r"\brusqlite::", &["store"]),
    (r"\b(oci_client|hyper)::", &["registry"]),
    (r"\breqwest::", &["registry", "context", "cache", "docker_engine"]),
    (r"\bstd::net::(Tcp|Udp|ToSocket)", &["network", "registry", "context"]),
    (r"\beprintln!|\bprintln!", &["cli"]),
    (r"\bseccompiler::", &["sandbox"]),
];

/// What writes to the standard streams, and the files below src/cli that may have it: everything else is written by
/// `output`, which makes what comes from elsewhere harmless for a terminal.
const WRITERS: &[(&str, &[&str])] = &[
    (r"\b(e?println!|e?print!|dbg!|(io::)?std(out|err)\(\))", &["output/"]),
    // Archives, which are refused where a terminal would get them, and what a container printed.
    (r"\braw_std(out|err)\(", &["output/", "save.rs", "export.rs", "cp.rs", "logs.rs"]),
    // What they draw went through `visible` before.
    (r"\bsay_prepared\(|\barea::draw\(", &["output/", "progress/", "transfers/bars.rs"]),
];

/// Folders that only compute: what they are given is all that they see.
const PURE: [&str; 6] = ["base", "dockerfile", "plan", "image", "signal", "explain"];
const INPUT_AND_OUTPUT: &str =
    r"\b(std::fs|std::net::Tcp|std::process|std::env::(var|args|current)|crate::foreign|rustix|libc|tokio)";

fn source_files() -> Vec<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = walkdir::WalkDir::new(source).sort_by_file_name().into_iter().map(|entry| entry.unwrap().into_path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// The folder, or the file at the top, that a file belongs to.
fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The code without comments, and without the tests at the end of a file.
fn code_of(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    code.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// `PATH: word` for each match outside the folders.
fn found_outside(pattern: &str, allowed: impl Fn(&str) -> bool) -> Vec<String> {
    let pattern = Regex::new(pattern).unwrap();
    let mut found = Vec::new();
    for path in source_files() {
        let is_test = path.file_stem().is_some_and(|name| name.to_string_lossy().ends_with("tests"));
        if is_test || allowed(&module_of(&path)) {
            continue;
        }
        let code = code_of(&path);
        found.extend(pattern.find_iter(&code).map(|word| format!("{}: {}", path.display(), word.as_str())));
    }
    found
}

#[test]
fn folders_use_what_they_may_and_nothing_else() {
    let used = Regex::new(r"\bcrate::([a-z_]+)").unwrap();
    let mut wrong = BTreeSet::new();
    for path in source_files() {
        let module = module_of(&path);
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else {
            // The command line joins everything.
            assert!(matches!(module.as_str(), "cli" | "main"), "{module} is not in the list");
            continue;
        };
        for word in used.captures_iter(&code_of(&path)) {
            let word = &word[1];
            if word != module && !allowed.contains(&word) && !OF_ALL.contains(&word) {
                wrong.insert(format!("{module} must not know {word}: {}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_touches_the_world_stays_in_its_folder() {
    for (pattern, folders) in ONLY_IN {
        let found = found_outside(pattern, |module| folders.contains(&module));
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
fn folders_that_compute_do_no_input_and_output() {
    let found = found_outside(INPUT_AND_OUTPUT, |module| !PURE.contains(&module));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn files_stay_small() {
    let long = |path: &PathBuf| std::fs::read_to_string(path).unwrap().lines().count() > 500;
    let found: Vec<PathBuf> = source_files().into_iter().filter(long).collect();
    assert!(found.is_empty(), "over 500 lines: {found:#?}");
}

/// Where code looks into what somebody else controls: containers' files, volumes, contexts, unpacked images, streams.
const FOREIGN: &[&str] = &[
    "archive/contents.rs",
    "cache/folder.rs",
    "cache/mounts/",
    "container/changes.rs",
    "container/commit.rs",
    "container/copy/",
    "container/volumes.rs",
    "context/",
    "copy/layout.rs",
    "layer/",
    "sandbox/init/target.rs",
    "sandbox/init/volumes.rs",
    "sandbox/mount_points.rs",
    "snapshot/",
    "solve/copy/",
];

/// What opens, changes or looks at a path. (Calls that take nothing but a handle are no trouble.)
const OPENS_PATHS: &str = concat!(
    r"\b(std::fs|fs)::(read|read_dir|read_link|read_to_string|write|copy|rename|hard_link|create_dir|create_dir_all)\(",
    r"|\b(std::fs|fs)::(remove_\w+|set_permissions|metadata|symlink_metadata|canonicalize)\(",
    r"|\bFile::(open|create|create_new)\(|OpenOptions|DirBuilder|walkdir::",
    r"|\.(exists|is_file|symlink_metadata|canonicalize)\(\)|\brustix::fs::(open|stat|lstat)\(",
    r"|\b(openat|openat2|statat|readlinkat|mkdirat|mknodat|unlinkat|renameat|renameat_with|linkat|symlinkat)\(",
    r"|\b(chmodat|chownat|utimensat|l?(get|set|list|remove)xattr)\(",
);

/// Files there that may say so all the same, and why.
const OWN_PATHS: &[(&str, &str)] = &[
    ("cache/folder.rs", "the path of the folder itself, which is its user's own words"),
    ("cache/mounts/fill.rs", "a new folder of the store, before it is anybody's"),
    ("cache/mounts/send.rs", "the cache's folder itself and its lock, which are the store's"),
    ("container/changes.rs", "whether a container was ever started"),
    ("container/commit.rs", "whether a container was ever started, and a new folder of the store"),
    ("container/volumes.rs", "sources of binds, which are their user's own words"),
    ("context/git/checkout.rs", "what git has just checked out into a folder of the store"),
    ("context/git/lfs.rs", "pointers in what git has just checked out into a folder of the store"),
    ("context/http.rs", "downloads that the store keeps"),
    ("context/scan.rs", "links that were listed, by their folder's handle"),
    ("context/stat_cache.rs", "a file of the store"),
    ("layer/directory.rs", "single names by their folder's handle, and the root that the caller names"),
    ("layer/encode.rs", "links that were listed, by their folder's handle"),
    ("layer/normalise.rs", "names that were listed, by their folder's handle"),
    ("sandbox/init/target.rs", "single names by their folder's handle, and this process's own /proc"),
    ("sandbox/init/volumes.rs", "the staging area, which nobody else sees"),
    ("snapshot/unpack.rs", "a new folder of the store"),
    ("solve/copy/checkout.rs", "checkouts that the store keeps"),
    ("solve/copy/earlier.rs", "lists that the store keeps"),
    ("solve/copy/mod.rs", "a new folder of the store"),
    ("solve/copy/place.rs", "downloads that the store keeps"),
];

#[test]
fn what_is_foreign_is_opened_by_handles() {
    let pattern = Regex::new(OPENS_PATHS).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
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
    assert!(wrong.is_empty(), "use crate::foreign, or give a reason in OWN_PATHS: {wrong:#?}");
    let needless: Vec<_> = OWN_PATHS.iter().filter(|(file, _)| !excused.contains(file)).collect();
    assert!(needless.is_empty(), "no exception is needed any more: {needless:#?}");
}
