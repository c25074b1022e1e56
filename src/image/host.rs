//! The platform this program runs on.

use super::Platform;

/// The host's platform, as a build names it (`BUILDPLATFORM`): without the default variant.
pub fn host_platform() -> Platform {
    let (architecture, variant) = match std::env::consts::ARCH {
        "x86_64" => ("amd64", ""),
        "x86" => ("386", ""),
        "aarch64" => ("arm64", ""),
        "arm" => ("arm", "v7"),
        "powerpc64" if cfg!(target_endian = "little") => ("ppc64le", ""),
        "powerpc64" => ("ppc64", ""),
        "loongarch64" => ("loong64", ""),
        "mips64" if cfg!(target_endian = "little") => ("mips64le", ""),
        other => (other, ""),
    };
    Platform::new("linux", architecture, variant)
}

/// The host's platform with all capabilities of its processor, for choosing among an index's images.
pub(super) fn host_capability() -> Platform {
    let platform = host_platform();
    #[cfg(target_arch = "x86_64")]
    let platform = Platform { variant: amd64_level().to_owned(), ..platform };
    platform
}

/// The x86-64 microarchitecture level (psABI, "Microarchitecture levels"); empty for the first.
#[cfg(target_arch = "x86_64")]
fn amd64_level() -> &'static str {
    use std::arch::is_x86_feature_detected as has;
    let second =
        has!("sse3") && has!("ssse3") && has!("sse4.1") && has!("sse4.2") && has!("popcnt") && has!("cmpxchg16b");
    let third = second
        && has!("avx2")
        && has!("bmi1")
        && has!("bmi2")
        && has!("f16c")
        && has!("fma")
        && has!("lzcnt")
        && has!("movbe");
    let fourth =
        third && has!("avx512f") && has!("avx512bw") && has!("avx512cd") && has!("avx512dq") && has!("avx512vl");
    match (second, third, fourth) {
        (_, _, true) => "v4",
        (_, true, _) => "v3",
        (true, _, _) => "v2",
        _ => "",
    }
}
