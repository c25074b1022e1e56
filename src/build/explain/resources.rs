//! The resources that a step used.

use serde::{Deserialize, Serialize};

/// Measured by the kernel while the step's program ran. All sizes are in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// CPU time in microseconds: the program's own, and the kernel's on its behalf.
    pub user: u64,
    pub system: u64,
    /// Of all processes together if the step had a limit, otherwise of its largest process.
    pub peak_memory: u64,
    /// The peak is only an upper bound.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_bound: bool,
    /// Disk reads and writes.
    pub read: u64,
    pub written: u64,
    /// Traffic in the build's network while the step ran; `None` if it used the host's network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<u64>,
}

impl Resources {
    /// `1.2s CPU (0.3s system), 120MB memory, 4kB read, 3MB written`, and network traffic if there was any.
    pub fn in_words(&self) -> String {
        use crate::base::human_size;
        let seconds = |microseconds: u64| microseconds as f64 / 1e6;
        let bound = if self.is_bound { "at most " } else { "" };
        let mut text = format!(
            "{:.2}s CPU ({:.2}s system), {bound}{} memory, {} read, {} written",
            seconds(self.user + self.system),
            seconds(self.system),
            human_size(self.peak_memory, 3),
            human_size(self.read, 3),
            human_size(self.written, 3),
        );
        if let (Some(received), Some(sent)) = (self.received, self.sent)
            && received + sent > 0
        {
            text += &format!(", {} received, {} sent", human_size(received, 3), human_size(sent, 3));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_in_words() {
        let mut resources = Resources {
            user: 900_000,
            system: 300_000,
            peak_memory: 120_000_000,
            read: 4096,
            written: 3_000_000,
            ..Resources::default()
        };
        let words = "1.20s CPU (0.30s system), 120MB memory, 4.1kB read, 3MB written";
        assert_eq!(resources.in_words(), words);
        (resources.received, resources.sent, resources.is_bound) = (Some(1000), Some(0), true);
        assert!(resources.in_words().ends_with("at most 120MB memory, 4.1kB read, 3MB written, 1kB received, 0B sent"));
    }
}
