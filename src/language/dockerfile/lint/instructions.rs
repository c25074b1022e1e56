//! The rules about a single instruction as written.

use crate::language::dockerfile::{Node, Parse, Phase};

use super::Report;
use super::rules::{
    FROM_AS_CASING, INVALID_DESCRIPTION, MAINTAINER_DEPRECATED, NO_EMPTY_CONTINUATION, STAGE_NAME_CASING,
};

/// Up to the first invalid instruction, if there is one.
pub(super) fn check(parse: &Parse, report: &mut Report<'_>) {
    let nodes = &parse.tree.instructions;
    for node in nodes.iter().filter(|node| node.empty_continuation) {
        let detail = "a blank line stands inside the instruction; newer builders will refuse it".to_owned();
        report.warn_at(&NO_EMPTY_CONTINUATION, node.lines.last, node.lines, detail);
    }
    let last = match &parse.result {
        Err(error) if error.phase == Phase::Instructions => error.lines.first,
        _ => u32::MAX,
    };
    for node in nodes.iter().take_while(|node| node.lines.first <= last) {
        match &*node.keyword {
            "FROM" => from(node, report),
            "ARG" => argument_description(node, report),
            "MAINTAINER" => {
                let detail = "MAINTAINER is deprecated: use LABEL org.opencontainers.image.authors=…".to_owned();
                report.warn(&MAINTAINER_DEPRECATED, node.lines, detail);
            }
            _ => {}
        }
    }
}

fn from(node: &Node, report: &mut Report<'_>) {
    let [_, keyword, name] = &node.arguments[..] else { return };
    if name.text != name.text.to_lowercase() {
        report.warn(&STAGE_NAME_CASING, node.lines, format!("the stage name `{}` is not in lower case", name.text));
    }
    let upper = node.written == node.keyword;
    let lower = node.written == node.written.to_lowercase();
    let differs = (upper && keyword.text != keyword.text.to_uppercase())
        || (lower && keyword.text != keyword.text.to_lowercase());
    if differs {
        let detail = format!("`{}` and `{}` are written in different case", node.written, keyword.text);
        report.warn(&FROM_AS_CASING, node.lines, detail);
    }
    description(node, "FROM", &[&name.text.to_lowercase()], report);
}

fn argument_description(node: &Node, report: &mut Report<'_>) {
    let names: Vec<&str> = node.arguments.iter().map(|piece| piece.text.split('=').next().unwrap_or("")).collect();
    description(node, "ARG", &names, report);
}

fn description(node: &Node, keyword: &str, names: &[&str], report: &mut Report<'_>) {
    let (Some(comment), Some(name)) = (node.comments.last(), names.first()) else { return };
    let word = comment.split(' ').next().unwrap_or("");
    if !names.contains(&word) {
        let name = if names.len() == 1 { name } else { "NAME" };
        let detail = format!("the comment above {keyword} does not describe it: write `# {name} what it is`");
        report.warn(&INVALID_DESCRIPTION, node.lines, detail);
    }
}
