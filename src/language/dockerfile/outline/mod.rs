//! A Dockerfile's interface: its targets, and for one of them the build arguments, secrets and SSH agents that it
//! accepts.

mod walk;

use std::collections::BTreeMap;

use super::mount::MountError;
use super::words::WordError;
use super::{Dockerfile, Lines, Node, Parse, Stage};

/// A stage that can be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Empty for a stage without a name.
    pub name: String,
    /// From the comment above its FROM.
    pub description: String,
    /// As written.
    pub base: String,
    /// As written; empty if FROM has none.
    pub platform: String,
    /// It is built by default.
    pub is_default: bool,
    pub lines: Lines,
}

/// What one target accepts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outline {
    pub name: String,
    pub description: String,
    pub arguments: Vec<Argument>,
    pub secrets: Vec<Given>,
    pub ssh: Vec<Given>,
}

/// A build argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    pub name: String,
    pub description: String,
    /// Its value in this build; empty if it has none.
    pub value: String,
    pub lines: Lines,
}

/// A secret or an SSH agent that a RUN mounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    pub id: String,
    pub required: bool,
    pub lines: Lines,
}

/// The request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutlineOptions {
    pub target: Option<String>,
    pub predefined: Vec<(String, String)>,
    pub build_args: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutlineErrorKind {
    #[error("target stage `{name}` could not be found")]
    UnknownTarget { name: String },
    #[error(transparent)]
    Word(#[from] WordError),
    #[error("invalid --mount: {0}")]
    Mount(#[from] MountError),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct OutlineError {
    pub kind: OutlineErrorKind,
    pub lines: Option<Lines>,
}

/// The stages of a file without errors.
pub fn targets(parse: &Parse) -> Vec<Target> {
    let Ok(file) = &parse.result else { return Vec::new() };
    let last = file.stages.len().saturating_sub(1);
    let target = |(index, stage): (usize, &Stage)| Target {
        name: stage.name.clone().unwrap_or_default(),
        description: stage.name.as_deref().map_or_else(String::new, |name| description(parse, stage.lines, name)),
        base: stage.base.text.clone(),
        platform: stage.platform.as_deref().unwrap_or_default().to_owned(),
        is_default: index == last,
        lines: stage.lines,
    };
    file.stages.iter().enumerate().map(target).collect()
}

/// What the target accepts. Base images are not considered.
pub fn outline(parse: &Parse, file: &Dockerfile, options: &OutlineOptions) -> Result<Outline, OutlineError> {
    let unknown =
        |name: &str| OutlineError { kind: OutlineErrorKind::UnknownTarget { name: name.to_owned() }, lines: None };
    let mut walk = walk::Walk::new(parse, file, options)?;
    for stage in &file.stages {
        walk.stage(stage)?;
    }
    let target = match &options.target {
        Some(name) => walk.named(name).ok_or_else(|| unknown(name))?,
        None => file.stages.len().checked_sub(1).ok_or_else(|| unknown(""))?,
    };
    Ok(walk.collect(target))
}

/// The description of a name in the comment above an instruction: the line that starts with the name.
fn description(parse: &Parse, lines: Lines, name: &str) -> String {
    let nodes = &parse.tree.instructions;
    let node: Option<&Node> =
        nodes.binary_search_by_key(&lines.first, |node| node.lines.first).ok().and_then(|index| nodes.get(index));
    let about = |comment: &String| comment.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned);
    node.and_then(|node| node.comments.iter().find_map(about)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
