//! The blobs of a transfer, each on its own line. Pure: knows no terminal.

use std::collections::HashMap;
use std::time::Instant;

use super::kind::Kind;
use super::lines::words;
use crate::base::digest::BlobDigest;
use crate::cli::format::{human_size, truncate_id};
use crate::cli::output::{fit, one_line, width};
use crate::transport::registry::Event;

/// The minimum width of a bar.
const LEAST_BAR: usize = 8;
const LONGEST_BAR: usize = 40;

#[derive(Debug)]
pub struct Blobs {
    kind: Kind,
    blobs: Vec<Blob>,
    places: HashMap<BlobDigest, usize>,
}

#[derive(Debug)]
struct Blob {
    id: String,
    size: u64,
    moved: u64,
    /// When the first byte arrived.
    begun: Option<Instant>,
    /// The text at its end.
    ending: Option<String>,
}

impl Blobs {
    pub fn new(kind: Kind) -> Self {
        Self { kind, blobs: Vec::new(), places: HashMap::new() }
    }

    /// Handles an event; true if it completes a blob.
    pub fn event(&mut self, digest: &BlobDigest, event: Event<'_>) -> bool {
        let blobs = &mut self.blobs;
        // One blob may be several layers of an image.
        let place = *self.places.entry(*digest).or_insert_with(|| {
            let id = truncate_id(&digest.to_string());
            blobs.push(Blob { id, size: 0, moved: 0, begun: None, ending: None });
            blobs.len() - 1
        });
        let blob = &mut blobs[place];
        match event {
            Event::Announced { size } => blob.size = size,
            Event::Moved { bytes } => {
                blob.moved = bytes;
                blob.begun.get_or_insert_with(Instant::now);
            }
            event => blob.ending = words(self.kind, event).map(|words| one_line(&words)),
        }
        blob.ending.is_some()
    }

    /// A line for each blob; if there are more than `rows`, completed and waiting ones are only counted.
    pub fn lines(&self, columns: usize, rows: usize) -> Vec<String> {
        if self.blobs.len() <= rows {
            return self.blobs.iter().map(|blob| self.line(blob, columns)).collect();
        }
        let ended = self.blobs.iter().filter(|blob| blob.ending.is_some()).count();
        let moving: Vec<&Blob> =
            self.blobs.iter().filter(|blob| blob.ending.is_none() && blob.begun.is_some()).collect();
        let shown = &moving[..moving.len().min(rows.saturating_sub(1))];
        let mut lines: Vec<String> = shown.iter().map(|blob| self.line(blob, columns)).collect();
        let waiting = self.blobs.len() - ended - shown.len();
        lines.push(fit(&format!("{ended} of {} layers are there, {waiting} wait", self.blobs.len()), columns));
        lines
    }

    fn line(&self, blob: &Blob, columns: usize) -> String {
        let text = match (&blob.ending, blob.begun) {
            (Some(ending), _) => format!("{}: {ending}", blob.id),
            (None, None) => format!("{}: Waiting", blob.id),
            (None, Some(begun)) => {
                let doing = if self.kind == Kind::Push { "Pushing" } else { "Downloading" };
                measured(&format!("{}: {doing}", blob.id), blob.moved, Some(blob.size), begun, columns)
            }
        };
        fit(&text, columns)
    }
}

/// What is done, how much of it, and how fast: `WHAT [=====>     ] 12MB/34MB 5.6MB/s`.
pub fn measured(what: &str, done: u64, total: Option<u64>, begun: Instant, columns: usize) -> String {
    let speed = done as f64 / begun.elapsed().as_secs_f64().max(0.001);
    let speed = format!("{}/s", human_size(speed as u64, 3));
    let total = total.filter(|total| *total > 0);
    let of_total = total.map(|total| format!("/{}", human_size(total, 3))).unwrap_or_default();
    let numbers = format!("{}{of_total} {speed}", human_size(done, 3));
    let room = columns.saturating_sub(width(what) + width(&numbers) + 4).min(LONGEST_BAR);
    if room < LEAST_BAR {
        return format!("{what} {numbers}");
    }
    let bar = total.map_or_else(|| moving(begun, room), |total| bar(done, total, room));
    format!("{what} [{bar}] {numbers}")
}

/// A mark that moves back and forth, if the total is unknown: ` <=>       `.
fn moving(begun: Instant, columns: usize) -> String {
    const MARK: &str = "<=>";
    let way = columns - MARK.len();
    let steps = (begun.elapsed().as_millis() / 100) as usize % (2 * way);
    let before = if steps > way { 2 * way - steps } else { steps };
    format!("{}{MARK}{}", " ".repeat(before), " ".repeat(way - before))
}

/// `=====>    `
pub fn bar(done: u64, total: u64, columns: usize) -> String {
    let share = done.min(total) as f64 / total.max(1) as f64;
    let filled = (share * columns as f64) as usize;
    let head = if filled < columns && done > 0 { ">" } else { "" };
    format!("{}{head}{}", "=".repeat(filled), " ".repeat(columns - filled - head.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: u8) -> BlobDigest {
        BlobDigest::of(&[number])
    }

    #[test]
    fn blobs_stand_on_their_lines_and_fit() {
        let mut blobs = Blobs::new(Kind::Pull);
        for number in 0..4 {
            assert!(!blobs.event(&digest(number), Event::Announced { size: 4_000_000 }));
        }
        blobs.event(&digest(1), Event::Moved { bytes: 2_000_000 });
        assert!(blobs.event(&digest(0), Event::Complete) && blobs.event(&digest(2), Event::Exists));
        for columns in [10, 30, 60, 80, 200] {
            let lines = blobs.lines(columns, 10);
            assert!(lines.len() == 4 && lines.iter().all(|line| width(line) <= columns), "{lines:?}");
        }
        let lines = blobs.lines(80, 10);
        assert!(lines[0].ends_with(": Pull complete") && lines[2].ends_with(": Already exists"), "{lines:?}");
        assert!(lines[1].contains("Downloading [====") && lines[1].contains("2MB/4MB"), "{lines:?}");
        assert!(lines[3].ends_with(": Waiting"), "{lines:?}");
        let lines = blobs.lines(80, 2);
        assert!(lines[0].contains("Downloading") && lines[1] == "2 of 4 layers are there, 1 wait", "{lines:?}");
    }

    #[test]
    fn bars() {
        for (done, wanted) in [(0, "          "), (1, ">         "), (50, "=====>    "), (100, "==========")] {
            assert_eq!(bar(done, 100, 10), wanted);
        }
    }
}
