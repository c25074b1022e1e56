//! `rbuild build`, or `rbuild` alone.

mod arguments;
mod call;
pub(super) mod values;
mod warnings;

use std::process::ExitCode;
use std::sync::Arc;

use super::CliError;
use super::commands::Global;
use super::progress::{self, ProgressMode};
use crate::build::{self, BuildError, BuildOptions, BuildResult};
use crate::solve::Cancellation;
use crate::store;

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
    drop(observer);
    let result = built.map_err(build_error)?;
    if result.made_layers
        && let Err(error) = store::sync_in_background(store.root())
    {
        eprintln!("warning: what was built would not survive a power loss: {error}");
    }
    report(&args, &options, &result)?;
    announce(&options, &result, quiet);
    Ok(ExitCode::SUCCESS)
}

fn build_error(error: BuildError) -> CliError {
    match error {
        BuildError::Cancelled => CliError::new("the build was cancelled").exit_code(INTERRUPTED),
        BuildError::LintViolations { message, findings } => {
            CliError::new(format!("{message}\n\n{}", findings.excerpts().join("\n\n")))
        }
        other => other.into(),
    }
}

/// Writes down what was made where the user wants it.
fn report(args: &Args, options: &BuildOptions, result: &BuildResult) -> Result<(), CliError> {
    let id = result.id.to_string();
    if let Some(path) = &args.iidfile {
        crate::archive::write_file(path, |out| {
            use std::io::Write as _;
            out.write_all(id.as_bytes()).map_err(|source| write_error(path, source))
        })?;
    }
    if let Some(path) = &args.metadata_file {
        let names: Vec<String> = options.tags.iter().map(ToString::to_string).collect();
        let metadata = serde_json::json!({
            "containerimage.config.digest": id,
            "image.name": names.join(","),
        });
        let text = format!("{metadata:#}\n");
        crate::archive::write_file(path, |out| {
            use std::io::Write as _;
            out.write_all(text.as_bytes()).map_err(|source| write_error(path, source))
        })?;
    }
    Ok(())
}

/// Tells what was made, and what the lint has to say of it.
fn announce(options: &BuildOptions, result: &BuildResult, quiet: bool) {
    if quiet {
        println!("{}", result.id);
        return;
    }
    if options.keep {
        eprintln!("built {}", result.id.short());
        for tag in &options.tags {
            eprintln!("named {}", tag.familiar());
        }
    }
    warnings::print(&result.findings);
}

fn write_error(path: &std::path::Path, source: std::io::Error) -> crate::io_error::IoError {
    crate::io_error::IoError { action: "write", path: path.to_owned(), source }
}

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
        }
    });
    Ok(())
}
