//! Asks the user on the terminal.

use std::fs::File;
use std::io::{BufRead as _, IsTerminal as _, Read as _, stdin};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::cli::{CliError, output};

/// A shell's exit code for an interrupted program.
const INTERRUPTED: u8 = 130;

fn no_terminal() -> CliError {
    CliError::new("cannot ask for name and password: standard input is not a terminal")
        .hint("give them with --username and --password-stdin")
}

/// Reads an answer that is echoed.
pub fn line(question: &str) -> Result<String, CliError> {
    if !stdin().is_terminal() {
        return Err(no_terminal());
    }
    output::ask(output::Stream::Output, question);
    let mut answer = String::new();
    stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim_end_matches(['\r', '\n']).to_owned())
}

/// Reads an answer that is not echoed.
pub fn secret(question: &str) -> Result<String, CliError> {
    if !stdin().is_terminal() {
        return Err(no_terminal());
    }
    output::ask(output::Stream::Output, question);
    let silence = Silence::begin()?;
    let answer = read_typed(&silence.terminal);
    drop(silence);
    output::say("");
    answer
}

/// Reads the characters up to the end of the line. The terminal does not handle editing or Ctrl-C meanwhile, so it is
/// restored whatever is typed.
fn read_typed(mut terminal: &File) -> Result<String, CliError> {
    let mut typed = Vec::new();
    let mut byte = [0];
    while terminal.read(&mut byte)? == 1 {
        match byte[0] {
            b'\r' | b'\n' => break,
            3 => return Err(CliError::new("interrupted").exit_code(INTERRUPTED)),
            // End of input, if nothing was typed.
            4 if typed.is_empty() => break,
            8 | 127 => drop_letter(&mut typed),
            // Deletes the line.
            21 => typed.clear(),
            letter => typed.push(letter),
        }
    }
    String::from_utf8(typed).map_err(|_| CliError::new("the password is not UTF-8"))
}

/// A character may have several bytes.
fn drop_letter(typed: &mut Vec<u8>) {
    while typed.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
}

/// A terminal without echo. Its settings are restored when this is dropped.
struct Silence {
    terminal: File,
    before: Termios,
}

impl Silence {
    fn begin() -> Result<Self, CliError> {
        let failed = |error: rustix::io::Errno| CliError::new(format!("cannot make the terminal silent: {error}"));
        let terminal = File::from(rustix::io::dup(stdin()).map_err(failed)?);
        let before = tcgetattr(&terminal).map_err(failed)?;
        let mut silent = before.clone();
        silent.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        tcsetattr(&terminal, OptionalActions::Flush, &silent).map_err(failed)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_taken_back_whole() {
        let mut typed = "aé".as_bytes().to_vec();
        drop_letter(&mut typed);
        assert_eq!(typed, b"a");
        drop_letter(&mut typed);
        drop_letter(&mut typed);
        assert!(typed.is_empty());
    }
}
