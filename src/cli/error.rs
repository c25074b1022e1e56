//! The one place where an error becomes text and an exit code.

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

/// What a command failed with.
#[derive(Debug)]
pub struct CliError {
    /// What stands before the message.
    heading: &'static str,
    /// What is printed after `error: `; may have several lines.
    message: String,
    /// What a program printed before it failed, to be shown behind the message with its colours.
    printed: Option<String>,
    /// What the user can do about it.
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

    /// What a program printed before it failed.
    pub fn printed(mut self, printed: impl Into<String>) -> Self {
        self.printed = Some(printed.into()).filter(|printed: &String| !printed.is_empty());
        self
    }

    /// For those who read the progress as JSON: under the word that buildx has for it, which they leave out, and on one
    /// line. Compose puts an empty line behind each; the others are told as what the failed step says.
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

    /// The hint that an error has, if it has one.
    pub fn hint_if(self, hint: Option<impl Into<String>>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    /// The message alone.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What the process ends with.
    pub fn code(&self) -> u8 {
        self.exit_code
    }

    pub fn exit_code(mut self, code: u8) -> Self {
        self.exit_code = code;
        self
    }

    /// An error of a container, with the exit code and the hint that it has.
    pub fn of_container(error: ContainerError) -> Self {
        let (code, hint) = (error.exit_code(), error.hint());
        Self::from(error).exit_code(code).hint_if(hint)
    }

    /// An error of an image, with the hint that it has.
    pub fn of_image(error: ImageError) -> Self {
        let hint = error.hint();
        let error = Self::from(error);
        if hint.is_some() { error.hint_if(hint) } else { error }
    }

    /// An error of what was asked of containers.
    pub fn of_request(error: crate::engine::container::RequestError) -> Self {
        let hint = error.hint();
        Self::from(error).hint_if(hint)
    }

    /// Something that can't be had here, with what to do instead.
    pub fn of_unsupported(unsupported: Unsupported) -> Self {
        Self::new(unsupported.what).hint_if(unsupported.hint)
    }

    /// Says before the error what was being done.
    pub fn context(mut self, text: &str) -> Self {
        self.message = format!("{text}: {}", self.message);
        self
    }

    /// Several errors as one, which says them all; nothing when there is none.
    pub fn all(errors: Vec<Self>) -> Option<Self> {
        errors.into_iter().reduce(|mut all, error| {
            all.message = format!("{}\nerror: {}", all.message, error.message);
            all.hint = all.hint.or(error.hint);
            all
        })
    }

    /// Prints the error to stderr and gives the process's exit code.
    pub fn report(&self) -> ExitCode {
        // What reads buildx's output looks for its word, and shows the last line where it has room for one: docker's
        // actions do. So what belongs to the error comes before it.
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
    /// Where there is one user only, the kernel says little of what needs others.
    fn hint_of_one_user(&self) -> Option<String> {
        let Some(IdMapping::Single { reason }) = user_namespace::entered() else { return None };
        let says = |text: &str, words: &[&str]| words.iter().any(|word| text.contains(word));
        let of_files = ["change the owner of", "user namespace", "supplementary groups"];
        // What a program printed whose file could be given to nobody.
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
