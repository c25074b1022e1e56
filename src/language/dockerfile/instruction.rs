//! The typed instructions, before any variable is expanded.
//!
//! Strings are as written (quotes and escapes are kept where words are expanded later); only flags, JSON arrays and
//! word boundaries are resolved. `plan` expands and interprets them.

use std::time::Duration;

use super::excerpt::Span;
use super::place::Word;

/// First and last physical line, from 1. Continuation lines and heredoc bodies belong to their instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lines {
    pub first: u32,
    pub last: u32,
}

/// A Dockerfile, cut into stages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    /// `ARG` before the first `FROM`, in order.
    pub global_args: Vec<Instruction>,
    pub stages: Vec<Stage>,
    /// The escape character: `\`, or the directive's value.
    pub escape: char,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The image or stage after `FROM`, as written.
    pub base: Word,
    /// The value of `--platform`, as written.
    pub platform: Option<Word>,
    /// The name after `AS`, in lower case.
    pub name: Option<String>,
    pub lines: Lines,
    /// The logical line of the `FROM`.
    pub original: String,
    pub instructions: Vec<Instruction>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    pub command: Command,
    pub lines: Lines,
    /// The joined logical line, heredoc bodies not included.
    pub original: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Add(Transfer),
    Arg(Vec<ArgDeclaration>),
    Cmd(CommandLine),
    Copy(Transfer),
    Entrypoint(CommandLine),
    Env(Vec<KeyValue>),
    Expose(Vec<Word>),
    Healthcheck(Healthcheck),
    Label(Vec<KeyValue>),
    Maintainer(String),
    Onbuild(Onbuild),
    Run(Run),
    Shell(Vec<String>),
    StopSignal(Word),
    User(Word),
    Volume(Vec<Word>),
    Workdir(Word),
}

/// The command of `RUN`, `CMD`, `ENTRYPOINT` and `HEALTHCHECK CMD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandLine {
    /// Text for the shell.
    Shell(String),
    /// A JSON array, decoded; may be empty.
    Exec(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    pub key: Word,
    pub value: Word,
    /// The old form, `ENV KEY rest of the line`, whose value is not quoted.
    pub legacy: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgDeclaration {
    pub name: String,
    /// The default, as written.
    pub default: Option<Word>,
}

/// A here-document of `RUN`, `COPY` or `ADD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    pub name: String,
    /// The effective body: for `<<-` without leading tabs. Line ends are those of the file.
    pub content: String,
    /// The body as in the file, including tabs.
    pub raw: String,
    /// Whether variables are expanded in it; false when its name was quoted.
    pub expand: bool,
    /// Written as `<<-`.
    pub chomp: bool,
    /// The word that opens it.
    pub span: Option<Span>,
    /// The line of the file on which its body starts; 0 if it is in no file.
    pub line: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub command: CommandLine,
    /// The program of a JSON array.
    pub program: Option<Span>,
    pub heredocs: Vec<Heredoc>,
    /// The values of `--mount`, as written; `mount::parse` parses them after expansion.
    pub mounts: Vec<Word>,
    /// `default`, `none` or `host`.
    pub network: Option<Word>,
    /// `sandbox` or `insecure`.
    pub security: Option<Word>,
    pub devices: Vec<DeviceRequest>,
    /// The place of each device.
    pub device_spans: Vec<Option<Span>>,
}

/// `RUN --device`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DeviceRequest {
    /// `vendor.com/class=name`, or another name of CDI devices.
    pub name: String,
    /// Whether the step fails if the device does not exist.
    pub required: bool,
}

/// A `COPY` or an `ADD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    pub sources: Vec<Source>,
    pub destination: Word,
    /// `COPY --from`.
    pub from: Option<Word>,
    pub chown: Option<Word>,
    pub chmod: Option<Word>,
    pub link: bool,
    pub parents: bool,
    pub excludes: Vec<Word>,
    /// `ADD --checksum`.
    pub checksum: Option<Word>,
    /// `ADD --keep-git-dir`; absent when the flag is.
    pub keep_git_dir: Option<bool>,
    /// `ADD --unpack`; absent when the flag is.
    pub unpack: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A path, pattern, URL or git repository, as written.
    Path(Word),
    Heredoc(Heredoc),
}

impl Source {
    /// The word that names it.
    pub fn span(&self) -> Option<Span> {
        match self {
            Self::Path(word) => word.span,
            Self::Heredoc(heredoc) => heredoc.span,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Healthcheck {
    None,
    Check {
        command: CommandLine,
        interval: Option<Duration>,
        timeout: Option<Duration>,
        start_period: Option<Duration>,
        start_interval: Option<Duration>,
        retries: Option<u32>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Onbuild {
    /// What follows `ONBUILD`, as the image's config keeps it, heredoc bodies included.
    pub trigger: String,
}
