//! A terminal with a user: the bytes that reach it, and what is visible.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command};

use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

use super::wait_for;

/// A pseudoterminal whose slave side belongs to a command.
pub struct Screen {
    terminal: File,
    name: String,
    /// All received bytes.
    pub bytes: Vec<u8>,
    rows: usize,
    columns: usize,
}

impl Screen {
    pub fn new(rows: u16, columns: u16) -> Self {
        let terminal = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal can be had");
        rustix::pty::grantpt(&terminal).expect("it can be granted");
        rustix::pty::unlockpt(&terminal).expect("it can be unlocked");
        let name = rustix::pty::ptsname(&terminal, Vec::new()).expect("it has a name").into_string().expect("in UTF-8");
        let screen = Self {
            terminal: File::from(terminal),
            name,
            bytes: Vec::new(),
            rows: rows.into(),
            columns: columns.into(),
        };
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&screen.terminal, size).expect("it can be resized");
        rustix::io::ioctl_fionbio(&screen.terminal, true).expect("it can be read without waiting");
        screen
    }

    pub fn types(&mut self, text: &str) {
        self.terminal.write_all(text.as_bytes()).expect("it can be typed into");
    }

    /// Starts a command with the terminal as its three streams.
    pub fn start(&self, mut command: Command) -> Child {
        let is_given = |command: &Command, name: &str| command.get_envs().any(|(given, _)| given == name);
        if !is_given(&command, "TERM") {
            command.env("TERM", "xterm-256color");
        }
        if !is_given(&command, "NO_COLOR") {
            command.env_remove("NO_COLOR");
        }
        if !command.get_envs().any(|(name, _)| name == "TERM") {
            command.env("TERM", "xterm-256color");
        }
        let open = || File::options().read(true).write(true).open(&self.name).expect("the terminal can be opened");
        command.stdin(open()).stdout(open()).stderr(open()).spawn().expect("it can be started")
    }

    /// Runs a command to its end, and returns its exit code.
    #[track_caller]
    pub fn run(&mut self, command: Command) -> Option<i32> {
        let mut child = self.start(command);
        self.follow(&mut child)
    }

    /// Reads until the command has ended.
    #[track_caller]
    pub fn follow(&mut self, child: &mut Child) -> Option<i32> {
        let status = wait_for("the command ends", || {
            self.take_in();
            child.try_wait().expect("it can be waited for").ok_or_else(|| self.bytes.escape_ascii().to_string())
        });
        self.take_in();
        status.code()
    }

    /// Waits until the text is visible on a line.
    #[track_caller]
    pub fn shows(&mut self, wanted: &str) {
        wait_for(wanted, || {
            self.take_in();
            let lines = self.seen();
            if lines.iter().any(|line| line.contains(wanted)) { Ok(()) } else { Err(lines.join("\n")) }
        });
    }

    /// Waits until the text has been received.
    #[track_caller]
    pub fn reads(&mut self, wanted: &str) {
        wait_for(wanted, || {
            self.take_in();
            let text = String::from_utf8_lossy(&self.bytes);
            if text.contains(wanted) { Ok(()) } else { Err(text.into_owned()) }
        });
    }

    fn take_in(&mut self) {
        let mut buffer = [0; 1 << 16];
        // If nothing can be read now, this is an error.
        while let Ok(length @ 1..) = self.terminal.read(&mut buffer) {
            self.bytes.extend_from_slice(&buffer[..length]);
        }
    }

    /// The visible lines, and those that were scrolled off the top.
    pub fn seen(&self) -> Vec<String> {
        seen(&self.bytes, self.rows, self.columns)
    }

    /// What was received, without the sequences that rbuild itself writes: colours, and erasing lines.
    pub fn without_own_sequences(&self) -> Vec<u8> {
        let own = regex::bytes::Regex::new(r"\x1b\[[0-9;]*m|\x1b\[[0-9]+A|\x1b\[K").expect("it is an expression");
        own.replace_all(&self.bytes, &b""[..]).into_owned()
    }
}

/// What a terminal shows for the bytes, for the few sequences that rbuild uses.
fn seen(bytes: &[u8], rows: usize, columns: usize) -> Vec<String> {
    let mut lines: Vec<Vec<char>> = vec![Vec::new()];
    let (mut row, mut column) = (0usize, 0usize);
    let text = String::from_utf8_lossy(bytes);
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            '\r' => column = 0,
            '\n' => row += 1,
            '\x1b' => {
                let sequence: String = rest.by_ref().take_while(|character| *character != '[').collect();
                assert_eq!(sequence, "", "no other sequence is known");
                let mut number = String::new();
                let end = rest.find(|character| {
                    number.push(*character);
                    character.is_ascii_alphabetic()
                });
                let parameters = number.trim_end_matches(char::is_alphabetic).to_owned();
                let number: usize = parameters.parse().unwrap_or(1);
                match end {
                    Some('A') => row = row.saturating_sub(number).max(lines.len().saturating_sub(rows)),
                    Some('K') => lines[row].truncate(column),
                    Some('J') => lines.clear(),
                    Some('H') => {
                        let mut place = parameters.split(';').map(|part| part.parse::<usize>().unwrap_or(1) - 1);
                        (row, column) = (place.next().unwrap_or(0), place.next().unwrap_or(0));
                    }
                    _ => {}
                }
            }
            character => {
                if column == columns {
                    (row, column) = (row + 1, 0);
                }
                lines.resize(lines.len().max(row + 1), Vec::new());
                let line = &mut lines[row];
                line.resize(line.len().max(column + 1), ' ');
                line[column] = character;
                column += 1;
            }
        }
        lines.resize(lines.len().max(row + 1), Vec::new());
    }
    lines.truncate(row + 1);
    lines.into_iter().map(|line| line.into_iter().collect::<String>().trim_end().to_owned()).collect()
}
