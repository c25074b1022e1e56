//! Writes the result: to the store, an archive, a folder.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use crate::base::foreign::Folder;
use crate::base::io_error::{AtPath, IoError};
use crate::base::outgoing;
use crate::base::privacy;
use crate::image::layer;
use crate::store::Store;
use crate::store::snapshot::{self, Stack, View, export_folder, export_tar_folders, first_conflict, remove_others};
use crate::transport::archive::{self, NamedImage, SaveFormat};
use crate::transport::transfer::{compressed_blob, make_all_present};

use crate::build::solve::Progress;

use super::built::{BuildResult, BuiltImage};
use super::error::BuildError;
use super::options::{BuildOptions, Output, OutputKind};
use super::platforms::makes_index;

/// Refuses outputs that could not be written, before anything is executed.
pub(super) fn check(options: &BuildOptions) -> Result<(), BuildError> {
    let is_index = makes_index(options);
    let takes_no_index = options.load && !options.engine.as_ref().is_some_and(|engine| engine.takes_indexes());
    if is_index && (takes_no_index || options.outputs.iter().any(|output| output.kind == OutputKind::Docker)) {
        return Err(BuildError::OneImageOnly);
    }
    if !is_index && options.annotations.speak_of_index() {
        return Err(BuildError::NoIndexToAnnotate);
    }
    Ok(())
}

pub(super) fn write(
    store: &Store,
    options: &BuildOptions,
    result: &BuildResult,
    progress: &dyn Progress,
) -> Result<(), BuildError> {
    for diff_id in result.images.iter().flat_map(|image| &image.config.rootfs.diff_ids) {
        if let Some(format) = options.force_compression {
            compressed_blob(store, diff_id, format)?;
        }
        if options.unpack {
            snapshot::unpack(store, diff_id)?;
        }
    }
    for output in &options.outputs {
        write_one(store, options, result, output)?;
    }
    if let Some(engine) = options.engine.as_ref().filter(|_| options.load) {
        engine.load(store, result, &options.tags, progress)?;
    }
    if options.keep {
        for image in &result.images {
            store.add_image(&image.id, None)?;
        }
        for tag in &options.tags {
            store.write_tag(&result.outgoing.to_tag(&tag.to_string()))?;
        }
    }
    Ok(())
}

fn write_one(store: &Store, options: &BuildOptions, result: &BuildResult, output: &Output) -> Result<(), BuildError> {
    let names = if output.names.is_empty() { &options.tags } else { &output.names };
    let image = NamedImage { image: result.outgoing.clone(), names: names.clone() };
    if matches!(output.kind, OutputKind::Docker | OutputKind::Oci | OutputKind::OciFolder) {
        // All layers at once and before anything is written: one that can't be fetched is made again.
        for image in &result.images {
            make_all_present(store, &image.config.rootfs.diff_ids)?;
        }
    }
    match output.kind {
        OutputKind::Docker => save(store, &image, SaveFormat::Docker, &output.destination),
        OutputKind::Oci => save(store, &image, SaveFormat::Oci(output.format), &output.destination),
        OutputKind::OciFolder => save_to_folder(store, &image, output),
        OutputKind::Tar => {
            let views = views(store, result, output)?;
            let views: Vec<(PathBuf, &View)> = views.iter().map(|(folder, view)| (folder.clone(), view)).collect();
            to_file_or_stdout(&output.destination, |out| Ok(export_tar_folders(&views, out)?))
        }
        OutputKind::Local => {
            let views = views(store, result, output)?;
            let destination = outgoing::folder(&output.destination)?;
            for (folder, view) in &views {
                export_folder(view, place_of(destination.itself()?.folder()?, folder.as_os_str())?)?;
            }
            if output.deletes {
                remove_others(&views, &destination)?;
            }
            Ok(())
        }
    }
}

fn save(store: &Store, image: &NamedImage, format: SaveFormat, destination: &Path) -> Result<(), BuildError> {
    let images = std::slice::from_ref(image);
    if destination == Path::new("-") {
        archive::save(store, images, format, std::io::stdout())?;
        return Ok(());
    }
    Ok(archive::save_to_file(store, images, format, destination)?)
}

/// The folder of a platform in the destination; the destination itself if there is only one. A link of that name is not
/// followed.
fn place_of(destination: Folder, name: &OsStr) -> Result<Folder, IoError> {
    if name.is_empty() {
        return Ok(destination);
    }
    if destination.stat(name)?.is_some_and(|stat| FileType::from_raw_mode(stat.st_mode) != FileType::Directory) {
        destination.remove(name)?;
    }
    destination.made_folder(name, privacy::callers_folder_mode())
}

/// Unpacks the archive while it is written.
fn save_to_folder(store: &Store, image: &NamedImage, output: &Output) -> Result<(), BuildError> {
    let (destination, format) = (outgoing::folder(&output.destination)?, SaveFormat::Oci(output.format));
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).at("create", "a pipe")?;
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            archive::save(store, std::slice::from_ref(image), format, BufWriter::new(File::from(write))).map(drop)
        });
        let unpacked = layer::unpack_files(File::from(read), destination, layer::ArchiveLimits::default());
        match writer.join() {
            Ok(saved) => saved?,
            Err(panic) => std::panic::resume_unwind(panic),
        }
        unpacked?;
        Ok(())
    })
}

/// The root filesystems, each with its folder: that of its platform, such as `linux_arm64`, or the root.
fn views(store: &Store, result: &BuildResult, output: &Output) -> Result<Vec<(PathBuf, View)>, BuildError> {
    let mut views = Vec::new();
    for image in &result.images {
        let layers = Stack::of_image(&image.config.rootfs.diff_ids).unpacked(store)?;
        views.push(View::of_layers(&layers)?);
    }
    let split = result.is_index() && output.split_platforms;
    if !split && let Some(path) = first_conflict(&views)? {
        return Err(BuildError::PlatformsConflict { path });
    }
    let folder = |image: &BuiltImage| match split {
        true => PathBuf::from(image.platform.to_string().replace('/', "_")),
        false => PathBuf::new(),
    };
    Ok(result.images.iter().map(folder).zip(views).collect())
}

fn to_file_or_stdout(
    destination: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), BuildError>,
) -> Result<(), BuildError> {
    if destination == Path::new("-") {
        return write(&mut std::io::stdout().lock());
    }
    archive::write_file(destination, |out: &mut BufWriter<File>| write(out))
}
