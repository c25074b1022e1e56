//! The Dockerfile of a build: finds and reads it, and explains failures.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::base::input::{self, InputError};
use crate::base::io_error::IoError;
use crate::build::context::http;
use crate::build::solve::RunSettings;
use crate::language::dockerfile::{self, Dockerfile, Parse};
use crate::store::Store;

use super::arguments;
use super::error::BuildError;
use super::options::{BuildOptions, ContextSource, DockerfileSource};
use super::sources::Sources;

/// The default name.
const DEFAULT: &str = "Dockerfile";

/// A file in a tree; links are followed only within the tree.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub root: PathBuf,
    pub path: PathBuf,
    /// The root is a folder of the store that holds a fetched context: users don't know its path.
    pub is_brought: bool,
}

impl Place {
    pub fn new(root: &Path, path: impl Into<PathBuf>) -> Self {
        Self { root: root.to_owned(), path: path.into(), is_brought: false }
    }

    /// The same in a fetched context.
    pub fn brought(self, is_brought: bool) -> Self {
        Self { is_brought, ..self }
    }

    /// The path for messages.
    pub fn shown(&self) -> PathBuf {
        if self.is_brought { self.path.clone() } else { self.root.join(&self.path) }
    }

    /// The content; `None` if the file does not exist.
    pub fn read(&self) -> Result<Option<Vec<u8>>, InputError> {
        input::beneath(&self.root, &self.path).map_err(|error| match self.is_brought {
            true => error.within(&self.root),
            false => error,
        })
    }
}

pub(super) struct File {
    /// The name in errors.
    pub name: String,
    /// Its location, for the ignore file next to it.
    pub place: Option<Place>,
    pub bytes: Vec<u8>,
}

/// The Dockerfile behind an http(s) address.
pub fn behind(store: &Store, run: &RunSettings, url: &str) -> Result<DockerfileSource, BuildError> {
    let downloaded = http::download(&run.http_request(url, &store.downloads()?)?)?;
    let text = input::named(&downloaded.path).map_err(|error| not_read(Path::new(url), error))?;
    Ok(DockerfileSource::Inline(String::from_utf8_lossy(&text).into_owned()))
}

/// Finds and reads the Dockerfile.
pub(super) fn read(options: &BuildOptions, sources: &mut Sources) -> Result<File, BuildError> {
    // The Dockerfile that came in place of a context is used, unless another one is named. One from standard input
    // counts as another, and is refused: standard input has been read.
    let is_other = matches!(options.dockerfile, DockerfileSource::Inline(_) | DockerfileSource::StandardInput);
    if let Some(bytes) = sources.take_dockerfile().filter(|_| !is_other) {
        return Ok(File { name: DEFAULT.to_owned(), place: None, bytes });
    }
    let in_context = |path: PathBuf| Place::new(sources.root(), path).brought(sources.is_brought());
    match (&options.dockerfile, &options.context) {
        (DockerfileSource::StandardInput, _) => {
            let bytes = sources.read_standard_input()?;
            Ok(File { name: "-".to_owned(), place: None, bytes })
        }
        (DockerfileSource::Inline(text), _) => {
            Ok(File { name: DEFAULT.to_owned(), place: None, bytes: text.clone().into_bytes() })
        }
        (DockerfileSource::Default, _) => read_default(&in_context, sources),
        // The user named this file, so links are followed anywhere. In a remote context they belong to the context's
        // author.
        (DockerfileSource::Path(path), ContextSource::Directory(_)) => {
            let bytes = input::named(path).map_err(|error| not_read(path, error))?;
            Ok(File { name: path.display().to_string(), place: place_of(path, sources.root()), bytes })
        }
        (DockerfileSource::Path(path), _) => {
            let place = in_context(path.strip_prefix("/").unwrap_or(path).to_owned());
            let bytes = read_place(&place)?.ok_or_else(|| missing(&place, sources))?;
            Ok(File { name: path.display().to_string(), place: Some(place), bytes })
        }
    }
}

/// Like docker, uses `dockerfile` if there is no `Dockerfile` and none was named.
fn read_default(in_context: &dyn Fn(PathBuf) -> Place, sources: &Sources) -> Result<File, BuildError> {
    for name in [DEFAULT, "dockerfile"] {
        let place = in_context(name.into());
        if let Some(bytes) = read_place(&place)? {
            return Ok(File { name: name.to_owned(), place: Some(place), bytes });
        }
    }
    Err(missing(&in_context(DEFAULT.into()), sources))
}

fn read_place(place: &Place) -> Result<Option<Vec<u8>>, BuildError> {
    place.read().map_err(|error| not_read(&place.shown(), error))
}

fn missing(place: &Place, sources: &Sources) -> BuildError {
    let shown = place.shown();
    match sources.names() {
        Some(names) => BuildError::NoDockerfile { path: shown, names },
        None => {
            not_read(&shown, IoError { action: "read", path: shown.clone(), source: ErrorKind::NotFound.into() }.into())
        }
    }
}

fn not_read(path: &Path, error: InputError) -> BuildError {
    match error {
        InputError::Io(error) => BuildError::ReadDockerfile { path: path.display().to_string(), source: error.source },
        error => BuildError::Input(error),
    }
}

/// Relative to the context if the path is in it, otherwise to the file's own folder. A shell's `<(...)` has no
/// neighbours.
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
    /// Parses the file. Syntax errors are part of the result; a different frontend or a policy is an error.
    pub fn parse(&self, options: &BuildOptions) -> Result<Parse, BuildError> {
        let parse = dockerfile::parse(&self.bytes);
        let directive = || parse.tree.directives.syntax.as_ref().map(|directive| directive.word());
        let frontend = arguments::syntax(options).or_else(directive);
        if let Some(image) = frontend.filter(|image| !is_built_in(image)) {
            return Err(BuildError::Frontend { image: image.to_owned() });
        }
        if let Some(policy) = self.beside("rego").filter(|_| options.heeds_policies) {
            return Err(BuildError::Policy { path: policy.shown() });
        }
        Ok(parse)
    }

    /// The parsed file, unless it has an error.
    pub fn dockerfile<'p>(&self, parse: &'p Parse) -> Result<&'p Dockerfile, BuildError> {
        let accepted = parse.result.as_ref().and_then(|file| parse.refused.as_ref().map_or(Ok(file), Err));
        accepted.map_err(|error| self.parse_error(error).into())
    }

    /// The ignore file that applies: `NAME.dockerignore` next to the Dockerfile, or else `.dockerignore` of the
    /// context.
    pub fn own_ignore_file(&self) -> Option<Place> {
        self.beside("dockerignore")
    }

    /// A file with the Dockerfile's name and an additional extension.
    fn beside(&self, extension: &str) -> Option<Place> {
        let place = self.place.as_ref()?;
        let name = format!("{}.{extension}", place.path.file_name()?.to_string_lossy());
        let path = place.path.with_file_name(name);
        input::is_beneath(&place.root, &path).then(|| Place { path, ..place.clone() })
    }
}

/// BuildKit's name for its built-in frontend.
const BUILT_IN: &str = "dockerfile.v0";

/// Any version of docker's own frontend is the built-in one, from any mirror.
fn is_built_in(image: &str) -> bool {
    let name = image.split('@').next().unwrap_or(image);
    // A colon before the last slash belongs to a port.
    let (folders, last) = name.rsplit_once('/').unwrap_or(("", name));
    let last = last.split(':').next().unwrap_or(last);
    let is_frontend = last == "dockerfile" || last.starts_with("dockerfile-");
    image == BUILT_IN || (is_frontend && folders.rsplit('/').next() == Some("docker"))
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
