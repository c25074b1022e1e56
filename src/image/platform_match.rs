//! Which of several images runs best on a platform.

use super::Platform;
use super::host::{host_capability, host_platform};

/// The index of the entry of `offered` that runs best on `wanted`, if any runs.
///
/// A platform runs images of its own variant and of lower ones, the closest first: linux/amd64/v3 takes v3, v2, then
/// v1; linux/arm/v7 takes v7, v6, v5. Where `wanted` is the host's platform without a variant, the processor's
/// capabilities count. The first of equals wins.
pub fn best_match<'a>(wanted: &Platform, offered: impl IntoIterator<Item = &'a Platform>) -> Option<usize> {
    let wanted = wanted.normalized();
    let wanted = if wanted == host_platform().normalized() { host_capability().normalized() } else { wanted };
    offered
        .into_iter()
        .enumerate()
        .filter_map(|(index, platform)| Some((distance(&wanted, &platform.normalized())?, index)))
        .min()
        .map(|(_, index)| index)
}

/// How far `offered` is below `wanted`; `None` if it doesn't run there.
fn distance(wanted: &Platform, offered: &Platform) -> Option<u32> {
    if wanted.os != offered.os {
        return None;
    }
    if !wanted.os_version.is_empty() && !offered.os_version.is_empty() && wanted.os_version != offered.os_version {
        return None;
    }
    if wanted.architecture != offered.architecture {
        return None;
    }
    if wanted.variant == offered.variant {
        return Some(0);
    }
    let (wanted, offered) = (level(wanted)?, level(offered)?);
    wanted.checked_sub(offered)
}

/// The rank of a variant among those of its architecture: `v8.2` ranks just above `v8`.
fn level(platform: &Platform) -> Option<u32> {
    let text = match (platform.architecture.as_str(), platform.variant.as_str()) {
        ("amd64", "") => "1",
        ("arm64", "") => "8",
        ("arm", "") => "7",
        ("amd64" | "arm64" | "arm", variant) => variant.strip_prefix('v')?,
        _ => return None,
    };
    let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
    major.parse::<u32>().ok()?.checked_mul(100)?.checked_add(minor.parse::<u32>().ok()?.min(99))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(wanted: &str, offered: &[&str]) -> Option<usize> {
        let offered: Vec<Platform> = offered.iter().map(|text| text.parse().unwrap()).collect();
        best_match(&wanted.parse().unwrap(), &offered)
    }

    #[test]
    fn the_nearest_variant_that_runs_is_chosen() {
        assert_eq!(choose("linux/arm/v7", &["linux/arm/v5", "linux/arm/v6", "linux/arm64"]), Some(1));
        assert_eq!(choose("linux/arm/v6", &["linux/arm/v7", "linux/arm64"]), None);
        assert_eq!(choose("linux/arm64", &["linux/amd64", "linux/arm64/v8"]), Some(1));
        assert_eq!(choose("linux/amd64/v2", &["linux/amd64/v3", "linux/amd64"]), Some(1));
        assert_eq!(choose("linux/amd64/v3", &["linux/amd64", "linux/amd64/v3", "linux/amd64/v2"]), Some(1));
        assert_eq!(choose("linux/s390x", &["windows/s390x"]), None);
    }

    #[test]
    fn of_equals_the_first_is_taken() {
        assert_eq!(choose("linux/s390x", &["linux/s390x", "linux/s390x"]), Some(0));
    }
}
