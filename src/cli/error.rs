//! The only place where an error becomes text and an exit code.

use std::error::Error;
use std::process::ExitCode;

use crate::base::io_error::chain;
use crate::cli::{output, plugin};
use crate::container::ContainerError;
use crate::container::sandbox::Unsupported;
use crate::container::sandbox::user_namespace::{self, IdMapping};
use crate::engine::image::ImageError;
use crate::store::FetchError;

const OF_BUILDX: &str = "ERROR";

/// The error of a command.
#[derive(Debug)]
pub struct CliError {
    /// The text in front of the message.
    heading: &'static str,
    /// Printed after `error: `; may have several lines.
    message: String,
    /// The output of a failed program, shown after the message with its colours.
    printed: Option<String>,
    /// How to fix it.
    hint: Option<String>,
    exit_code: u8,
}

impl CliError {
    pub fn new(message: impl Into<String>) -> Self {
        Self { heading: "error", message: message.into(), printed: None, hint: None, exit_code: 1 }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Sets the output of a failed program.
    pub fn printed(mut self, printed: impl Into<String>) -> Self {
        self.printed = Some(printed.into()).filter(|printed: &String| !printed.is_empty());
        self
    }

    /// For readers of JSON progress: buildx's prefix, which they remove, and a single line. Compose prints an empty
    /// line after each; the other lines are reported as output of the failed step.
    pub fn in_words_of_buildx(mut self) -> Self {
        self.heading = OF_BUILDX;
        let headline = self.message.lines().next().unwrap_or_default();
        self.message = match self.hint.take() {
            Some(hint) => format!("{headline} ({hint})"),
            None => headline.to_owned(),
        };
        self.printed = None;
        self
    }

    /// Sets the hint, if there is one.
    pub fn hint_if(self, hint: Option<impl Into<String>>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    /// The message without hint.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The exit code of the process.
    pub fn code(&self) -> u8 {
        self.exit_code
    }

    pub fn exit_code(mut self, code: u8) -> Self {
        self.exit_code = code;
        self
    }

    /// An error of a container, with its exit code and hint.
    pub fn of_container(error: ContainerError) -> Self {
        let (code, hint) = (error.exit_code(), error.hint());
        Self::from(error).exit_code(code).hint_if(hint)
    }

    /// An error of an image, with its hint.
    pub fn of_image(error: ImageError) -> Self {
        let hint = error.hint();
        let error = Self::from(error);
        if hint.is_some() { error.hint_if(hint) } else { error }
    }

    /// An error of a request about containers.
    pub fn of_request(error: crate::engine::container::RequestError) -> Self {
        let hint = error.hint();
        Self::from(error).hint_if(hint)
    }

    /// Something unsupported, with an alternative.
    pub fn of_unsupported(unsupported: Unsupported) -> Self {
        Self::new(unsupported.what).hint_if(unsupported.hint)
    }

    /// Adds what was being done in front of the message.
    pub fn context(mut self, text: &str) -> Self {
        self.message = format!("{text}: {}", self.message);
        self
    }

    /// Combines several errors; `None` if there are none.
    pub fn all(errors: Vec<Self>) -> Option<Self> {
        errors.into_iter().reduce(|mut all, error| {
            all.message = format!("{}\nerror: {}", all.message, error.message);
            all.hint = all.hint.or(error.hint);
            all
        })
    }

    /// Prints the error to stderr and returns the exit code of the process.
    pub fn report(&self) -> ExitCode {
        // Readers of buildx's output, such as docker's actions, search for its prefix, and show only the last line if
        // there is little space. So the details come first.
        let (headline, details) = match self.message.split_once('\n') {
            Some((headline, details)) if plugin::is_called() => (headline, Some(details)),
            _ => (self.message.as_str(), None),
        };
        if !plugin::is_called() {
            output::say(format_args!("{}: {headline}", self.heading));
        }
        if let Some(details) = details {
            output::say(details);
        }
        if let Some(printed) = &self.printed {
            output::say_printed("  > ", printed);
        }
        if let Some(hint) = self.hint.clone().or_else(|| self.hint_of_one_user()) {
            output::say(format_args!("hint: {hint}"));
        }
        if plugin::is_called() {
            output::say(format_args!("{OF_BUILDX}: {headline}"));
        }
        ExitCode::from(self.exit_code)
    }
}

impl CliError {
    /// With a single mapped user, the kernel's errors about other users are not helpful.
    fn hint_of_one_user(&self) -> Option<String> {
        let Some(IdMapping::Single { reason }) = user_namespace::entered() else { return None };
        let says = |text: &str, words: &[&str]| words.iter().any(|word| text.contains(word));
        let of_files = ["change the owner of", "user namespace", "supplementary groups"];
        // Errors of a program that could not change a file's owner.
        let of_programs = ["Invalid argument", "Operation not permitted"];
        let is_it =
            says(&self.message, &of_files) || self.printed.as_deref().is_some_and(|text| says(text, &of_programs));
        is_it.then(|| {
            format!("there is one user only here, so files can't be given to others, and USER must be root: {reason}")
        })
    }
}

impl<E: Error> From<E> for CliError {
    fn from(error: E) -> Self {
        let hint = error.source().and_then(FetchError::among).map(|error| error.hint().to_owned());
        Self { hint, ..Self::new(chain(&error)) }
    }
}
