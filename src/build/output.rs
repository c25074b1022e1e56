//! Where the result goes: into the store, an archive, a folder.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::archive::{self, NamedImage, SaveFormat};
use crate::io_error::AtPath;
use crate::layer;
use crate::snapshot::{Stack, View, export_folder, export_tar};
use crate::store::Store;
use crate::transfer::{LayerFormat, Outgoing};

use super::error::BuildError;
use super::options::{BuildOptions, Output, OutputKind};
use super::result::BuildResult;

/// As buildx writes it: compressed, because it is meant to travel.
const OCI: SaveFormat = SaveFormat::Oci(LayerFormat::Gzip);

pub(super) fn write(store: &Store, options: &BuildOptions, result: &BuildResult) -> Result<(), BuildError> {
    for output in &options.outputs {
        write_one(store, options, result, output)?;
    }
    if options.keep {
        store.add_image(&result.id, None)?;
        for tag in &options.tags {
            store.set_tag(&tag.to_string(), &result.id)?;
        }
    }
    Ok(())
}

fn write_one(store: &Store, options: &BuildOptions, result: &BuildResult, output: &Output) -> Result<(), BuildError> {
    let image = NamedImage { image: Outgoing::single(result.id), names: options.tags.clone() };
    match output.kind {
        OutputKind::Docker => save(store, &image, SaveFormat::Docker, &output.destination),
        OutputKind::Oci => save(store, &image, OCI, &output.destination),
        OutputKind::OciFolder => save_to_folder(store, &image, &output.destination),
        OutputKind::Tar => {
            let view = view(store, result)?;
            to_file_or_stdout(&output.destination, |out| Ok(export_tar(&view, out)?))
        }
        OutputKind::Local => Ok(export_folder(&view(store, result)?, &output.destination)?),
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

/// The archive, unpacked while it is written.
fn save_to_folder(store: &Store, image: &NamedImage, destination: &Path) -> Result<(), BuildError> {
    std::fs::create_dir_all(destination).at("create", destination)?;
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).at("create", "a pipe")?;
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            archive::save(store, std::slice::from_ref(image), OCI, BufWriter::new(File::from(write))).map(drop)
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

fn view(store: &Store, result: &BuildResult) -> Result<View, BuildError> {
    let layers = Stack::of_image(&result.config.rootfs.diff_ids).unpacked(store)?;
    Ok(View::open(&layers)?)
}

fn to_file_or_stdout(
    destination: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), BuildError>,
) -> Result<(), BuildError> {
    if destination == Path::new("-") {
        return write(&mut std::io::stdout().lock());
    }
    archive::write_file(destination, |out: &mut BufWriter<File>| write(out))?;
    std::fs::metadata(destination).at("read", destination)?;
    Ok(())
}
