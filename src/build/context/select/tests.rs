use std::collections::BTreeMap;

use super::*;

/// A tree in memory: paths to kinds, links to targets. Directories are made as needed.
struct Tree {
    files: BTreeMap<PathBuf, FileKind>,
    links: BTreeMap<PathBuf, PathBuf>,
}

impl Tree {
    /// `a/b` is a file, `a/` a directory, `a -> b` a symlink.
    fn new(lines: &[&str]) -> Self {
        let mut tree = Self { files: BTreeMap::new(), links: BTreeMap::new() };
        for line in lines {
            let (path, kind) = match line.split_once(" -> ") {
                Some((path, target)) => {
                    tree.links.insert(path.into(), target.into());
                    (path, FileKind::Symlink)
                }
                None if line.ends_with('/') => (line.trim_end_matches('/'), FileKind::Directory),
                None => (*line, FileKind::Regular),
            };
            for parent in Path::new(path).ancestors().skip(1) {
                tree.files.entry(parent.into()).or_insert(FileKind::Directory);
            }
            tree.files.insert(path.into(), kind);
        }
        tree
    }
}

impl SourceTree for Tree {
    fn lookup(&self, path: &Path) -> Result<Option<FileKind>, IoError> {
        Ok(self.files.get(path).copied())
    }

