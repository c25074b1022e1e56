//! docker's words where rbuild's own differ: clients look for them, and people search for them.

use crate::engine::container::WrongVolume;

/// How messages begin that docker begins with a capital letter; rbuild's own begin with a small one.
const CAPITALIZED: [&str; 9] = [
    "minimum memory",
    "you should always set the memory limit",
    "invalid value",
    "requested CPUs",
    "requested memory nodes",
    "memory limit should be",
    "conflicting options: Nano",
    "conflicting options: CPU",
    "restart policy cannot",
];
/// What docker says behind some of them.
const SEE_USAGE: [&str; 3] = [
    "minimum memoryswap limit should be larger than memory limit",
    "you should always set the memory limit when using --memory-swap",
    "minimum memory limit can not be less than memory reservation limit",
];

/// A refusal as docker writes it.
pub fn in_dockers_case(message: String) -> String {
    if message == SEE_USAGE[1] {
        return "You should always set the Memory limit when using Memoryswap limit, see usage".to_owned();
    }
    let end = if SEE_USAGE.contains(&message.as_str()) { ", see usage" } else { "" };
    match CAPITALIZED.iter().any(|start| message.starts_with(start)) {
        true => capitalized(&message) + end,
        false => message,
    }
}

/// The same with a capital letter first.
pub fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What docker says of one of `Binds`.
pub fn of_volume_spec(spec: &str, wrong: &WrongVolume, is_name: bool) -> String {
    let kind = if is_name { "volume" } else { "bind" };
    match wrong {
        WrongVolume::Form | WrongVolume::EmptySection => format!("invalid volume specification: '{spec}'"),
        WrongVolume::Mode(mode) => format!("invalid mode: {mode}"),
        WrongVolume::Relative(path) => format!(
            "invalid volume specification: '{spec}': invalid mount config for type \"{kind}\": invalid mount path: \
             '{path}' mount path must be absolute"
        ),
        WrongVolume::Root => format!(
            "invalid volume specification: '{spec}': invalid mount config for type \"{kind}\": invalid \
             specification: destination can't be '/'"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals() {
        for (ours, dockers) in [
            ("minimum memory limit allowed is 6MB", "Minimum memory limit allowed is 6MB"),
            (
                "minimum memoryswap limit should be larger than memory limit",
                "Minimum memoryswap limit should be larger than memory limit, see usage",
            ),
            ("no command specified", "no command specified"),
        ] {
            assert_eq!(in_dockers_case(ours.to_owned()), dockers);
        }
    }
}
