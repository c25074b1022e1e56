//! The Dockerfile of a build: where it is, and errors shown in its lines.

use std::error::Error as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::dockerfile::excerpt::{Excerpt, Span};
use crate::dockerfile::{self, Dockerfile, Lines, Parse, ParseError};
use crate::image::Platform;
use crate::input::{self, InputError};
use crate::io_error::IoError;
use crate::plan::{Plan, PlanError, PlanErrorKind};
use crate::solve::{SolveError, StepError};

use super::arguments;
use super::contexts::Sources;
use super::error::{BuildError, Located};
use super::options::{BuildOptions, ContextSource, DockerfileSource};

/// What is looked for where nothing was named.
const DEFAULT: &str = "Dockerfile";

/// A file of a tree whose links are followed only within it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub root: PathBuf,
    pub path: PathBuf,
}

impl Place {
    pub fn new(root: &Path, path: impl Into<PathBuf>) -> Self {
        Self { root: root.to_owned(), path: path.into() }
    }

    /// For messages.
    pub fn shown(&self) -> PathBuf {
        self.root.join(&self.path)
    }
}

pub(super) struct File {
    /// How errors call it.
    pub name: String,
    /// Where it is, for the ignore file beside it.
    pub place: Option<Place>,
    pub bytes: Vec<u8>,
}

/// Finds and reads the Dockerfile.
pub(super) fn read(options: &BuildOptions, sources: &mut Sources) -> Result<File, BuildError> {
    if let Some(bytes) = sources.take_dockerfile() {
        return Ok(File { name: DEFAULT.to_owned(), place: None, bytes });
    }
    let root = sources.root().to_owned();
    match (&options.dockerfile, &options.context) {
        (DockerfileSource::StandardInput, _) => {
            let bytes = sources.read_standard_input()?;
            Ok(File { name: "-".to_owned(), place: None, bytes })
        }
        (DockerfileSource::Default, _) => read_default(&root),
        // The user named this very file, wherever it leads. In a context from elsewhere it is that one's word.
        (DockerfileSource::Path(path), ContextSource::Directory(_)) => {
            let bytes = input::named(path).map_err(|error| not_read(path, error))?;
            Ok(File { name: path.display().to_string(), place: place_of(path, &root), bytes })
        }
        (DockerfileSource::Path(path), _) => {
            let place = Place::new(&root, path.strip_prefix("/").unwrap_or(path));
            let bytes = read_place(&place)?.ok_or_else(|| missing(&place))?;
            Ok(File { name: path.display().to_string(), place: Some(place), bytes })
        }
    }
}

/// As docker does, `dockerfile` is taken when there is no `Dockerfile` and none was named.
fn read_default(root: &Path) -> Result<File, BuildError> {
    for name in [DEFAULT, "dockerfile"] {
        let place = Place::new(root, name);
        if let Some(bytes) = read_place(&place)? {
            return Ok(File { name: name.to_owned(), place: Some(place), bytes });
        }
    }
    Err(missing(&Place::new(root, DEFAULT)))
}

fn read_place(place: &Place) -> Result<Option<Vec<u8>>, BuildError> {
    input::beneath(&place.root, &place.path).map_err(|error| not_read(&place.shown(), error))
}

fn missing(place: &Place) -> BuildError {
    not_read(&place.shown(), IoError { action: "read", path: place.shown(), source: ErrorKind::NotFound.into() }.into())
}

fn not_read(path: &Path, error: InputError) -> BuildError {
    match error {
        InputError::Io(error) => BuildError::ReadDockerfile { path: path.display().to_string(), source: error.source },
        error => BuildError::Input(error),
    }
}

/// Within the context, if it is in there; or else in its own folder. What a shell made of `<(...)` has nothing beside it.
fn place_of(path: &Path, root: &Path) -> Option<Place> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (name, folder) = (path.file_name()?, std::fs::canonicalize(folder).ok()?);
    let root = std::fs::canonicalize(root).ok()?;
    match folder.strip_prefix(&root) {
        Ok(inside) => Some(Place::new(&root, inside.join(name))),
        Err(_) => Some(Place::new(&folder, name)),
    }
}

impl File {
    /// Reads the file, which may turn out to be faulty, but not to be for another frontend.
    pub fn parse(&self, options: &BuildOptions) -> Result<Parse, BuildError> {
        let parse = dockerfile::parse(&self.bytes);
        let directive = || parse.tree.directives.syntax.as_ref().map(|directive| directive.word());
        let frontend = arguments::syntax(options).or_else(directive);
        if let Some(image) = frontend.filter(|image| !is_built_in(image)) {
            return Err(BuildError::Frontend { image: image.to_owned() });
        }
        Ok(parse)
    }

