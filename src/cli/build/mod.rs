//! `rbuild build`, or `rbuild` alone.

mod arguments;
mod caches;
mod call;
mod engine;
mod limits;
mod outputs;
mod settled;
pub(super) mod telemetry;
pub(super) mod values;
pub(super) mod warnings;
mod watch;

pub mod debug;
pub mod explain;
pub mod parse;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::boolean;
use crate::base::rights::{self, NoRights};
use crate::build::solve::Cancellation;
use crate::build::{self, BuildError, BuildOptions, BuildResult, Observer};
use crate::cli::global::Global;
use crate::cli::image::pull::with_hint;
use crate::cli::progress::{Built, BuiltImage, Part, ProgressMode, raw_json};
use crate::cli::{CliError, builder_registries, output, report};
use crate::engine::builders::{Builders, Origin};
use crate::engine::history::Recorder;
use crate::engine::image::info::layer_size;
use crate::image::{Descriptor, Reference};
use crate::store::{self, FetchError, Store};
use crate::transport::registry::Pushed;
use crate::transport::transfer::{self, LayerForm, LayerFormat};

pub use arguments::{Args, context_source, dockerfile_source};
pub use call::{Answered, Call, Format};
pub(super) use engine::{engine_of, warn_of_no_output, work_for};

/// Whether a first word that is not a command can be a build context.
pub fn can_be_built(word: &str) -> bool {
    word == "-" || std::path::Path::new(word).exists() || values::remote(word).is_some()
}

/// A shell's exit code for an interrupted program.
const INTERRUPTED: u8 = 130;

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let mode = ProgressMode::wanted(args.progress, args.quiet)?;
    let global = &args.settled.builder.meant(global)?;
    let mut options = args.options()?;
    let goes_nowhere = work_for(&mut options, global, engine_of(global));
    builder_registries::configure(&mut options.registry, global)?;
    let call = args.call()?;
    if let Some(call) = call {
        return call.run(&global.open_store()?, &options, args.metadata_file.as_deref());
    }
    if goes_nowhere {
        warn_of_no_output(global, "");
    }
    let session = Session { report: args.report.clone(), ..Session::new(global, mode)? };
    if args.metadata_file.is_some() {
        note_origin(&options, "default", global);
    }
    if args.watches() {
        return watch::run(&args, &session, &options);
    }
    let built = session.build(&options, build_error, |result| write_facts(&args, &session.store, &options, result));
    match built {
        Err(error) if args.opens_shell() && !session.is_interrupted() && !rights::are_deferred() => {
            error.report();
            debug::after_failure(&session.store, &options);
            Ok(ExitCode::from(error.code()))
        }
        built => built.map(|()| ExitCode::SUCCESS),
    }
}

/// The store, and the settings for showing and interrupting builds.
pub struct Session {
    pub store: Store,
    pub mode: ProgressMode,
    pub cancellation: Arc<Cancellation>,
    max_store: Option<u64>,
    /// The file for a report of the build.
    report: Option<PathBuf>,
}

impl Session {
    pub fn new(global: &Global, mode: ProgressMode) -> Result<Self, CliError> {
        let store = global.open_store()?;
        let cancellation = Arc::new(Cancellation::default());
        cancel_on_interrupt(&cancellation)?;
        Ok(Self { store, mode, cancellation, max_store: global.max_store, report: None })
    }

    /// Builds and shows progress. `finish` does the rest of the work before the result is reported.
    pub fn build(
        &self,
        options: &BuildOptions,
        worded: impl FnOnce(BuildError) -> CliError,
        finish: impl FnOnce(&BuildResult) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let display = self.mode.display();
        let part = Part::of(&display, None);
        let recorder = Recorder::begin(&self.store, options, &part);
        let built = self.execute(options, &recorder)?;
        let record = recorder.end(built.as_ref());
        telemetry::tell(&self.store, &record.id);
        let reported = self.report.as_deref().map_or(Ok(()), |path| report::write_to(&self.store, &record, path));
        let result = match built.map_err(worded) {
            Ok(result) => result,
            Err(error) => {
                if let Err(unwritten) = reported {
                    output::say(format_args!("warning: {}", unwritten.message()));
                }
                part.failed(error.message());
                display.close();
                // What `debug` enters must survive a power loss too.
                self.sync(record.has_log);
                return Err(self.worded(error));
            }
        };
        self.sync(result.made_layers);
        reported?;
        finish(&result)?;
        if !self.mode.is_silent() {
            part.built(built_of(&self.store, options, &result));
        } else if self.mode == ProgressMode::Quiet {
            output::print(&format!("{}\n", identity(&self.store, &result)?))?;
        }
        display.close();
        Ok(())
    }

