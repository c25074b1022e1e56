//! What is known about a build without executing anything: whether its Dockerfile is correct, and what it offers.
//!
//! No registry is asked: of a base image that is not in the store, only PATH is known.

use std::cell::Cell;

use crate::image::{ImageConfig, Platform, Reference};
use crate::language::dockerfile::lint::{self, LintOptions, Scope};
use crate::language::dockerfile::outline::{self, Outline, OutlineOptions, Target};
use crate::language::dockerfile::{Dockerfile, Lines, Parse, ParseError};
use crate::language::plan::{self, BaseError, BaseImage, Bases, NamedContext, PlanError, PlanRequest};
use crate::store::Store;

use super::answers::{Answers, World};
use super::bases::StoreBases;
use super::batch::Batch;
use super::contexts::BuildContexts;
use super::dockerfile::File;
use super::error::{BuildError, Located};
use super::findings::Findings;
use super::options::{BuildOptions, NamedContextSource};
use super::platforms::request;
use super::{dockerfile, epoch, lint as build_lint};

/// The result of checking a Dockerfile.
#[derive(Debug)]
pub struct Checked {
    /// What the checks found.
    pub findings: Findings,
    /// Why it cannot be built.
    pub fault: Option<Fault>,
}

/// What is wrong with a Dockerfile, and where.
#[derive(Debug)]
pub struct Fault {
    /// One line.
    pub message: String,
    /// The lines that it is about.
    pub lines: Option<Lines>,
    /// The message with the lines it is about.
    pub located: Located,
}

/// What a Dockerfile offers, with its text.
#[derive(Debug)]
pub struct Described<T> {
    /// What it offers.
    pub description: T,
    /// The text of the Dockerfile.
    pub source: Vec<u8>,
}

/// Runs the lint over the target and its dependencies, or over all stages if no target is named, and plans them.
pub fn check(store: &Store, options: &BuildOptions) -> Result<Checked, BuildError> {
    let batch = &Batch::offline(store);
    let mut source = batch.main_context(options)?;
    let file = dockerfile::read(options, &mut source)?;
    let parse = file.parse(options)?;
    let contexts = BuildContexts::new(batch, options, source, &file);
    let bases = StoreBases::new(batch, options);
    let offline = Offline { bases: &bases, options, guessed: Cell::new(false) };
    let answers = Answers::new(&offline);
    // Whether these are allowed depends on the build's options, not on its Dockerfile.
    let mut checked = Checked { findings: Findings::default(), fault: None };
    for platform in &options.platforms {
        let mut request = PlanRequest { allow_host_network: true, allow_insecure: true, ..request(options, platform) };
        if let Ok(parsed) = &parse.result {
            epoch::settle_offline(&file, options, parsed, &mut request)?;
        }
        let leaves_out = |path: &str| contexts.leaves_out(path);
        let world = World { answers: &answers, platform: &request.platform, leaves_out: &leaves_out };
        let scope = options.target.as_ref().map_or(Scope::All, |target| Scope::Target(Some(target.clone())));
        let lint_options = LintOptions { scope, ..build_lint::options(options, &request, &parse)? };
        let found = lint::lint(&parse, &world, &lint_options);
        let (file_name, source) = (file.name.clone(), file.bytes.clone());
        checked.findings.add(Findings { file_name, source, warnings: found.warnings });
        let lint_fault = found.error.map(|error| Fault {
            lines: error.lines,
            message: error.to_string(),
            located: file.lint_error(error),
        });
        let fault = match (&parse.result, lint_fault) {
            (Err(error), _) => Some(parse_fault(&file, error)),
            (Ok(_), _) if parse.refused.is_some() => parse.refused.as_ref().map(|error| parse_fault(&file, error)),
            (Ok(parsed), None) => plan_fault(parsed, &request, &answers)
                .filter(|error| !(offline.guessed.get() && may_be_right(&parse, error)))
                .map(|error| fault_of(&file, error)),
            // The plan's error has the span of the word.
            (Ok(parsed), Some(fault)) => Some(match plan_fault(parsed, &request, &answers) {
                Some(error) if error.lines == fault.lines && error.span.is_some() => {
                    Fault { located: file.plan_error(error, None), ..fault }
                }
                _ => fault,
            }),
        };
        checked.fault = checked.fault.or(fault);
    }
    Ok(checked)
}

