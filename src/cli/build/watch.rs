//! `build --watch`: builds again whenever something that the last build read has changed.

use std::process::{Child, Command, ExitCode, Stdio};

use super::{Args, BuildOptions, INTERRUPTED, Session, build_error, write_facts};
use crate::base::io_error::AtPath as _;
use crate::build::WatchedSlot;
use crate::cli::{CliError, output};
use crate::container::Containers;
use crate::engine::builders::new_reference;
use crate::engine::watch::Watch;

/// How many seconds a container gets to end by itself before the next one starts.
const GRACE: &str = "1";
/// The same for a program that ignores the signal.
const NONE: &str = "0";

/// Runs until it is interrupted.
pub(super) fn run(args: &Args, session: &Session, options: &BuildOptions) -> Result<ExitCode, CliError> {
    let slot = WatchedSlot::default();
    let mut options = BuildOptions { watched: Some(slot.clone()), ..options.clone() };
    let mut container = args.container()?.map(|words| Container::new(session, words));
    let mut last = None;
    loop {
        let mut image = None;
        let built = session.build(&options, build_error, |result| {
            image = Some(result.id().to_string());
            write_facts(args, &session.store, &options, result)
        });
        if session.is_interrupted() {
            return Ok(ExitCode::from(INTERRUPTED));
        }
        if let Err(error) = built {
            error.report();
        }
        if let (Some(container), Some(image)) = (&mut container, image) {
            container.run(&image)?;
        }
        let Some(watched) = slot.take().map(|watched| watched.or_contexts_of(last.take())) else {
            return Err(CliError::new("--watch needs a folder as the build context"));
        };
        output::say("waiting for changes");
        if !Watch::of(&watched)?.wait(&session.cancellation)? {
            return Ok(ExitCode::from(INTERRUPTED));
        }
        last = Some(watched);
        let prefix = options.reference.rfind('/').map_or(0, |slash| slash + 1);
        options.reference = format!("{}{}", &options.reference[..prefix], new_reference());
    }
}

/// A container of the last result.
struct Container {
    /// How to call rbuild for it.
    root: std::path::PathBuf,
    options: Vec<String>,
    /// The words after the image.
    command: Vec<String>,
    name: String,
    running: Option<(String, Child)>,
}

impl Container {
    fn new(session: &Session, mut options: Vec<String>) -> Self {
        let end = options.iter().position(|word| word == "--");
        let command = end.map(|end| options.drain(end..).skip(1).collect()).unwrap_or_default();
        let name = format!("watch-{}", std::process::id());
        Self { root: session.store.root().to_owned(), options, command, name, running: None }
    }

    /// Replaces the last container by one of this image, unless it is the same.
    fn run(&mut self, image: &str) -> Result<(), CliError> {
        if self.running.as_ref().is_some_and(|(last, _)| last == image) {
            return Ok(());
        }
        self.stop();
        let mut command = self.rbuild()?;
        command.args(["run", "--rm"]).args(&self.options).args(["--name", &self.name, image]).args(&self.command);
        let child = command.stdin(Stdio::null()).spawn().at("start", "rbuild run")?;
        self.running = Some((image.to_owned(), child));
        Ok(())
    }

    fn stop(&mut self) {
        let Some((_, mut child)) = self.running.take() else { return };
        let is_deaf = Containers::of(&self.root)
            .find(&self.name)
            .is_ok_and(|entry| !entry.state.notices(entry.record.stop_signal()));
        let grace = if is_deaf { NONE } else { GRACE };
        if let Ok(mut command) = self.rbuild() {
            // It may have ended by itself.
            let _ =
                command.args(["stop", "-t", grace, &self.name]).stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
        let _ = child.wait();
    }

    fn rbuild(&self) -> Result<Command, CliError> {
        let mut command = Command::new(std::env::current_exe().at("find", "rbuild itself")?);
        command.env("RBUILD_ROOT", &self.root);
        Ok(command)
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Splits a text into words like a shell: at blanks, with quotes and backslashes.
pub(super) fn words(text: &str) -> Result<Vec<String>, CliError> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            (letter, Some(open)) if letter == open => quote = None,
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(letters.next()),
            ('\'' | '"', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (letter, None) if letter.is_whitespace() => words.extend(word.take()),
            (letter, _) => word.get_or_insert_default().push(letter),
        }
    }
    if quote.is_some() {
        return Err(CliError::new(format!("--run `{text}`: a quote is not closed")));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_are_those_of_a_shell() {
        let of = |text: &str| words(text).unwrap();
        assert_eq!(
            of(r#"-p 8080:80 -e "A=b c" -e 'D=$x' e\ f """#),
            ["-p", "8080:80", "-e", "A=b c", "-e", "D=$x", "e f", ""]
        );
        assert!(of("  ").is_empty() && words("'a").is_err());
    }
}
