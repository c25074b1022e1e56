//! `rbuild manifest ...`: manifests in registries, and lists of them.

mod inspect;

use std::process::ExitCode;

use clap::Subcommand;

use crate::cli::CliError;
use crate::cli::global::Global;
use crate::cli::image::pull::with_hint;
use crate::cli::output::{self, Stream};
use crate::cli::transfers::{self, Kind};
use crate::image::Reference;
use crate::transport::registry::{Client, ListEntry, ManifestList, Progress, Settings, Silent};

/// Manage manifests and lists of manifests
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: ManifestCommand,
}

#[derive(Debug, Subcommand)]
enum ManifestCommand {
    /// Say what platform an image of a list is for
    Annotate(AnnotateArgs),
    /// Make a list of images that are in registries
    Create(CreateArgs),
    /// Show a manifest or a list
    Inspect(inspect::Args),
    /// Push a list to the registry of its name
    Push(PushArgs),
    /// Forget lists
    Rm(RemoveArgs),
}

#[derive(Debug, clap::Args)]
struct AnnotateArgs {
    #[arg(value_name = "MANIFEST_LIST")]
    list: Reference,
    #[arg(value_name = "MANIFEST")]
    manifest: Reference,
    /// The architecture of that image
    #[arg(long, value_name = "ARCHITECTURE")]
    arch: Option<String>,
    /// The operating system of that image
    #[arg(long, value_name = "OS")]
    os: Option<String>,
    /// The version of its operating system
    #[arg(long, value_name = "VERSION")]
    os_version: Option<String>,
    /// A feature that its operating system needs
    #[arg(long, value_name = "FEATURE", value_delimiter = ',')]
    os_features: Vec<String>,
    /// The architecture's variant, such as v7
    #[arg(long, value_name = "VARIANT")]
    variant: Option<String>,
}

#[derive(Debug, clap::Args)]
struct CreateArgs {
    #[arg(value_name = "MANIFEST_LIST")]
    list: Reference,
    #[arg(value_name = "MANIFEST", required = true)]
    manifests: Vec<Reference>,
    /// Add to a list that is there
    #[arg(short, long)]
    amend: bool,
    /// Speak plain HTTP, and take certificates that nobody vouches for
    #[arg(long)]
    insecure: bool,
}

#[derive(Debug, clap::Args)]
struct PushArgs {
    #[arg(value_name = "MANIFEST_LIST")]
    list: Reference,
    /// Forget the list when it is pushed
    #[arg(short, long)]
    purge: bool,
    /// Speak plain HTTP, and take certificates that nobody vouches for
    #[arg(long)]
    insecure: bool,
}

