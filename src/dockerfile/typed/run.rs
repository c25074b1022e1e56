//! RUN and its flags.

use super::flags::Flags;
use super::{command_line, heredoc};
use crate::dockerfile::error::{Fault, ParseErrorKind};
use crate::dockerfile::syntax::Node;
use crate::dockerfile::{Run, csv, mount};

pub(super) fn run(node: &Node) -> Result<Run, Fault> {
    let flags = Flags::read(node, &["mount", "network", "security", "device"])?;
    for (value, place) in flags.places("mount") {
        mount::check_unexpanded(value).map_err(|error| Fault::at(place, ParseErrorKind::InvalidMount { error }))?;
    }
    for (value, place) in flags.places("network") {
        if !matches!(value, "default" | "none" | "host") {
            return Err(Fault::at(place, ParseErrorKind::InvalidNetwork { value: value.to_owned() }));
        }
    }
    for (value, place) in flags.places("security") {
        if !matches!(value, "sandbox" | "insecure") {
            return Err(Fault::at(place, ParseErrorKind::InvalidSecurity { value: value.to_owned() }));
        }
    }
    for (value, place) in flags.places("device") {
        check_device(value).map_err(|reason| Fault::at(place, ParseErrorKind::InvalidDevice { reason }))?;
    }
    Ok(Run {
        command: command_line(node.json, &node.texts()),
        heredocs: node.heredocs.iter().map(heredoc).collect(),
        mounts: flags.values("mount"),
        network: flags.owned("network"),
        security: flags.owned("security"),
        devices: flags.values("device"),
    })
}

/// `NAME`, `name=NAME`, `required`: the name first, or by its key.
fn check_device(value: &str) -> Result<(), String> {
    let fields = csv::fields(value).map_err(|error| error.to_string())?;
    for (index, field) in fields.iter().enumerate() {
        match field.split_once('=') {
            None if index == 0 || field.eq_ignore_ascii_case("required") => {}
            None => return Err(format!("`{field}` must be key=value")),
            Some(("name" | "required", _)) => {}
            // The name of a CDI device has a `=` of its own.
            Some((name, _)) if index == 0 && name.contains('/') => {}
            Some((key, _)) => return Err(format!("unknown key `{key}`")),
        }
    }
    Ok(())
}
