//! `rbuild build`, or `rbuild` alone.

mod arguments;
mod caches;
mod call;
mod outputs;
mod settled;
pub(super) mod values;
mod warnings;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use super::CliError;
use super::commands::Global;
use super::progress::{self, ProgressMode};
use super::pull::with_hint;
use crate::build::{self, BuildError, BuildOptions, BuildResult};
use crate::image::Descriptor;
use crate::registry::Pushed;
use crate::rights;
use crate::solve::Cancellation;
use crate::store::{self, Store};
use crate::transfer::{self, LayerForm, LayerFormat};

pub use arguments::Args;

/// As a shell gives it for a program that was interrupted.
const INTERRUPTED: u8 = 130;

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let options = args.options()?;
    let call = args.call()?;
    let store = global.open_store()?;
    if let Some(call) = call {
        return call.run(&store, &options);
    }
    let quiet = args.quiet || args.progress == ProgressMode::Quiet;
    let observer = progress::observer(if quiet { ProgressMode::Quiet } else { args.progress });
    let cancellation = Arc::new(Cancellation::default());
    cancel_on_interrupt(&cancellation)?;
    let built = build::build(&store, &options, observer.as_ref(), &cancellation);
    if built.is_err() && !cancellation.is_cancelled() {
        // It may be for want of them.
        rights::need();
    }
    drop(observer);
    let result = built.map_err(build_error)?;
    if result.made_layers
        && let Err(error) = store::sync_in_background(store.root(), global.max_store)
    {
        eprintln!("warning: what was built would not survive a power loss: {error}");
    }
    report(&args, &store, &options, &result)?;
    announce(&store, &options, &result, quiet)?;
    Ok(ExitCode::SUCCESS)
}

fn build_error(error: BuildError) -> CliError {
    match error {
        BuildError::Cancelled => CliError::new("the build was cancelled").exit_code(INTERRUPTED),
        BuildError::LintViolations { message, findings } => {
            CliError::new(format!("{message}\n\n{}", findings.excerpts().join("\n\n")))
        }
        BuildError::Registry(error) => with_hint(error),
        other => other.into(),
    }
}

/// Writes down what was made where the user wants it.
fn report(args: &Args, store: &Store, options: &BuildOptions, result: &BuildResult) -> Result<(), CliError> {
    if args.iidfile.is_none() && args.metadata_file.is_none() {
        return Ok(());
    }
    let id = identity(store, result)?;
    if let Some(path) = &args.iidfile {
        crate::archive::write_file(path, |out| {
            use std::io::Write as _;
            out.write_all(id.as_bytes()).map_err(|source| write_error(path, source))
        })?;
    }
    if let Some(path) = &args.metadata_file {
        let metadata = metadata(store, options, result)?;
        let text = format!("{metadata:#}\n");
        crate::archive::write_file(path, |out| {
            use std::io::Write as _;
            out.write_all(text.as_bytes()).map_err(|source| write_error(path, source))
        })?;
    }
    Ok(())
}

/// The ID of the image, or the digest of the index.
fn identity(store: &Store, result: &BuildResult) -> Result<String, CliError> {
    if !result.is_index() {
        return Ok(result.id().to_string());
    }
    Ok(index_of(store, result)?.digest.to_string())
}

/// The index of several images. Its digest can't be known before their layers are compressed.
fn index_of(store: &Store, result: &BuildResult) -> Result<Descriptor, CliError> {
    let documents = transfer::documents(store, &result.outgoing, LayerForm::Blobs(LayerFormat::Gzip))?;
    Ok(documents.top().clone())
}

/// Facts about the result, under the names that buildx has for them.
fn metadata(store: &Store, options: &BuildOptions, result: &BuildResult) -> Result<serde_json::Value, CliError> {
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
    facts.insert("image.name".to_owned(), serde_json::Value::from(names.join(",")));
    Ok(serde_json::Value::Object(facts))
}

/// Tells what was made, and what the lint has to say of it.
fn announce(store: &Store, options: &BuildOptions, result: &BuildResult, quiet: bool) -> Result<(), CliError> {
    if quiet {
        println!("{}", identity(store, result)?);
        return Ok(());
    }
    for pushed in &result.pushed {
        eprintln!("pushed {} with the digest {}", pushed.name.familiar(), pushed.digest);
    }
    if options.keep {
        for image in &result.images {
            let platform = if result.is_index() { format!(" for {}", image.platform) } else { String::new() };
            eprintln!("built {}{platform}", image.id.short());
        }
        for tag in &options.tags {
            eprintln!("named {}", tag.familiar());
        }
    }
    warnings::print(&result.findings);
    Ok(())
}

fn write_error(path: &std::path::Path, source: std::io::Error) -> crate::io_error::IoError {
    crate::io_error::IoError { action: "write", path: path.to_owned(), source }
}

/// How long a build may take to end in good order after a Ctrl-C. What waits for the network longer ends with the
/// process, as after a kill: nothing that is half there counts.
const GRACE: Duration = Duration::from_secs(3);

/// The first Ctrl-C stops the build in good order, a second one ends the process.
fn cancel_on_interrupt(cancellation: &Arc<Cancellation>) -> Result<(), CliError> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])
        .map_err(|error| CliError::new(format!("cannot watch for signals: {error}")))?;
    let cancellation = cancellation.clone();
    std::thread::spawn(move || {
        for (count, _) in signals.forever().enumerate() {
            if count > 0 {
                std::process::exit(i32::from(INTERRUPTED));
            }
            cancellation.cancel();
            std::thread::spawn(|| {
                std::thread::sleep(GRACE);
                eprintln!("error: the build was cancelled");
                std::process::exit(i32::from(INTERRUPTED));
            });
        }
    });
    Ok(())
}
