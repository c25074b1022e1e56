//! Further restrictions of programs without namespaces, in addition to the profile.

use super::profile::{Action, Comparison, Condition, Rule, Rules};
use super::syscalls::Architecture;
use super::{Program, assemble};

/// The PID by which kill(2) signals every process.
const EVERYBODY: u64 = -1i32 as u32 as u64;

/// Without a network, only Unix sockets are allowed; without Landlock's signal scope, no signals to every process.
pub(in crate::container::sandbox) fn narrowing(without_network: bool, without_broadcast: bool) -> Option<Program> {
    // The folder is gone with the machine: as with a volatile overlay, nobody waits for the disk.
    const SYNCS: [&str; 5] = ["sync", "syncfs", "fsync", "fdatasync", "sync_file_range"];
    let mut rules: Vec<Rule> = SYNCS.iter().map(|name| refuse(name, None, 0)).collect();
    if without_network {
        let other = [Comparison::Less, Comparison::Greater];
        rules.extend(other.map(|op| refuse("socket", Some((libc::AF_UNIX as u64, op)), libc::EAFNOSUPPORT)));
        // Its arguments are in memory, where a filter can't read them.
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

/// What an argument has to be.
#[derive(Debug, Clone, Copy)]
pub(in crate::container::sandbox) enum Value {
    Bits {
        argument: u32,
        mask: u64,
        are: u64,
    },
    /// Anything but 0.
    Any {
        argument: u32,
    },
}

/// The calls that a tracer answers, those that it answers where arguments have certain values, and those that fail, each with its error. What nobody sees of what else a program of
/// this machine's can do is refused: other machines' calls, and threads that are not traced.
pub(in crate::container::sandbox) fn tracing(
    traced: &[&str],
    in_part: &[(&str, &[Value])],
    refused: &[(&str, i32)],
) -> Program {
    const UNTRACED: u64 = libc::CLONE_UNTRACED as u64;
    let rule = |name: &str, action| Rule { name: name.to_owned(), conditions: Vec::new(), action };
    let mut rules: Vec<Rule> = traced.iter().map(|name| rule(name, Action::TRACE)).collect();
    let condition = |value: &Value| match *value {
        Value::Bits { argument: index, mask, are } => {
            Condition { index, value: mask, value_two: are, op: Comparison::MaskedEqual }
        }
        Value::Any { argument: index } => Condition { index, value: 0, value_two: 0, op: Comparison::NotEqual },
    };
    rules.extend(in_part.iter().map(|(name, values)| {
        let conditions = values.iter().map(condition).collect();
        Rule { name: (*name).to_owned(), conditions, action: Action::TRACE }
    }));
    rules.extend(refused.iter().map(|(name, errno)| rule(name, Action::errno(*errno))));
    let untraced = Condition { index: 0, value: UNTRACED, value_two: UNTRACED, op: Comparison::MaskedEqual };
    rules.push(Rule { name: "clone".to_owned(), conditions: vec![untraced], action: Action::errno(libc::EPERM) });
    // Whether its tracer may access it, and rights that it only has by name.
    for option in [libc::PR_SET_DUMPABLE, libc::PR_CAPBSET_DROP, libc::PR_SET_SECUREBITS, libc::PR_CAP_AMBIENT] {
        rules.push(refuse("prctl", Some((option as u64, Comparison::Equal)), 0));
    }
    let mut program =
        assemble::assemble(&Rules { default: Action::ALLOW, rules, architectures: vec![Architecture::HERE] });
    program.splice(0..0, assemble::without_x32());
    program
}

pub(in crate::container::sandbox) fn call_number(name: &str) -> Option<u32> {
    Architecture::HERE.number(name)
}
