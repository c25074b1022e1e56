//! `rbuild parse`: a Dockerfile's syntax tree, for people or for programs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::base::input::{self, InputError};
use crate::image::{Platform, Reference};
use crate::language::dockerfile::lint::{BaseImage, LintOptions, World, lint};
use crate::language::dockerfile::report::Report;
use crate::language::dockerfile::{Node, Parse};

use crate::cli::global::Global;
use crate::cli::{CliError, output};

/// Show how rbuild parses a Dockerfile
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The Dockerfile, or - for standard input
    #[arg(default_value = "Dockerfile", value_name = "FILE")]
    file: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// One line for each instruction
    Text,
    /// One object, in the schema of the shared corpus
    Json,
    /// The form whose SHA-256 compares two parses
    Canonical,
}

/// The JSON formats contain the error and end with code 0; the text format prints it and fails.
pub fn run(args: Args, _global: &Global) -> Result<ExitCode, CliError> {
    let source = read(&args.file)?;
    let parse = crate::language::dockerfile::parse(&source);
    let text = match args.format {
        Format::Text => text(&parse),
        Format::Json => {
            let lint = lint(&parse, &NoWorld, &LintOptions { predefined: predefined(), ..LintOptions::default() });
            let report = Report { lint: Some(lint.into()), ..Report::new(&parse) };
            [&serde_json::to_vec(&report)?[..], b"\n"].concat()
        }
        Format::Canonical => Report::new(&parse).canonical()?,
    };
    output::print_bytes(&text)?;
    match (args.format, &parse.result) {
        (Format::Text, Err(error)) => Err(CliError::new(error.render(&name(&args.file), &source))),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Lint without a registry and without a context: only `PATH` is known of each base image.
struct NoWorld;

impl World for NoWorld {
    fn base(&self, _name: &str, _platform: Option<&str>) -> BaseImage {
        BaseImage::default()
    }

    fn is_image_name(&self, text: &str) -> bool {
        text.parse::<Reference>().is_ok()
    }

    fn platform(&self, text: &str) -> Option<(String, String)> {
        let platform = text.parse::<Platform>().ok()?;
        Some((platform.os, platform.architecture))
    }

    fn is_ignored(&self, _path: &str) -> bool {
        false
    }
}

/// The predefined arguments of every build, for the schema's platform.
fn predefined() -> Vec<(String, String)> {
    let parts = [("PLATFORM", "linux/amd64"), ("OS", "linux"), ("OSVERSION", ""), ("ARCH", "amd64"), ("VARIANT", "")];
    let of = |side: &'static str| parts.map(|(name, value)| (format!("{side}{name}"), value.to_owned()));
    let stage = [("TARGETSTAGE".to_owned(), "default".to_owned())];
    of("BUILD").into_iter().chain(of("TARGET")).chain(stage).collect()
}

fn read(file: &Path) -> Result<Vec<u8>, InputError> {
    if file != Path::new("-") {
        return input::named(file);
    }
    input::from_stdin()
}

fn name(file: &Path) -> String {
    if file == Path::new("-") { "Dockerfile".to_owned() } else { file.display().to_string() }
}

/// The lines of each instruction, its keyword, flags and arguments, and its heredocs below.
fn text(parse: &Parse) -> Vec<u8> {
    let mut output = String::new();
    for node in &parse.tree.instructions {
        let lines = match (node.lines.first, node.lines.last) {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first}-{last}"),
        };
        output.push_str(&format!("{lines:>9}  {}{}\n", node.keyword, words(node)));
        for heredoc in &node.heredocs {
            let marks = if heredoc.expand { "" } else { ", not expanded" };
            let size = heredoc.content.len();
            output.push_str(&format!("{:>9}    <<{} ({size} bytes{marks})\n", "", heredoc.name));
        }
    }
    output.into_bytes()
}

fn words(node: &Node) -> String {
    let flags = node.flags.iter().map(|flag| format!(" {}", flag.text));
    let arguments = node.arguments.iter().map(|piece| format!(" {:?}", piece.text));
    let form = if node.json { " (exec form)" } else { "" };
    flags.chain(arguments).chain([form.to_owned()]).collect()
}