#[derive(Debug, clap::Args)]
struct RemoveArgs {
    #[arg(value_name = "MANIFEST_LIST", required = true)]
    lists: Vec<Reference>,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    // Next to the store's own folders: it contains only names and digests.
    let folder = global.store_root()?.join("manifests");
    match args.command {
        ManifestCommand::Annotate(args) => annotate(&args, &folder)?,
        ManifestCommand::Create(args) => create(&args, &folder)?,
        ManifestCommand::Inspect(args) => inspect::run(&args, &folder)?,
        ManifestCommand::Push(args) => push(&args, &folder)?,
        ManifestCommand::Rm(args) => remove(&args, &folder)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The user's settings, with some hosts marked insecure.
fn client(insecure: bool, names: &[&Reference]) -> Result<Client, CliError> {
    let mut settings = Settings::from_environment()?;
    if insecure {
        settings.allow_insecure(names.iter().map(|name| name.domain()));
    }
    Ok(Client::new(&settings)?)
}

fn no_list(name: &Reference) -> CliError {
    CliError::new(format!("no such manifest list: {}", name.familiar())).hint("make it with `rbuild manifest create`")
}

fn create(args: &CreateArgs, folder: &std::path::Path) -> Result<(), CliError> {
    let known = ManifestList::read(folder, &args.list)?;
    if known.is_some() && !args.amend {
        let text = format!("refusing to amend the manifest list {}, which is there already", args.list.familiar());
        return Err(CliError::new(text).hint("add --amend"));
    }
    let mut list = known.unwrap_or_else(|| ManifestList::new(&args.list));
    let names: Vec<&Reference> = args.manifests.iter().chain([&args.list]).collect();
    let client = client(args.insecure, &names)?;
    for name in &args.manifests {
        list.add(&client, name).map_err(with_hint)?;
    }
    list.write(folder)?;
    Ok(output::print(&format!("Created manifest list {}\n", list.name))?)
}

fn annotate(args: &AnnotateArgs, folder: &std::path::Path) -> Result<(), CliError> {
    let mut list = ManifestList::read(folder, &args.list)?.ok_or_else(|| no_list(&args.list))?;
    let wanted = args.manifest.to_string();
    let digest = args.manifest.blob_digest();
    let is_wanted = |entry: &&mut ListEntry| entry.name == wanted || Some(entry.descriptor.digest) == digest;
    let mut found = list.entries.iter_mut().filter(is_wanted).peekable();
    if found.peek().is_none() {
        let text = format!("manifest for image {} does not exist in {}", wanted, args.list.familiar());
        return Err(CliError::new(text));
    }
    for entry in found {
        let platform = entry.descriptor.platform.get_or_insert_default();
        let set = |field: &mut String, value: &Option<String>| {
            if let Some(value) = value {
                field.clone_from(value);
            }
        };
        set(&mut platform.os, &args.os);
        set(&mut platform.architecture, &args.arch);
        set(&mut platform.os_version, &args.os_version);
        set(&mut platform.variant, &args.variant);
        platform_check(&platform.os, &platform.architecture)?;
        for feature in &args.os_features {
            if !platform.os_features.contains(feature) {
                platform.os_features.push(feature.clone());
            }
        }
    }
    Ok(list.write(folder)?)
}

/// docker has a list of pairs, and Go keeps adding some; a word unknown to Go is a typo.
fn platform_check(os: &str, architecture: &str) -> Result<(), CliError> {
    const SYSTEMS: &str =
        "aix android darwin dragonfly freebsd illumos ios js linux netbsd openbsd plan9 solaris wasip1 windows";
    const ARCHITECTURES: &str =
        "386 amd64 arm arm64 loong64 mips mips64 mips64le mipsle ppc64 ppc64le riscv64 s390x wasm";
    let is_in = |all: &str, word: &str| all.split(' ').any(|known| known == word);
    if is_in(SYSTEMS, os) && is_in(ARCHITECTURES, architecture) {
        return Ok(());
    }
    Err(CliError::new(format!("manifest entry for image has unsupported os/arch combination: {os}/{architecture}")))
}

fn push(args: &PushArgs, folder: &std::path::Path) -> Result<(), CliError> {
    let list = ManifestList::read(folder, &args.list)?.ok_or_else(|| no_list(&args.list))?;
    let nameless = list.entries.iter().find(|entry| {
        entry
            .descriptor
            .platform
            .as_ref()
            .is_none_or(|platform| platform.os.is_empty() || platform.architecture.is_empty())
    });
    if let Some(entry) = nameless {
        let text = format!("manifest {} must have an OS and an architecture to be pushed", entry.name);
        return Err(CliError::new(text).hint("say them with `rbuild manifest annotate --os OS --arch ARCH`"));
    }
    let names: Vec<Reference> = list.entries.iter().filter_map(|entry| entry.name.parse().ok()).collect();
    let names: Vec<&Reference> = names.iter().chain([&args.list]).collect();
    let client = client(args.insecure, &names)?;
    let display: Box<dyn Progress> = match Stream::Output.is_terminal() {
        true => transfers::display(Kind::Push, false),
        false => Box::new(Silent),
    };
    let pushed = list.push(&client, display.as_ref());
    drop(display);
    let (digest, _) = pushed.map_err(with_hint)?;
    // The images that were copied into the list's repository.
    let repository = args.list.repository();
    for (entry, _) in list.entries.iter().zip(&names).filter(|(_, name)| name.repository() != repository) {
        let digest = &entry.descriptor.digest;
        output::print(&format!("Pushed ref {repository}@{digest} with digest: {digest}\n"))?;
    }
    output::print(&format!("{digest}\n"))?;
    if args.purge {
        ManifestList::remove(folder, &args.list)?;
    }
    Ok(())
}

fn remove(args: &RemoveArgs, folder: &std::path::Path) -> Result<(), CliError> {
    let mut missing = Vec::new();
    for name in &args.lists {
        if !ManifestList::remove(folder, name)? {
            missing.push(no_list(name));
        }
    }
    CliError::all(missing).map_or(Ok(()), Err)
}