    /// What was read, unless it was faulty.
    pub fn dockerfile<'p>(&self, parse: &'p Parse) -> Result<&'p Dockerfile, BuildError> {
        let located = |error: &ParseError| Located::new(error.render(&self.name, &self.bytes));
        parse.result.as_ref().map_err(|error| BuildError::Located(located(error)))
    }

    /// `platform` is the one for which it does not work, where there are several.
    pub fn plan_error(&self, error: PlanError, platform: Option<&Platform>) -> BuildError {
        BuildError::Located(self.locate_plan_error(error, platform))
    }

    pub fn locate_plan_error(&self, error: PlanError, platform: Option<&Platform>) -> Located {
        let hint = match error.kind.as_ref() {
            PlanErrorKind::Parse(parse) => parse.hint(),
            _ => None,
        };
        let mut message = error.to_string();
        let mut source = error.kind.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            source = cause.source();
        }
        let message = for_platform(message, platform);
        self.locate(error.lines, &message, error.hint.as_deref().or(hint.as_deref()))
    }

    pub fn solve_error(&self, error: SolveError, plan: &Plan) -> BuildError {
        let SolveError::Step { step, error } = error else { return BuildError::Cancelled };
        let step = &plan.steps[step.0];
        let mut message = for_platform(chain(error.as_ref()), step.platform.as_ref());
        let mut printed = String::new();
        if let StepError::Failed { tail, .. } = error.as_ref()
            && !tail.is_empty()
        {
            printed.clone_from(tail);
            message = format!("{message}\n{}:", step.title);
        }
        let located = self.locate(Some(step.lines), &message, error.hint().as_deref());
        BuildError::Located(Located { printed, ..located })
    }

    /// The message with the lines it is about.
    pub fn locate(&self, lines: Option<Lines>, message: &str, hint: Option<&str>) -> Located {
        let lines = lines.unwrap_or(Lines { first: 0, last: 0 });
        let (headline, details) = message.split_once('\n').unwrap_or((message, ""));
        let span = self.place(lines, headline);
        let excerpt = Excerpt { file_name: &self.name, source: &self.bytes, lines, span, message: headline, hint };
        let mut text = if lines.first == 0 {
            let hint = hint.map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
            format!("{}: {headline}{hint}", self.name)
        } else {
            excerpt.render()
        };
        if !details.is_empty() {
            text = format!("{text}\n{details}");
        }
        Located::new(text)
    }

    /// The place that a message speaks of: the first thing it quotes that stands in the instruction's first line, which is
    /// the one that errors name; or else the whole of a single line. Of several lines all are marked.
    fn place(&self, lines: Lines, message: &str) -> Option<Span> {
        let first = Lines { first: lines.first, last: lines.first };
        let mut quoted = message.split('`').skip(1).step_by(2);
        let whole_line = || {
            let text = self.bytes.split(|byte| *byte == b'\n').nth((lines.first as usize).checked_sub(1)?)?;
            Span::find(&self.bytes, first, String::from_utf8_lossy(text).trim()).filter(|_| lines == first)
        };
        quoted.find_map(|text| Span::find(&self.bytes, first, text)).or_else(whole_line)
    }

    /// The ignore file that counts: `NAME.dockerignore` beside the Dockerfile, or else `.dockerignore` of the context.
    pub fn own_ignore_file(&self) -> Option<Place> {
        let place = self.place.as_ref()?;
        let name = format!("{}.dockerignore", place.path.file_name()?.to_string_lossy());
        let path = place.path.with_file_name(name);
        input::is_beneath(&place.root, &path).then(|| Place::new(&place.root, path))
    }
}

fn for_platform(message: String, platform: Option<&Platform>) -> String {
    platform.map_or_else(|| message.clone(), |platform| format!("{platform}: {message}"))
}

/// How BuildKit calls the language that it has built in.
const BUILT_IN: &str = "dockerfile.v0";

/// Any version of docker's own frontend is what rbuild has built in, wherever it is mirrored.
fn is_built_in(image: &str) -> bool {
    let name = image.split('@').next().unwrap_or(image);
    // A colon before the last slash is a port's.
    let (folders, last) = name.rsplit_once('/').unwrap_or(("", name));
    let last = last.split(':').next().unwrap_or(last);
    let is_frontend = last == "dockerfile" || last.starts_with("dockerfile-");
    image == BUILT_IN || (is_frontend && folders.rsplit('/').next() == Some("docker"))
}

/// The error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::is_built_in;

    #[test]
    fn the_usual_frontend_is_known_wherever_it_is_mirrored() {
        for image in [
            "docker/dockerfile",
            "docker/dockerfile:1",
            "docker.io/docker/dockerfile:1.7-labs",
            "docker/dockerfile-upstream:master",
            "reg.example:5000/mirror/docker/dockerfile:1@sha256:abc",
            "dockerfile.v0",
        ] {
            assert!(is_built_in(image), "{image}");
        }
        for image in ["me/dockerfile:1", "docker/other", "dockerfile", "reg/docker/dockerfiles"] {
            assert!(!is_built_in(image), "{image}");
        }
    }
}