fn parse_fault(file: &File, error: &ParseError) -> Fault {
    Fault {
        message: error.to_string(),
        lines: Some(error.lines).filter(|lines| lines.first > 0),
        located: file.parse_error(error),
    }
}

/// The stages of the Dockerfile.
pub fn targets(store: &Store, options: &BuildOptions) -> Result<Described<Vec<Target>>, BuildError> {
    let batch = &Batch::offline(store);
    let mut source = batch.main_context(options)?;
    let file = dockerfile::read(options, &mut source)?;
    let parse = file.parse(options)?;
    file.dockerfile(&parse)?;
    Ok(Described { description: outline::targets(&parse), source: file.bytes })
}

/// The parameters of the target.
pub fn outline(store: &Store, options: &BuildOptions) -> Result<Described<Outline>, BuildError> {
    let batch = &Batch::offline(store);
    let mut source = batch.main_context(options)?;
    let file = dockerfile::read(options, &mut source)?;
    let parse = file.parse(options)?;
    let parsed = file.dockerfile(&parse)?;
    let wanted = OutlineOptions {
        target: options.target.clone(),
        predefined: build_lint::options(options, &request(options, &options.platforms[0]), &parse)?.predefined,
        build_args: options.build_args.clone(),
    };
    let description = outline::outline(&parse, parsed, &wanted).map_err(|error| file.outline_error(error))?;
    Ok(Described { description, source: file.bytes })
}

fn plan_fault(parsed: &Dockerfile, request: &PlanRequest, bases: &dyn Bases) -> Option<PlanError> {
    plan::check(parsed, request, bases).err()
}

fn fault_of(file: &File, error: PlanError) -> Fault {
    let (lines, message) = (error.lines, error.to_string());
    Fault { message, lines, located: file.plan_error(error, None) }
}

/// The value of a variable may come from a base image that is unknown here.
fn may_be_right(parse: &Parse, error: &PlanError) -> bool {
    let lines = error.lines.unwrap_or(Lines { first: 0, last: 0 });
    let node = parse.tree.instructions.iter().find(|node| node.lines.first == lines.first);
    node.is_some_and(|node| node.original.contains('$'))
}

/// The store's images; others are assumed to exist, and to be empty.
struct Offline<'a> {
    bases: &'a StoreBases<'a>,
    options: &'a BuildOptions,
    /// An image was requested that is not in the store.
    guessed: Cell<bool>,
}

impl Offline<'_> {
    fn guess(&self, name: String, platform: &Platform) -> BaseImage {
        self.guessed.set(true);
        BaseImage { name, config: ImageConfig::scratch(platform), layers: Vec::new(), digest: String::new() }
    }
}

impl Bases for Offline<'_> {
    fn image(&self, reference: &Reference, platform: &Platform) -> Result<BaseImage, BaseError> {
        let known = self.bases.stored(reference, platform)?;
        Ok(known.unwrap_or_else(|| self.guess(reference.to_string(), platform)))
    }

    fn named_context(&self, name: &str, platform: &Platform) -> Result<Option<NamedContext>, BaseError> {
        match super::named::find(&self.options.named_contexts, name) {
            Some((_, NamedContextSource::Image(reference))) => {
                Ok(Some(NamedContext::Image(Box::new(self.image(reference, platform)?))))
            }
            // The content of a layout is known only after it has been loaded.
            Some((_, NamedContextSource::OciLayout { .. })) => {
                Ok(Some(NamedContext::Image(Box::new(self.guess(name.to_owned(), platform)))))
            }
            Some((_, NamedContextSource::Directory(_) | NamedContextSource::Remote(_))) => {
                Ok(Some(NamedContext::Directory))
            }
            Some((given, NamedContextSource::Built(images))) => {
                Ok(Some(NamedContext::Image(Box::new(super::bases::built(given, images, platform)?))))
            }
            Some((_, NamedContextSource::Nothing)) => Ok(Some(NamedContext::Nothing)),
            None => Ok(None),
        }
    }
}
