//! Programs for other architectures: emulated if the kernel has an emulator, or refused before they start.

use crate::common::TestStore;

/// The smallest 64-bit ELF program for `machine`: one segment, with `code` after the headers.
fn program(machine: u16, code: &[u8]) -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    let headers = 64 + 56;
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    file.extend(2u16.to_le_bytes());
    file.extend(machine.to_le_bytes());
    file.extend(1u32.to_le_bytes());
    for number in [BASE + headers, 64, 0] {
        file.extend(number.to_le_bytes());
    }
    file.extend(0u32.to_le_bytes());
    for number in [64u16, 56, 1, 64, 0, 0] {
        file.extend(number.to_le_bytes());
    }
    file.extend(1u32.to_le_bytes());
    file.extend(5u32.to_le_bytes());
    let size = headers + code.len() as u64;
    for number in [0, BASE, BASE, size, size, 0x1000] {
        file.extend(number.to_le_bytes());
    }
    file.extend(code);
    file
}

const ARM64: u16 = 183;
/// `mov x8, #93; mov x0, #0; svc #0`: exit(0).
const EXIT: [u8; 12] = [0xa8, 0x0b, 0x80, 0xd2, 0x00, 0x00, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4];

/// Whether the kernel has an arm64 emulator that works in containers.
fn is_emulated() -> bool {
    let handlers = std::fs::read_dir("/proc/sys/fs/binfmt_misc").into_iter().flatten().flatten();
    handlers.filter_map(|entry| std::fs::read_to_string(entry.path()).ok()).any(|text| {
        let is_arm64 = text.contains("magic 7f454c460201010000000000000000000200b7");
        is_arm64
            && text.starts_with("enabled")
            && text.lines().any(|line| line.starts_with("flags:") && line.contains('F'))
    })
}

#[test]
fn a_foreign_program_runs_emulated_or_is_refused_with_the_way_out() {
    let Some(store) = TestStore::with_busybox() else { return };
    if std::env::consts::ARCH != "x86_64" {
        return crate::common::skip("arm64 is not foreign here");
    }
    store.write("ctx/arm", program(ARM64, &EXIT));
    let text = "FROM --platform=$BUILDPLATFORM busybox AS tools\nCOPY --chmod=755 arm /arm\nRUN printf '#!/arm\\n' > /script && chmod 755 /script\n\
        FROM tools\nRUN [\"/script\"]\n";
    let answer = store.build_text(text, &["--platform", "linux/arm64"]);
    if is_emulated() {
        answer.ok();
        return;
    }
    let said = answer.fails(1).stderr();
    assert!(said.contains("`/arm` is a program for arm64, and this machine has no emulator for it"), "{said}");
    assert!(said.contains("apt-get install qemu-user-static binfmt-support"), "{said}");
    assert!(said.contains("Dockerfile:5"), "{said}");
}

#[test]
fn a_processor_that_nobody_emulates_is_refused_before_the_program_begins() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/odd", program(0x7fff, &EXIT));
    let said = store.build_text("FROM scratch\nCOPY --chmod=755 odd /odd\nRUN [\"/odd\"]\n", &[]).fails(1).stderr();
    assert!(said.contains("`/odd` is a program for another processor"), "{said}");
}