    /// Without rights it is only probed. What is not known already, the process with rights has to do; the error says so
    /// to the start of the program.
    fn execute(
        &self,
        options: &BuildOptions,
        observer: &dyn Observer,
    ) -> Result<Result<BuildResult, BuildError>, NoRights> {
        if rights::are_deferred() {
            match build::probe(&self.store, options, observer, &self.cancellation) {
                Some(result) if !rights::were_missed() => return Ok(Ok(result)),
                _ if self.is_interrupted() => return Ok(Err(BuildError::Cancelled)),
                _ => {}
            }
        }
        Ok(build::build(&self.store, rights::held()?, options, observer, &self.cancellation))
    }

    /// Whether the user has cancelled.
    pub fn is_interrupted(&self) -> bool {
        self.cancellation.is_cancelled()
    }

    /// The error in the format of the progress.
    pub fn worded(&self, error: CliError) -> CliError {
        if self.mode == ProgressMode::RawJson { error.in_words_of_buildx() } else { error }
    }

    /// Syncs the results in the background, so that they survive a power loss.
    pub fn sync(&self, made_layers: bool) {
        if made_layers && let Err(error) = store::sync_in_background(self.store.root(), self.max_store) {
            output::say(format_args!("warning: what was built would not survive a power loss: {error}"));
        }
    }
}

pub(super) fn build_error(error: BuildError) -> CliError {
    match error {
        BuildError::Cancelled => CliError::new("the build was cancelled").exit_code(INTERRUPTED),
        BuildError::LintViolations { message, findings } => {
            CliError::new(format!("{message}\n\n{}", findings.excerpts().join("\n\n")))
        }
        BuildError::Registry(error) => with_hint(error),
        BuildError::NoDockerfile { ref names, .. } => {
            let hint = names.hint();
            CliError::from(error).hint_if(hint)
        }
        BuildError::Policy { .. } => CliError::from(error)
            .hint("to build without it: `--policy disabled=true`, or `bake --set NAME.policy=disabled=true`"),
        BuildError::Located(located) => {
            let printed = located.printed().unwrap_or_default().to_owned();
            let of_layer = FetchError::among(located.cause.error()).map(|error| error.hint().to_owned());
            CliError::new(located.text).printed(printed).hint_if(located.hint.or(of_layer))
        }
        other => other.into(),
    }
}

/// Writes facts about the result to the requested files.
fn write_facts(args: &Args, store: &Store, options: &BuildOptions, result: &BuildResult) -> Result<(), CliError> {
    if args.iidfile.is_none() && args.metadata_file.is_none() {
        return Ok(());
    }
    let id = identity(store, result)?;
    if let Some(path) = &args.iidfile {
        crate::transport::archive::write_file(path, |out| {
            use std::io::Write as _;
            out.write_all(id.as_bytes()).map_err(|source| write_error(path, source))
        })?;
    }
    if let Some(path) = &args.metadata_file {
        write_metadata(path, &metadata(store, options, result)?)?;
    }
    Ok(())
}

pub(super) fn write_metadata(path: &Path, metadata: &serde_json::Value) -> Result<(), CliError> {
    let text = format!("{metadata:#}\n");
    Ok(crate::transport::archive::write_file(path, |out| {
        use std::io::Write as _;
        out.write_all(text.as_bytes()).map_err(|source| write_error(path, source))
    })?)
}

/// Records the sources of a build where docker's actions look for them, under the reference in the metadata. A failed
/// build has no metadata, and they find the sources there.
pub(super) fn note_origin(options: &BuildOptions, target: &str, global: &Global) {
    let Ok(engine) = global.engine_in_use() else { return };
    let (local_path, dockerfile_path) = options.places();
    let origin = Origin { target: target.to_owned(), local_path, dockerfile_path };
    // Only the annotations of a workflow need it.
    let _ = Builders::beside(&engine).note_build(&options.reference, &origin);
}

/// The ID of the image, or the digest of the index.
pub(super) fn identity(store: &Store, result: &BuildResult) -> Result<String, CliError> {
    if !result.is_index() {
        return Ok(result.id().to_string());
    }
    Ok(index_of(store, result)?.digest.to_string())
}

/// The descriptor of the index of several images.
fn index_of(store: &Store, result: &BuildResult) -> Result<Descriptor, CliError> {
    manifest_of(store, result, LayerFormat::Gzip)
}

