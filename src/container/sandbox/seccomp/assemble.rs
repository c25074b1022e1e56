//! Rules → classic BPF.
//!
//! System call numbers are looked up by binary search over ranges with the same verdict. This matters at the start, not
//! only for each call: the kernel runs the filter once for every number when it is attached.

use std::collections::BTreeMap;

use super::Program;
use super::profile::{Action, Comparison, Condition, Rule, Rules};
use super::syscalls::Architecture;

/// Offsets in `struct seccomp_data` (linux/seccomp.h).
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// Instruction codes (linux/bpf_common.h).
const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_GREATER: u16 = 0x25;
const JUMP_GREATER_OR_EQUAL: u16 = 0x35;
const RETURN: u16 = 0x06;

/// The verdict for a system call number.
#[derive(Debug, Clone, PartialEq)]
enum Verdict {
    Answer(Action),
    /// The first action whose conditions all hold; otherwise the default.
    Conditional(Vec<(Vec<Condition>, Action)>),
}

pub(super) fn assemble(rules: &Rules) -> Program {
    let mut lines: BTreeMap<u32, Vec<(u32, Verdict)>> = BTreeMap::new();
    for arch in &rules.architectures {
        // x32 shares the audit value of x86-64; its numbers come after all of x86-64's.
        lines.entry(arch.audit_value()).or_default().extend(ranges(*arch, rules));
    }
    let mut program = vec![instruction(LOAD, 0, 0, ARCHITECTURE)];
    for (audit_value, line) in &lines {
        let mut lookup = vec![instruction(LOAD, 0, 0, NUMBER)];
        lookup.extend(bisect(line, rules.default));
        program.push(instruction(JUMP_EQUAL, 1, 0, *audit_value));
        program.push(instruction(JUMP, 0, 0, lookup.len() as u32));
        program.append(&mut lookup);
    }
    // An architecture that the profile does not have: no such call.
    program.push(answer(Action::errno(libc::ENOSYS)));
    program
}

/// For the start of a program: calls by x32's numbers, which have x86-64's audit value, do not exist.
pub(super) fn without_x32() -> Program {
    vec![
        instruction(LOAD, 0, 0, NUMBER),
        instruction(JUMP_GREATER_OR_EQUAL, 0, 1, Architecture::X32.first_number()),
        answer(Action::errno(libc::ENOSYS)),
    ]
}

/// The verdict for each system call of the architecture. Rules without conditions take precedence.
fn verdicts(arch: Architecture, rules: &[Rule]) -> BTreeMap<u32, Verdict> {
    let mut table = BTreeMap::new();
    for rule in rules {
        let Some(number) = arch.number(&rule.name) else { continue };
        if rule.conditions.is_empty() {
            table.insert(number, Verdict::Answer(rule.action));
        } else if let Verdict::Conditional(alternatives) =
            table.entry(number).or_insert_with(|| Verdict::Conditional(Vec::new()))
        {
            alternatives.push((rule.conditions.clone(), rule.action));
        }
    }
    table
}

/// The ranges of the architecture's numbers with the same verdict, each by its first number.
fn ranges(arch: Architecture, rules: &Rules) -> Vec<(u32, Verdict)> {
    let table = verdicts(arch, &rules.rules);
    let mut ranges: Vec<(u32, Verdict)> = vec![(arch.first_number(), Verdict::Answer(rules.default))];
    let mut push = |start: u32, verdict: Verdict| match ranges.last_mut() {
        Some((_, last)) if *last == verdict => {}
        Some((last_start, last)) if *last_start == start => *last = verdict,
        _ => ranges.push((start, verdict)),
    };
    let last = table.keys().next_back().copied();
    for (number, verdict) in table {
        push(number, verdict);
        push(number + 1, Verdict::Answer(if Some(number) == last { rules.beyond() } else { rules.default }));
    }
    // Equal neighbours were separated by a number that turned out to have the same verdict.
    ranges.dedup_by(|next, previous| next.1 == previous.1);
    ranges
}

fn bisect(ranges: &[(u32, Verdict)], default: Action) -> Program {
    if let [(_, verdict)] = ranges {
        return match verdict {
            Verdict::Answer(action) => vec![answer(*action)],
            Verdict::Conditional(alternatives) => conditional(alternatives, default),
        };
    }
    let middle = ranges.len() / 2;
    let (left, right) = (bisect(&ranges[..middle], default), bisect(&ranges[middle..], default));
    let boundary = ranges[middle].0;
    let mut program = match u8::try_from(left.len()) {
        Ok(skip) => vec![instruction(JUMP_GREATER_OR_EQUAL, skip, 0, boundary)],
        // Too far for a conditional jump.
        Err(_) => vec![instruction(JUMP_GREATER_OR_EQUAL, 0, 1, boundary), instruction(JUMP, 0, 0, left.len() as u32)],
    };
    program.extend(left);
    program.extend(right);
    program
}

