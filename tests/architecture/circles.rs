//! Files that import each other, over any distance: cycles of at most three are allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use super::{code_of, source_files, source_folder};

/// The maximum number of files in a cycle.
const MOST: usize = 3;

type Path = Vec<String>;

#[test]
fn files_import_each_other_in_small_circles_only() {
    let imports = Modules::read().imports();
    let circles = circles(&imports);
    let names = |circle: &BTreeSet<&Path>| circle.iter().map(|path| path.join("::")).collect::<Vec<_>>();
    let large: Vec<_> = circles.iter().filter(|circle| circle.len() > MOST).map(names).collect();
    assert!(large.is_empty(), "these import each other in a circle: {large:#?}");
}

struct Modules {
    code: BTreeMap<Path, String>,
    /// The targets of names that a module only re-exports.
    passed_on: BTreeMap<Path, Path>,
}

impl Modules {
    fn read() -> Self {
        let mut code = BTreeMap::new();
        for file in source_files() {
            let inside = file.strip_prefix(source_folder()).unwrap().with_extension("");
            let mut path: Path = inside.iter().map(|word| word.to_str().unwrap().to_owned()).collect();
            path.pop_if(|last| last == "mod");
            if path.len() > 1 || code_of(&file).contains("mod ") {
                code.insert(path, code_of(&file));
            }
        }
        code.retain(|path, _| path.last().is_some_and(|name| !name.ends_with("tests") && name != "lib"));
        let mut modules = Self { code, passed_on: BTreeMap::new() };
        let mut passed_on = BTreeMap::new();
        for (module, code) in &modules.code {
            for path in uses(code).into_iter().filter(|(public, _)| *public).map(|(_, path)| path) {
                if let Some(path) = modules.absolute(module, &path) {
                    passed_on.insert([module.as_slice(), &path[path.len() - 1..]].concat(), path);
                }
            }
        }
        modules.passed_on = passed_on;
        modules
    }

    /// The files that each file uses, without those whose names it only re-exports.
    fn imports(&self) -> BTreeMap<Path, BTreeSet<Path>> {
        let inline = Regex::new(r"\b(?:crate|super|self)(?:::\w+)+").unwrap();
        let mut imports = BTreeMap::new();
        for (module, code) in &self.code {
            let without_uses = USE_LINES.replace_all(code, "").into_owned();
            let paths = uses(code).into_iter().filter(|(public, _)| !public).map(|(_, path)| path);
            let others = inline.find_iter(&without_uses).map(|path| words(path.as_str()));
            let files = paths.chain(others).filter_map(|path| self.file_of(self.absolute(module, &path)?, 0));
            imports.insert(module.clone(), files.filter(|file| file != module).collect());
        }
        imports
    }

    /// An absolute path from the crate's root; `None` for other crates.
    fn absolute(&self, module: &[String], path: &[String]) -> Option<Path> {
        let supers = path.iter().take_while(|word| *word == "super").count();
        match path.first()?.as_str() {
            "crate" => Some(path[1..].to_vec()),
            "self" => Some([module, &path[1..]].concat()),
            "super" => Some([&module[..module.len().checked_sub(supers)?], &path[supers..]].concat()),
            first => {
                let below = [module, &[first.to_owned()]].concat();
                self.code.contains_key(&below).then(|| [module, path].concat())
            }
        }
    }

    /// The file that defines what the path names.
    fn file_of(&self, path: Path, followed: usize) -> Option<Path> {
        for length in (1..=path.len()).rev() {
            let start = &path[..length];
            if self.code.contains_key(start) {
                return Some(start.to_vec());
            }
            if let Some(other) = self.passed_on.get(start).filter(|_| followed < 8) {
                return self.file_of([other, &path[length..]].concat(), followed + 1);
            }
        }
        None
    }
}

static USE_LINES: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?m)^[ \t]*(pub(?:\([^)]*\))? )?use ([^;]+);").unwrap());

/// The imports, and whether they are re-exported.
fn uses(code: &str) -> Vec<(bool, Path)> {
    let mut found = Vec::new();
    for line in USE_LINES.captures_iter(code) {
        let mut paths = Vec::new();
        expand(&[], &line[2], &mut paths);
        found.extend(paths.into_iter().map(|path| (line.get(1).is_some(), path)));
    }
    found
}

/// `a::{b, c::d}` is `a::b` and `a::c::d`.
fn expand(before: &[String], text: &str, paths: &mut Vec<Path>) {
    let Some((head, body)) = text.split_once('{') else {
        let text = text.split(" as ").next().unwrap();
        let mut path = [before, &words(text)].concat();
        path.pop_if(|last| last == "self" || last == "*");
        return paths.push(path);
    };
    let before = [before, &words(head)].concat();
    let (mut depth, mut start) = (0, 0);
    let body = &body[..body.rfind('}').unwrap_or(body.len())];
    for (at, letter) in body.char_indices().chain([(body.len(), ',')]) {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !body[start..at].trim().is_empty() {
                    expand(&before, &body[start..at], paths);
                }
                start = (at + 1).min(body.len());
            }
            _ => {}
        }
    }
}

fn words(path: &str) -> Path {
    path.split("::").map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
}

/// The sets of files that can all be reached from each other.
fn circles(imports: &BTreeMap<Path, BTreeSet<Path>>) -> Vec<BTreeSet<&Path>> {
    let reached: BTreeMap<&Path, BTreeSet<&Path>> = imports.keys().map(|from| (from, reach(imports, from))).collect();
    let mut circles: Vec<BTreeSet<&Path>> = Vec::new();
    for (from, to) in &reached {
        if to.contains(from) && !circles.iter().any(|circle| circle.contains(from)) {
            circles.push(to.iter().copied().filter(|other| reached[*other].contains(from)).collect());
        }
    }
    circles
}

fn reach<'a>(imports: &'a BTreeMap<Path, BTreeSet<Path>>, from: &'a Path) -> BTreeSet<&'a Path> {
    let mut reached = BTreeSet::new();
    let mut waiting = vec![from];
    while let Some(file) = waiting.pop() {
        waiting.extend(imports.get(file).into_iter().flatten().filter(|next| reached.insert(*next)));
    }
    reached
}