/// The descriptor of the index or manifest. Its digest requires compressed layers.
pub(super) fn manifest_of(store: &Store, result: &BuildResult, format: LayerFormat) -> Result<Descriptor, CliError> {
    let documents = transfer::documents(store, &result.outgoing, LayerForm::Blobs(format))?;
    Ok(documents.top().clone())
}

/// Facts about the result, under buildx's names.
pub(super) fn metadata(
    store: &Store,
    options: &BuildOptions,
    result: &BuildResult,
) -> Result<serde_json::Value, CliError> {
    let names: Vec<String> = options.tags.iter().map(ToString::to_string).collect();
    let mut facts = serde_json::Map::new();
    if result.is_index() {
        let index = index_of(store, result)?;
        facts.insert("containerimage.descriptor".to_owned(), serde_json::json!(index));
        facts.insert("containerimage.digest".to_owned(), serde_json::json!(index.digest));
    } else {
        facts.insert("containerimage.config.digest".to_owned(), serde_json::json!(result.id()));
        facts.insert("containerimage.digest".to_owned(), serde_json::json!(result.id()));
    }
    if let Some(pushed) = result.pushed.first() {
        let Pushed { digest, media_type, size, .. } = pushed;
        let descriptor = serde_json::json!({"mediaType": media_type, "digest": digest, "size": size});
        facts.insert("containerimage.descriptor".to_owned(), descriptor);
        facts.insert("containerimage.digest".to_owned(), serde_json::json!(digest));
    }
    facts.insert("buildx.build.ref".to_owned(), serde_json::Value::from(options.reference.as_str()));
    let wants_warnings = std::env::var("BUILDX_METADATA_WARNINGS").is_ok_and(|wanted| boolean(&wanted) == Some(true));
    if wants_warnings && !result.findings.warnings.is_empty() {
        let warnings = raw_json::warnings(&result.findings);
        facts.insert("buildx.build.warnings".to_owned(), serde_json::Value::from(warnings));
    }
    facts.insert("image.name".to_owned(), serde_json::Value::from(names.join(",")));
    Ok(serde_json::Value::Object(facts))
}

/// The result, for reporting.
pub(super) fn built_of(store: &Store, options: &BuildOptions, result: &BuildResult) -> Built {
    let pushed = result.pushed.iter();
    let pushed = pushed.map(|pushed| format!("{} with the digest {}", pushed.name.familiar(), pushed.digest)).collect();
    if !options.keep && !options.load {
        return Built { pushed, ..Built::default() };
    }
    let images = result.images.iter().map(|image| BuiltImage {
        id: image.id.to_string(),
        short_id: image.id.short().to_string(),
        platform: result.is_index().then(|| image.platform.to_string()),
        size: image.config.rootfs.diff_ids.iter().map(|diff_id| layer_size(store, diff_id)).sum(),
    });
    Built { images: images.collect(), names: options.tags.iter().map(Reference::familiar).collect(), pushed }
}

fn write_error(path: &std::path::Path, source: std::io::Error) -> crate::base::io_error::IoError {
    crate::base::io_error::IoError { action: "write", path: path.to_owned(), source }
}

/// How long a build may take to end cleanly after a Ctrl-C. After that, what waits for the network ends with the
/// process, as after a kill: partial results do not count.
const GRACE: Duration = Duration::from_secs(3);

/// Signals within this time count as one: timeout(1) signals the process, and then its group.
const SAME_SIGNAL: Duration = Duration::from_millis(500);

/// The first Ctrl-C cancels the build, a second one ends the process.
fn cancel_on_interrupt(cancellation: &Arc<Cancellation>) -> Result<(), CliError> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])
        .map_err(|error| CliError::new(format!("cannot watch for signals: {error}")))?;
    let cancellation = cancellation.clone();
    std::thread::spawn(move || {
        let mut cancelled: Option<Instant> = None;
        for _ in signals.forever() {
            match cancelled {
                Some(at) if at.elapsed() < SAME_SIGNAL => continue,
                Some(_) => {
                    output::area::leave();
                    std::process::exit(i32::from(INTERRUPTED));
                }
                None => cancellation.cancel(),
            }
            cancelled = Some(Instant::now());
            std::thread::spawn(|| {
                std::thread::sleep(GRACE);
                output::area::leave();
                output::say("error: the build was cancelled");
                std::process::exit(i32::from(INTERRUPTED));
            });
        }
    });
    Ok(())
}
