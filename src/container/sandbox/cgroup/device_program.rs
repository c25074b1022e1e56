//! Device rules → a BPF program (`BPF_PROG_TYPE_CGROUP_DEVICE`), because cgroup v2 has no files for them.
//!
//! The kernel passes the access type (the upper half of a word), the device type (the lower half) and the device's
//! numbers. The program tries the rules in order, and returns 1 for allowed accesses.

use super::device_rule::{DeviceKind, DeviceRule};

/// One instruction (linux/bpf.h, `struct bpf_insn`): code, registers, offset and constant.
pub(super) type Instruction = u64;

/// Offsets in `struct bpf_cgroup_dev_ctx`.
const WHAT: i16 = 0;
const MAJOR: i16 = 4;
const MINOR: i16 = 8;

/// `BPF_DEVCG_DEV_*`
const BLOCK: u32 = 1;
const CHARACTER: u32 = 2;

/// Registers: the return value, also for calculations; the kernel's context; and what was loaded from it.
const ANSWER: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR_NUMBER: u8 = 4;
const MINOR_NUMBER: u8 = 5;

/// Opcodes (the kernel's bpf/standardization/instruction-set.rst). All operations are 32-bit.
const LOAD_WORD: u8 = 0x61;
const COPY: u8 = 0xbc;
const SET: u8 = 0xb4;
const AND: u8 = 0x54;
const SHIFT_RIGHT: u8 = 0x74;
const JUMP_UNLESS_EQUAL: u8 = 0x56;
const JUMP_UNLESS_SAME: u8 = 0x5e;
const EXIT: u8 = 0x95;

pub(super) fn assemble(rules: &[DeviceRule]) -> Vec<Instruction> {
    let mut program = vec![
        instruction(LOAD_WORD, KIND, CONTEXT, WHAT, 0),
        instruction(COPY, ACCESS, KIND, 0, 0),
        instruction(AND, KIND, 0, 0, 0xffff),
        instruction(SHIFT_RIGHT, ACCESS, 0, 0, 16),
        instruction(LOAD_WORD, MAJOR_NUMBER, CONTEXT, MAJOR, 0),
        instruction(LOAD_WORD, MINOR_NUMBER, CONTEXT, MINOR, 0),
    ];
    rules.iter().for_each(|rule| program.append(&mut one(rule)));
    program.extend(answer(0));
    program
}

/// Returns 1 for what the rule allows, and continues after it otherwise.
fn one(rule: &DeviceRule) -> Vec<Instruction> {
    let kind = if rule.kind == DeviceKind::Block { BLOCK } else { CHARACTER };
    // Each test is followed by the number of instructions to skip.
    let mut tests = vec![(JUMP_UNLESS_EQUAL, KIND, 0, kind)];
    tests.extend(rule.major.map(|number| (JUMP_UNLESS_EQUAL, MAJOR_NUMBER, 0, number)));
    tests.extend(rule.minor.map(|number| (JUMP_UNLESS_EQUAL, MINOR_NUMBER, 0, number)));
    // Everything that is requested is allowed.
    let access = [(COPY, ANSWER, ACCESS, 0), (AND, ANSWER, 0, rule.access), (JUMP_UNLESS_SAME, ANSWER, ACCESS, 0)];
    let lines: Vec<_> = tests.into_iter().chain(access).collect();
    let answer = answer(1);
    let end = lines.len() + answer.len();
    let line = |(place, (code, register, other, constant)): (usize, (u8, u8, u8, u32))| {
        let jumps = matches!(code, JUMP_UNLESS_EQUAL | JUMP_UNLESS_SAME);
        let offset = if jumps { (end - place - 1) as i16 } else { 0 };
        instruction(code, register, other, offset, constant)
    };
    lines.into_iter().enumerate().map(line).chain(answer).collect()
}

fn answer(value: u32) -> [Instruction; 2] {
    [instruction(SET, ANSWER, 0, 0, value), instruction(EXIT, 0, 0, 0, 0)]
}

