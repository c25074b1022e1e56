//! The lines at the bottom of a terminal that are redrawn. Any other output erases them first, so that the two do not
//! mix.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Stream, width};

/// The size if the terminal does not report one.
const DEFAULT_SIZE: Size = Size { rows: 24, columns: 80 };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub rows: usize,
    pub columns: usize,
}

/// The current lines.
static DRAWN: Mutex<Drawn> = Mutex::new(Drawn { stream: Stream::Error, widths: Vec::new(), is_over: false });

struct Drawn {
    stream: Stream,
    /// The width of each line.
    widths: Vec<usize>,
    /// The process is ending: nothing is drawn any more.
    is_over: bool,
}

impl Drawn {
    /// How many rows the lines take: the terminal may have become narrower and wrap them.
    fn rows(&self, size: Size) -> usize {
        self.widths.iter().map(|width| width.div_ceil(size.columns).max(1)).sum::<usize>().min(size.rows - 1)
    }

    /// The sequence that erases the lines and leaves the cursor at their start. Row by row: if a whole screen is
    /// cleared at once, some terminals add it to the scrollback.
    fn erasure(&mut self) -> String {
        if self.widths.is_empty() {
            return String::new();
        }
        let rows = self.rows(size(self.stream));
        self.widths.clear();
        format!("\r\x1b[{rows}A{}\x1b[{rows}A", "\x1b[K\n".repeat(rows))
    }
}

fn drawn() -> MutexGuard<'static, Drawn> {
    DRAWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A terminal without cursor movement.
pub fn is_simple() -> bool {
    std::env::var_os("TERM").is_some_and(|name| name == "dumb")
}

/// The current size of the stream's terminal.
pub fn size(stream: Stream) -> Size {
    let asked = match stream {
        Stream::Output => rustix::termios::tcgetwinsize(io::stdout()),
        Stream::Error => rustix::termios::tcgetwinsize(io::stderr()),
    };
    match asked {
        Ok(size) if size.ws_col > 0 && size.ws_row > 1 => {
            Size { rows: size.ws_row.into(), columns: size.ws_col.into() }
        }
        _ => DEFAULT_SIZE,
    }
}

/// Replaces the drawn lines, and prints `above` before them, which stays. Each line must fit the width and be safe for
/// the terminal.
pub fn draw(stream: Stream, above: &[String], lines: &[String]) {
    let mut drawn = drawn();
    if drawn.is_over {
        return;
    }
    let mut text = drawn.erasure();
    for line in above.iter().chain(lines) {
        text.push_str(line);
        text.push('\n');
    }
    drawn.stream = stream;
    drawn.widths = lines.iter().map(|line| width(line)).collect();
    // Errors are ignored: there may be no reader.
    let _ = stream.write_beside_area(text.as_bytes());
}

/// Erases the lines. Nothing is drawn while the result is held.
pub(super) fn erase() -> impl Drop {
    let mut drawn = drawn();
    let text = drawn.erasure();
    if !text.is_empty() {
        let _ = drawn.stream.write_beside_area(text.as_bytes());
    }
    drawn
}

/// Erases the lines before the process ends.
pub fn leave() {
    let mut drawn = drawn();
    let text = drawn.erasure();
    drawn.is_over = true;
    if !text.is_empty() {
        let _ = drawn.stream.write_beside_area(text.as_bytes());
    }
}
