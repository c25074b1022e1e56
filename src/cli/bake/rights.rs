//! Entitlements that builds need beyond what is allowed: they are listed, and confirmed on a terminal or else refused.

use std::io::IsTerminal as _;

use super::Found;
use crate::cli::{CliError, confirm};
use crate::language::bake::{Needed, parse_bool};

/// `for_program`: a program reads the progress. That is Compose, which has read the files itself, and asks nobody.
pub(super) fn check(needed: &Needed, found: &Found, for_program: bool) -> Result<(), CliError> {
    const FILES: &str = "BUILDX_BAKE_ENTITLEMENTS_FS";
    let checks_files = match found.environment.get(FILES) {
        None => true,
        Some(text) => {
            parse_bool(text).ok_or_else(|| CliError::new(format!("failed to parse {FILES} value {text:?}")))?
        }
    };
    let mut needed = needed.clone();
    if for_program || !checks_files {
        needed = needed.without_files();
    }
    needed.host_network &= !for_program;
    if needed.is_empty() {
        return Ok(());
    }
    let mut lines = Vec::new();
    let mut say = |is_needed: bool, text: &str| {
        if is_needed {
            lines.push(format!("  {text}"));
        }
    };
    say(needed.host_network, "containers that use the host's network");
    say(needed.insecure, "containers without restrictions, which can change the system");
    say(needed.local_delete, "files removed from local outputs");
    say(needed.ssh, "the SSH agent of SSH_AUTH_SOCK");
    for device in &needed.devices {
        say(true, &if device.is_empty() { "all devices".to_owned() } else { format!("the device {device}") });
    }
    needed.read.iter().for_each(|path| say(true, &format!("reading {}", path.display())));
    needed.write.iter().for_each(|path| say(true, &format!("writing {}", path.display())));
    let options = needed.options(&found.folder).join(" ");
    let request = format!("the build asks for more than is allowed:\n{}", lines.join("\n"));
    if std::io::stdin().is_terminal() && confirm::ask_on(crate::cli::output::Stream::Error, &request)? {
        return Ok(());
    }
    let error = CliError::new(format!("additional privileges requested: {request}"));
    Err(error.hint(format!("allow it with {options}")))
}