/// As it is in memory on little-endian machines, which are all that rbuild runs on.
fn instruction(code: u8, target: u8, source: u8, offset: i16, constant: u32) -> Instruction {
    let registers = target | source << 4;
    let [low, high] = offset.to_le_bytes();
    let [a, b, c, d] = constant.to_le_bytes();
    u64::from_ne_bytes([code, registers, low, high, a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::super::USUAL_DEVICE_RULES;
    use super::*;

    /// Interprets the program, as far as it uses these instructions.
    fn answers(program: &[Instruction], kind: u32, access: u32, major: u32, minor: u32) -> u32 {
        let context = [access << 16 | kind, major, minor];
        let mut registers = [0_u32; 11];
        let mut place = 0;
        loop {
            let [code, numbers, low, high, a, b, c, d] = program[place].to_ne_bytes();
            let (target, source) = (usize::from(numbers & 15), usize::from(numbers >> 4));
            let offset = i16::from_le_bytes([low, high]);
            let constant = u32::from_le_bytes([a, b, c, d]);
            place += 1;
            let differs = match code {
                LOAD_WORD => {
                    registers[target] = context[offset as usize / 4];
                    continue;
                }
                COPY => {
                    registers[target] = registers[source];
                    continue;
                }
                SET => {
                    registers[target] = constant;
                    continue;
                }
                AND => {
                    registers[target] &= constant;
                    continue;
                }
                SHIFT_RIGHT => {
                    registers[target] >>= constant;
                    continue;
                }
                EXIT => return registers[0],
                JUMP_UNLESS_EQUAL => registers[target] != constant,
                JUMP_UNLESS_SAME => registers[target] != registers[source],
                other => panic!("{other:#x}"),
            };
            if differs {
                place += usize::try_from(offset).unwrap();
            }
        }
    }

    fn rules(texts: &[&str]) -> Vec<DeviceRule> {
        DeviceRule::merge(texts.iter().flat_map(|text| DeviceRule::parse(text).unwrap()))
    }

    /// The rules' result, without a program.
    fn allows(rules: &[DeviceRule], kind: u32, access: u32, major: u32, minor: u32) -> bool {
        rules.iter().any(|rule| {
            (rule.kind == DeviceKind::Block) == (kind == BLOCK)
                && rule.major.is_none_or(|number| number == major)
                && rule.minor.is_none_or(|number| number == minor)
                && access & !rule.access == 0
        })
    }

    #[test]
    fn the_program_answers_what_the_rules_say() {
        let lists: [&[&str]; 6] = [
            &USUAL_DEVICE_RULES,
            &[],
            &["a *:* rwm"],
            &["c 1:3 r", "b 254:0 w", "c 1:3 w"],
            &["b *:7 rm", "c 5:* w", "c 5:1 r"],
            &["c 4095:1048575 rwm", "a 8:* m"],
        ];
        for texts in lists {
            let rules = rules(texts);
            let program = assemble(&rules);
            for kind in [BLOCK, CHARACTER] {
                for access in 1..8 {
                    for major in [0, 1, 5, 8, 10, 136, 254, 4095] {
                        for minor in [0, 1, 2, 3, 7, 9, 229, 1_048_575] {
                            let expected = u32::from(allows(&rules, kind, access, major, minor));
                            let found = answers(&program, kind, access, major, minor);
                            assert_eq!(found, expected, "{texts:?}: {kind} {major}:{minor} {access}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn its_form_is_the_kernels() {
        let program = assemble(&rules(&["c 1:3 rwm"]));
        let bytes: Vec<u8> = program.iter().flat_map(|line| line.to_ne_bytes()).collect();
        assert_eq!(bytes[..8], [0x61, 0x12, 0, 0, 0, 0, 0, 0], "w2 = *(u32 *)(r1 + 0)");
        assert_eq!(bytes[48..56], [0x56, 0x02, 7, 0, 2, 0, 0, 0], "if w2 != 2 goto +7");
        assert_eq!(program.len(), 6 + 8 + 2);
    }
}
