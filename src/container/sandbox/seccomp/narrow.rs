//! What a program without namespaces may not do beside all that the profile forbids.

use super::profile::{Action, Comparison, Condition, Rule, Rules};
use super::syscalls::Architecture;
use super::{Program, assemble};

/// Whom kill(2) signals with that number: everybody.
const EVERYBODY: u64 = -1i32 as u32 as u64;

/// Without a network, there are sockets of files only. Where Landlock keeps no signals in, everybody can't be signalled.
pub(in crate::container::sandbox) fn narrowing(without_network: bool, without_broadcast: bool) -> Option<Program> {
    let mut rules = Vec::new();
    if without_network {
        let other = [Comparison::Less, Comparison::Greater];
        rules.extend(other.map(|op| refuse("socket", Some((libc::AF_UNIX as u64, op)), libc::EAFNOSUPPORT)));
        // Its arguments are in memory, where a filter can't look.
        rules.push(refuse("socketcall", None, libc::EAFNOSUPPORT));
    }
    if without_broadcast {
        rules.push(refuse("kill", Some((EVERYBODY, Comparison::Equal)), libc::EPERM));
        rules.push(refuse("kill", Some((-1i64 as u64, Comparison::Equal)), libc::EPERM));
    }
    let architectures = Architecture::HERE.family().to_vec();
    (!rules.is_empty()).then(|| assemble::assemble(&Rules { default: Action::ALLOW, rules, architectures }))
}

fn refuse(name: &str, condition: Option<(u64, Comparison)>, errno: i32) -> Rule {
    let conditions = condition.map(|(value, op)| Condition { index: 0, value, value_two: 0, op }).into_iter().collect();
    Rule { name: name.to_owned(), conditions, action: Action::errno(errno) }
}
