//! Stages of Dockerfiles, and paths in containers.

use std::path::Path;

use super::line::Line;
use super::names::{FILES, store};
use crate::base::input;
use crate::cli::CliError;
use crate::cli::global::Global;
use crate::container::Containers;
use crate::language::dockerfile;
use crate::store::snapshot::View;

/// The stage names in the line's Dockerfile: that of `-f`, or the context's own.
pub(super) fn stages(line: &Line<'_>) -> Vec<String> {
    let context = line.positionals.first().copied().unwrap_or(".");
    let file = line.option("file").map_or_else(|| Path::new(context).join("Dockerfile"), Into::into);
    let Ok(text) = input::named(&file) else { return Vec::new() };
    let parse = dockerfile::parse(&text);
    let named = parse.tree.instructions.iter().filter(|node| node.keyword == "FROM");
    named
        .filter_map(|node| match node.arguments.as_slice() {
            [base, word, name] if word.text.eq_ignore_ascii_case("as") => {
                Some(format!("{}\tfrom {}", name.text, base.text))
            }
            _ => None,
        })
        .collect()
}

/// A local path, a container, or a path in the typed container.
pub(super) fn to_copy(typed: &str, global: &Global) -> Result<Vec<String>, CliError> {
    let Some(store) = store(global)? else { return Ok(vec![FILES.to_owned()]) };
    let containers = Containers::of(store.root());
    let Some((name, path)) = typed.split_once(':') else {
        let entries = containers.list()?;
        let names =
            entries.iter().map(|entry| format!("{}:\t{}", entry.record.plain_name(), entry.record.config.image));
        return Ok(names.chain([FILES.to_owned()]).collect());
    };
    let entry = containers.find(name)?;
    let folder = path.rfind('/').map_or("", |slash| &path[..=slash]);
    let layers = entry.record.layer_paths();
    // A container that was never started has no changes.
    let upper = Some(entry.upper()).filter(|folder| folder.exists());
    let view = View::of_container(&layers, upper.as_deref())?;
    let inside = view.resolve(Path::new(""), Path::new(folder.trim_matches('/')))?;
    let lines = view.read_dir(&inside)?.into_iter().filter_map(|(file, found)| {
        let slash = if found.is_dir() { "/" } else { "" };
        Some(format!("{name}:{folder}{}{slash}\t", file.to_str()?))
    });
    Ok(lines.collect())
}
