//! RUN and its flags.

use super::flags::Flags;
use super::{command_line, heredoc};
use crate::base;
use crate::language::dockerfile::error::{Fault, ParseErrorKind};
use crate::language::dockerfile::syntax::Node;
use crate::language::dockerfile::{DeviceRequest, Run, mount};

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
    let (mut devices, mut device_spans) = (Vec::new(), Vec::new());
    for (value, place) in flags.places("device") {
        devices.push(device(value).map_err(|reason| Fault::at(place, ParseErrorKind::InvalidDevice { reason }))?);
        device_spans.push(node.span(place));
    }
    let program = node.arguments.first().filter(|_| node.json);
    Ok(Run {
        command: command_line(node.json, &node.texts()),
        program: program.and_then(|piece| node.span(piece.place)),
        heredocs: node.heredocs.iter().map(|body| heredoc(node, body)).collect(),
        mounts: flags.words("mount"),
        network: flags.word("network"),
        security: flags.word("security"),
        devices,
        device_spans,
    })
}

/// `NAME`, `name=NAME`, `required`: the name once, with or without its key. It may contain a `=`.
fn device(value: &str) -> Result<DeviceRequest, String> {
    let fields = base::fields(value).map_err(|error| error.to_string())?;
    let mut request = DeviceRequest { name: String::new(), required: false };
    for field in fields {
        let (key, value) = field.split_once('=').map_or((field.as_str(), None), |(key, value)| (key, Some(value)));
        match (key.to_ascii_lowercase().as_str(), value) {
            ("required", None) => request.required = true,
            ("required", Some(value)) => {
                request.required =
                    base::boolean(value).ok_or_else(|| format!("`{value}` of `required` is neither true nor false"))?;
            }
            ("name", Some(_)) if !request.name.is_empty() => {
                return Err(format!("it has a name already: `{}`", request.name));
            }
            ("name", Some(value)) => request.name = value.to_owned(),
            _ if request.name.is_empty() => request.name = field,
            (_, None) => return Err(format!("`{field}` must be key=value")),
            (key, Some(_)) => return Err(format!("unknown key `{key}`")),
        }
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_devices() {
        let named = |name: &str, required| Ok(DeviceRequest { name: name.to_owned(), required });
        assert_eq!(device("vendor.com/gpu=0"), named("vendor.com/gpu=0", false));
        assert_eq!(device("vendor.com/gpu,required"), named("vendor.com/gpu", true));
        assert_eq!(device("required=1,name=vendor.com/gpu=all"), named("vendor.com/gpu=all", true));
        for wrong in ["a/b,c", "a/b,c=d", "name=a/b,name=c/d", "a/b,required=maybe", ""] {
            assert!(device(wrong).is_err(), "{wrong}");
        }
    }
}