    fn read_dir(&self, path: &Path) -> Result<Vec<(OsString, FileKind)>, IoError> {
        let children = self.files.iter().filter(|(child, _)| child.parent() == Some(path));
        Ok(children.map(|(child, kind)| (child.file_name().unwrap().to_owned(), *kind)).collect())
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf, IoError> {
        Ok(self.links[path].clone())
    }
}

fn options(parents: bool, exclude: &[&str]) -> SelectOptions {
    SelectOptions { parents, exclude: IgnorePatterns::new(exclude).unwrap(), looks_through_links: true }
}

/// Roots as `path as name`, and the items visited below them.
fn selected(tree: &Tree, source: &str, options: &SelectOptions) -> Result<(Vec<String>, Vec<String>), SelectError> {
    let selected = select(tree, Path::new(source), options)?;
    let mut items = Vec::new();
    for root in &selected.roots {
        root.visit::<SelectError>(tree, options, &mut |item| {
            if !item.destination.as_os_str().is_empty() {
                items.push(item.destination.display().to_string());
            }
            Ok(())
        })?;
    }
    let name = |root: &SelectedRoot| format!("{} as {}", root.path.display(), root.name.display());
    Ok((selected.roots.iter().map(name).collect(), items))
}

fn roots(tree: &Tree, source: &str) -> Vec<String> {
    selected(tree, source, &options(false, &[])).unwrap().0
}

fn items(tree: &Tree, source: &str, options: &SelectOptions) -> Vec<String> {
    selected(tree, source, options).unwrap().1
}

#[test]
fn dots_and_slashes_stay_inside() {
    let tree = Tree::new(&["a.txt", "b.txt", "dir/one"]);
    for (source, expected) in [
        ("/a.txt", "a.txt as a.txt"),
        ("../a.txt", "a.txt as a.txt"),
        ("dir/../b.txt", "b.txt as b.txt"),
        ("../../dir/one", "dir/one as one"),
        ("//dir//one/", "dir/one as one"),
        (".", " as "),
        ("/", " as "),
    ] {
        assert_eq!(roots(&tree, source), [expected], "{source}");
    }
}

#[test]
fn patterns_match_names_and_do_not_cross_slashes() {
    let tree = Tree::new(&["a.txt", "b.txt", "c.md", ".dot", "dir/.hidden", "dir/one", "dir/sub/two", "arr[0].txt"]);
    let cases: &[(&str, &[&str])] = &[
        ("*.txt", &["a.txt as a.txt", "arr[0].txt as arr[0].txt", "b.txt as b.txt"]),
        ("?.md", &["c.md as c.md"]),
        ("[^a]*.txt", &["b.txt as b.txt"]),
        ("*/one", &["dir/one as one"]),
        ("d*/su?", &["dir/sub as sub"]),
        ("dir/*", &["dir/.hidden as .hidden", "dir/one as one", "dir/sub as sub"]),
        ("arr[[]0].txt", &["arr[0].txt as arr[0].txt"]),
        ("nope*", &[]),
        (
            "**",
            &[
                ".dot as .dot",
                "a.txt as a.txt",
                "arr[0].txt as arr[0].txt",
                "b.txt as b.txt",
                "c.md as c.md",
                "dir as dir",
            ],
        ),
        ("a.txt/*", &[]),
    ];
    for (source, expected) in cases {
        assert_eq!(roots(&tree, source), *expected, "{source}");
    }
    let wrong = |source: &str| select(&tree, Path::new(source), &options(false, &[])).unwrap_err().to_string();
    assert_eq!(wrong("dir/x["), "syntax error in pattern `dir/x[`");
    assert_eq!(wrong("missing/*"), "`/missing`: not found");
}

#[test]
fn a_named_symlink_is_followed_within_the_tree_and_one_inside_is_not() {
    let tree = Tree::new(&[
        "real/file",
        "ln -> real",
        "abs -> /real/file",
        "chain -> ln2",
        "ln2 -> real/../ln/file",
        "out -> ../../etc/hostname",
        "loop -> loop",
        "real/up -> ../../real/file",
        "t/dangling -> nowhere",
        "t/link -> ../real",
    ]);
    assert_eq!(roots(&tree, "ln"), ["real as ln"]);
    assert_eq!(roots(&tree, "ln/file"), ["real/file as file"]);
    assert_eq!(roots(&tree, "abs"), ["real/file as abs"]);
    assert_eq!(roots(&tree, "chain"), ["real/file as chain"]);
    assert_eq!(roots(&tree, "real/up"), ["real/file as up"]);
    assert_eq!(roots(&tree, "l[n]"), ["real as ln"]);
    let none = options(false, &[]);
    assert_eq!(items(&tree, "t", &none), ["dangling", "link"]);
    for source in ["out", "t/dangling", "missing", "abs/below"] {
        assert!(matches!(selected(&tree, source, &none), Err(SelectError::NotFound { .. })), "{source}");
    }
    assert!(matches!(selected(&tree, "loop", &none), Err(SelectError::TooManyLinks { .. })));
}

#[test]
fn excludes_are_relative_to_the_root_and_spare_it() {
    let tree = Tree::new(&["a.txt", "dir/.hidden", "dir/one", "dir/sub/two", "dir/sub/three"]);
    assert_eq!(selected(&tree, "a.txt", &options(false, &["a.txt"])).unwrap().0, ["a.txt as a.txt"]);
    assert_eq!(items(&tree, "dir", &options(false, &["one", "sub"])), [".hidden"]);
    assert_eq!(items(&tree, "dir", &options(false, &["dir/one"])).len(), 5);
    assert_eq!(items(&tree, "dir", &options(false, &["*", "!sub/two"])), ["sub", "sub/two"]);
    assert_eq!(
        items(&tree, ".", &options(false, &["**/t*", "!**/two"])),
        ["a.txt", "dir", "dir/.hidden", "dir/one", "dir/sub", "dir/sub/two"]
    );
}

#[test]
fn parents_keep_the_folders_from_the_pivot_on() {
    let tree = Tree::new(&[
        "top.md",
        "src/a.txt",
        "src/x/b.txt",
        "src/x/y/c.txt",
        "src/x/y/d.md",
        "src/empty/",
        "x/y/a.txt",
        "x/y/z/c.txt",
        "x/o",
    ]);
    let cases: &[(&str, &[&str])] = &[
        ("src/x/b.txt", &["src", "src/x", "src/x/b.txt"]),
        ("./src/**/*.txt", &["src", "src/a.txt", "src/x", "src/x/b.txt", "src/x/y", "src/x/y/c.txt"]),
        ("src/**/y", &["src", "src/x", "src/x/y", "src/x/y/c.txt", "src/x/y/d.md"]),
        ("**/*.md", &["src", "src/x", "src/x/y", "src/x/y/d.md", "top.md"]),
        ("x/./y/*.txt", &["y", "y/a.txt"]),
        ("./x/./y/z/", &["y", "y/z", "y/z/c.txt"]),
        ("x/y/./z/./c.txt", &["z", "z/c.txt"]),
        ("no*thing", &[]),
    ];
    for (source, expected) in cases {
        assert_eq!(items(&tree, source, &options(true, &[])), *expected, "{source}");
    }
    let excluded = items(&tree, "src", &options(true, &["src/x", "**/*.txt"]));
    assert_eq!(excluded, ["src", "src/empty"]);
    for source in ["no/such/thing", "nowhere/./x", "//top.md", "x/./", ".", "/", "/.."] {
        assert!(matches!(selected(&tree, source, &options(true, &[])), Err(SelectError::NotFound { .. })), "{source}");
    }
}

#[test]
fn parents_need_something_of_what_is_named_and_links_in_the_root_that_lead_somewhere() {
    let tree = Tree::new(&["a", "ab", "d/one", "d/dangling -> nowhere", "dangling -> nowhere", "ln -> d", "empty/"]);
    let is_missing = |source: &str, exclude: &[&str]| {
        matches!(selected(&tree, source, &options(true, exclude)), Err(SelectError::NotFound { .. }))
    };
    for (source, exclude) in
        [("a", &["a"][..]), ("d", &["d"]), ("d/one", &["d"]), ("dangling", &[]), ("*", &[]), ("d?ngling", &[])]
    {
        assert!(is_missing(source, exclude), "{source} {exclude:?}");
    }
    for (source, exclude) in [
        ("d", &["d/*"][..]),
        ("empty", &[]),
        ("a*", &["a"]),
        ("*", &["dang*"]),
        ("d/*", &[]),
        ("d/./dangling", &[]),
        ("d/./*", &[]),
        ("ln", &[]),
    ] {
        assert!(!is_missing(source, exclude), "{source} {exclude:?}");
    }
}

#[test]
fn what_is_left_out_of_the_whole_tree_makes_the_links_in_its_root_count() {
    let tree = Tree::new(&["a", "d/dangling -> nowhere", "dangling -> nowhere", "r -> /"]);
    let is_missing = |source: &str, exclude: &[&str]| {
        matches!(selected(&tree, source, &options(false, exclude)), Err(SelectError::NotFound { .. }))
    };
    for source in [".", "/", "a/..", ""] {
        assert!(is_missing(source, &["a"]), "{source}");
        assert!(!is_missing(source, &[]) && !is_missing(source, &["dang*"]), "{source}");
    }
    assert!(!is_missing("d/", &["a"]) && !is_missing("r", &["a"]));
    let without_look = SelectOptions { looks_through_links: false, ..options(false, &["a"]) };
    assert!(selected(&tree, "/", &without_look).is_ok());
}