fn conditional(alternatives: &[(Vec<Condition>, Action)], default: Action) -> Program {
    let mut program = Program::new();
    for (conditions, action) in alternatives {
        // Backwards, because each condition has to know the distance to the next alternative.
        let mut block = vec![answer(*action)];
        for condition in conditions.iter().rev() {
            let mut test = test(condition, block.len());
            test.append(&mut block);
            block = test;
        }
        program.append(&mut block);
    }
    program.push(answer(default));
    program
}

/// Falls through if the condition holds; otherwise skips `skip` more instructions.
///
/// Arguments have 64 bits and the BPF machine 32: the high half is compared first. A system call has few conditions, so
/// the distances fit into a byte (an alternative has at most six conditions of eight instructions).
fn test(condition: &Condition, skip: usize) -> Program {
    let skip = skip as u8;
    let (low, high) = (ARGUMENTS + 8 * condition.index, ARGUMENTS + 8 * condition.index + 4);
    let (value_low, value_high) = (condition.value as u32, (condition.value >> 32) as u32);
    let load = |offset| instruction(LOAD, 0, 0, offset);
    // A 64-bit comparison by a jump code: what to do if the high half is greater, and if it is equal.
    let ordered = |code: u16, holds_if_taken: bool| {
        let (greater, less) = if holds_if_taken { (3, 2 + skip) } else { (3 + skip, 2) };
        let (taken, not_taken) = if holds_if_taken { (0, skip) } else { (skip, 0) };
        vec![
            load(high),
            instruction(JUMP_GREATER, greater, 0, value_high),
            // Not greater: if equal, the low half decides; if less, it is decided.
            instruction(JUMP_EQUAL, 0, less, value_high),
            load(low),
            instruction(code, taken, not_taken, value_low),
        ]
    };
    match condition.op {
        Comparison::Equal => vec![
            load(high),
            instruction(JUMP_EQUAL, 0, 2 + skip, value_high),
            load(low),
            instruction(JUMP_EQUAL, 0, skip, value_low),
        ],
        Comparison::NotEqual => vec![
            load(high),
            instruction(JUMP_EQUAL, 0, 2, value_high),
            load(low),
            instruction(JUMP_EQUAL, skip, 0, value_low),
        ],
        Comparison::MaskedEqual => {
            let (wanted_low, wanted_high) = (condition.value_two as u32, (condition.value_two >> 32) as u32);
            vec![
                load(high),
                instruction(AND, 0, 0, value_high),
                instruction(JUMP_EQUAL, 0, 3 + skip, wanted_high),
                load(low),
                instruction(AND, 0, 0, value_low),
                instruction(JUMP_EQUAL, 0, skip, wanted_low),
            ]
        }
        Comparison::Greater => ordered(JUMP_GREATER, true),
        Comparison::GreaterOrEqual => ordered(JUMP_GREATER_OR_EQUAL, true),
        Comparison::Less => ordered(JUMP_GREATER_OR_EQUAL, false),
        Comparison::LessOrEqual => ordered(JUMP_GREATER, false),
    }
}

fn answer(action: Action) -> u64 {
    instruction(RETURN, 0, 0, action.0)
}

fn instruction(code: u16, jump_true: u8, jump_false: u8, k: u32) -> u64 {
    u64::from(code) << 48 | u64::from(jump_true) << 40 | u64::from(jump_false) << 32 | u64::from(k)
}

