//! The lines at the bottom of a terminal that are drawn again and again. Whatever else is written takes them away first,
//! so that nothing of them is left among it.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Stream, width};

/// What a screen has when its terminal does not say.
const USUAL: Size = Size { rows: 24, columns: 80 };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub rows: usize,
    pub columns: usize,
}

/// What is drawn now.
static DRAWN: Mutex<Drawn> = Mutex::new(Drawn { stream: Stream::Error, widths: Vec::new(), is_over: false });

struct Drawn {
    stream: Stream,
    /// The columns of each line.
    widths: Vec<usize>,
    /// The process ends: nothing is drawn any more.
    is_over: bool,
}

impl Drawn {
    /// The rows that the lines take: those that are wider than the terminal is by now were broken.
    fn rows(&self, size: Size) -> usize {
        self.widths.iter().map(|width| width.div_ceil(size.columns).max(1)).sum::<usize>().min(size.rows - 1)
    }

    /// What takes the lines away and leaves the cursor where the first of them began. Row by row: when all of a screen is
    /// cleared at once, some terminals keep it among what has scrolled by.
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

/// A terminal that can't move its cursor.
pub fn is_simple() -> bool {
    std::env::var_os("TERM").is_some_and(|name| name == "dumb")
}

/// The stream's terminal, as it is now.
pub fn size(stream: Stream) -> Size {
    let asked = match stream {
        Stream::Output => rustix::termios::tcgetwinsize(io::stdout()),
        Stream::Error => rustix::termios::tcgetwinsize(io::stderr()),
    };
    match asked {
        Ok(size) if size.ws_col > 0 && size.ws_row > 1 => {
            Size { rows: size.ws_row.into(), columns: size.ws_col.into() }
        }
        _ => USUAL,
    }
}

/// Draws the lines in the place of those that were drawn last, below `above`, which stays. Each line fits the width and
/// is safe for the terminal.
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
    // Nobody may be there to see it.
    let _ = stream.write_beside_area(text.as_bytes());
}

/// Takes the lines away. Nothing is drawn for as long as what it gives is held.
pub(super) fn erase() -> impl Drop {
    let mut drawn = drawn();
    let text = drawn.erasure();
    if !text.is_empty() {
        let _ = drawn.stream.write_beside_area(text.as_bytes());
    }
    drawn
}

/// Takes the lines away before the process ends, whoever drew them.
pub fn leave() {
    let mut drawn = drawn();
    let text = drawn.erasure();
    drawn.is_over = true;
    if !text.is_empty() {
        let _ = drawn.stream.write_beside_area(text.as_bytes());
    }
}
