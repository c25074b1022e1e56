//! `rbuild image explore`: an image's layers and files in a terminal.

mod keys;
mod screen;
mod state;
mod tree;
mod view;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use ratatui::Terminal;

use crate::base::io_error::AtPath as _;
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::container::RawMode;
use crate::engine::contents;
use crate::image::Platform;

use keys::{Input, Keys};
use screen::Screen;
use state::State;

/// Walk through the layers and files of an image in the terminal
///
/// Each layer with its instruction and size, what it adds, changes and removes, and what could be spared. `?` shows the
/// keys.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "IMAGE")]
    image: String,
    /// Of an image for several platforms, show this one
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    if !std::io::stdin().is_terminal() || !output::Stream::Output.is_terminal() {
        return Err(CliError::new("there is no terminal to show it on")
            .hint("`rbuild image waste --format json` says the same for programs"));
    }
    let contents = contents::read(&global.open_store()?, &args.image, args.platform.as_ref())?;
    let waste = contents::waste(&contents);
    let mut state = State::new(&args.image, &contents, &waste);
    let mut keys = Keys::new().at("watch", "the terminal")?;
    let _raw = RawMode::enter().at("prepare", "the terminal")?;
    let mut terminal = Terminal::new(Screen::enter()?).at("prepare", "the terminal")?;
    loop {
        terminal.draw(|frame| view::draw(frame, &mut state)).at("draw in", "the terminal")?;
        match keys.next().at("read from", "the terminal")? {
            Input::Key(key) => state.press(key),
            Input::Resized => {}
            Input::End => break,
        }
        if state.is_over() {
            break;
        }
    }
    Ok(ExitCode::SUCCESS)
}