/// Runs a filter as the kernel would.
#[cfg(test)]
pub(super) fn run(program: &Program, audit: u32, number: u32, arguments: &[u64]) -> u32 {
    let mut data = [0u8; 64];
    data[..4].copy_from_slice(&number.to_le_bytes());
    data[4..8].copy_from_slice(&audit.to_le_bytes());
    for (index, argument) in arguments.iter().enumerate() {
        data[16 + 8 * index..24 + 8 * index].copy_from_slice(&argument.to_le_bytes());
    }
    let (mut position, mut accumulator) = (0, 0u32);
    loop {
        let word = program[position];
        let (code, jump_true, jump_false, k) =
            ((word >> 48) as u16, (word >> 40) as u8, (word >> 32) as u8, word as u32);
        let jump = |taken: bool| usize::from(if taken { jump_true } else { jump_false });
        position += 1;
        match code {
            LOAD => accumulator = u32::from_le_bytes(data[k as usize..k as usize + 4].try_into().unwrap()),
            AND => accumulator &= k,
            JUMP => position += k as usize,
            JUMP_EQUAL => position += jump(accumulator == k),
            JUMP_GREATER => position += jump(accumulator > k),
            JUMP_GREATER_OR_EQUAL => position += jump(accumulator >= k),
            RETURN => return k,
            other => panic!("code {other:#x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::default_profile;
    use super::*;
    use crate::container::sandbox::capability::CapabilitySet;

    const X86_64: u32 = 0xc000_003e;

    #[test]
    fn every_call_gets_what_its_rules_say() {
        for native in [Architecture::X86_64, Architecture::Aarch64] {
            let rules = default_profile::rules(CapabilitySet::default(), native);
            let program = assemble(&rules);
            assert!(program.len() < 4096, "more than the kernel takes");
            for arch in native.family() {
                let verdicts = verdicts(*arch, &rules.rules);
                let (first, last) = (arch.first_number(), *verdicts.keys().next_back().unwrap());
                for number in (first..first + 600).chain([last, last + 1]) {
                    let expected = match verdicts.get(&number) {
                        Some(Verdict::Answer(action)) => *action,
                        Some(Verdict::Conditional(_)) => continue,
                        None if number > last => Action::errno(libc::ENOSYS),
                        None => rules.default,
                    };
                    assert_eq!(run(&program, arch.audit_value(), number, &[]), expected.0, "{arch:?} {number}");
                }
            }
            assert_eq!(run(&program, 0x1234, 0, &[]), Action::errno(libc::ENOSYS).0);
        }
    }

    /// Each range costs time at each container's start: the kernel checks, compiles and runs the resulting code.
    #[test]
    fn neighbours_with_one_answer_are_one_range() {
        for native in [Architecture::X86_64, Architecture::Aarch64] {
            let rules = default_profile::rules(CapabilitySet::default(), native);
            for arch in native.family() {
                let ranges = ranges(*arch, &rules);
                assert!(ranges.windows(2).all(|pair| pair[0].1 != pair[1].1), "{arch:?}: {ranges:?}");
                assert!(ranges.windows(2).all(|pair| pair[0].0 < pair[1].0), "{arch:?}: {ranges:?}");
            }
        }
    }

    #[test]
    fn arguments_of_the_default_profile() {
        let native = Architecture::X86_64;
        let program = assemble(&default_profile::rules(CapabilitySet::default(), native));
        let (allow, eperm) = (Action::ALLOW.0, Action::errno(libc::EPERM).0);
        let number = |name| native.number(name).unwrap();
        let answer = |name, argument| run(&program, X86_64, number(name), &[argument]);
        for (family, expected) in [(libc::AF_INET, allow), (libc::AF_ALG, eperm), (39, allow), (libc::AF_VSOCK, eperm)]
        {
            assert_eq!(answer("socket", family as u64), expected, "{family}");
        }
        assert_eq!(answer("socket", 41), allow);
        assert_eq!(answer("personality", 0x20008), allow);
        assert_eq!(answer("personality", 0x20009), eperm);
        assert_eq!(answer("clone", libc::SIGCHLD as u64), allow);
        assert_eq!(answer("clone", libc::CLONE_NEWUSER as u64 | libc::SIGCHLD as u64), eperm);
        assert_eq!(answer("clone3", 0), Action::errno(libc::ENOSYS).0);
        assert_eq!(answer("keyctl", 0), eperm);
        assert_eq!(answer("unshare", 0), eperm);
        assert_eq!(answer("lsm_list_modules", 0), eperm);
        let all = assemble(&default_profile::rules(CapabilitySet::ALL, native));
        assert_eq!(run(&all, X86_64, number("clone"), &[libc::CLONE_NEWUSER as u64]), allow);
        assert_eq!(run(&all, X86_64, number("unshare"), &[]), allow);
        assert_eq!(run(&all, X86_64, number("lsm_list_modules"), &[]), allow);
    }

    #[test]
    fn comparisons_have_64_bits() {
        type Reference = fn(u64, u64) -> bool;
        let comparisons: [(Comparison, Reference); 7] = [
            (Comparison::Equal, |a, b| a == b),
            (Comparison::NotEqual, |a, b| a != b),
            (Comparison::Less, |a, b| a < b),
            (Comparison::LessOrEqual, |a, b| a <= b),
            (Comparison::Greater, |a, b| a > b),
            (Comparison::GreaterOrEqual, |a, b| a >= b),
            (Comparison::MaskedEqual, |a, b| a & b == 0x1_0000_0000),
        ];
        let values = [0, 1, 5, 6, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0005, 0x2_0000_0000, u64::MAX];
        for (op, reference) in comparisons {
            for value in values {
                let condition = Condition { index: 0, value, value_two: 0x1_0000_0000, op };
                let program = conditional(&[(vec![condition], Action::ALLOW)], Action::errno(1));
                for argument in values {
                    let allowed = run(&program, X86_64, 0, &[argument]) == Action::ALLOW.0;
                    assert_eq!(allowed, reference(argument, value), "{argument:#x} {op:?} {value:#x}");
                }
            }
        }
    }
}
