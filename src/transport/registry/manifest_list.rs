//! Manifest lists that a user assembles from images in registries, stored in files until they are pushed: the lists of
//! `docker manifest`.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::resolve::kind;
use super::{Client, Progress, RegistryError, RemoteManifest, Repository};
use crate::base::digest::BlobDigest;
use crate::base::io_error::AtPath;
use crate::image::media_type::{self, Kind};
use crate::image::{Descriptor, Document, ImageConfig, Index, Manifest, Platform, Reference};

const CONFIG_LIMIT: u64 = 16 << 20;

/// A list by its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ManifestList {
    /// The full name of the index.
    pub name: String,
    pub entries: Vec<ListEntry>,
}

/// An image of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListEntry {
    /// The full name by which it was added.
    pub name: String,
    pub descriptor: Descriptor,
}

impl ManifestList {
    pub fn new(name: &Reference) -> Self {
        Self { name: name.to_string(), entries: Vec::new() }
    }

    /// The list as stored in `folder`, if there is one.
    pub fn read(folder: &Path, name: &Reference) -> Result<Option<Self>, RegistryError> {
        let path = file(folder, name);
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.at("read", &path)?,
        };
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| RegistryError::Configuration { path, reason: error.to_string() })
    }

    /// Stores the list, replacing one with the same name.
    pub fn write(&self, folder: &Path) -> Result<(), RegistryError> {
        std::fs::create_dir_all(folder).at("create", folder)?;
        let name: Reference = self.name.parse().map_err(|error: crate::image::InvalidReference| {
            RegistryError::Configuration { path: folder.to_owned(), reason: error.to_string() }
        })?;
        let path = file(folder, &name);
        let mut temporary = tempfile::NamedTempFile::new_in(folder).at("create a file in", folder)?;
        let text = serde_json::to_vec_pretty(self).expect("a list has string keys only");
        temporary.write_all(&text).at("write", &path)?;
        temporary.persist(&path).map_err(|error| error.error).at("rename", &path)?;
        Ok(())
    }

    /// Deletes the list; false if there was none.
    pub fn remove(folder: &Path, name: &Reference) -> Result<bool, RegistryError> {
        let path = file(folder, name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            removed => Ok(removed.at("remove", &path).map(|()| true)?),
        }
    }

    /// Adds the image of that name, or all images if it is an index. Existing ones are replaced.
    pub fn add(&mut self, client: &Client, name: &Reference) -> Result<(), RegistryError> {
        self.add_those(client, name, |entry| !entry.is_attestation())
    }

    /// The same, with everything that an index lists, including attestations.
    pub fn add_all(&mut self, client: &Client, name: &Reference) -> Result<(), RegistryError> {
        self.add_those(client, name, |_| true)
    }

    fn add_those(
        &mut self,
        client: &Client,
        name: &Reference,
        is_wanted: fn(&Descriptor) -> bool,
    ) -> Result<(), RegistryError> {
        let repository = client.repository(name)?;
        let top = repository.top(name)?;
        let descriptors = match kind(&top) {
            Kind::Index => {
                let index: Document<Index> = Document::parse("index", top.bytes)?;
                index.into_value().manifests.into_iter().filter(is_wanted).collect()
            }
            Kind::Manifest => vec![describe(&repository, top)?],
            Kind::Schema1 => return Err(RegistryError::Schema1 { name: name.familiar() }),
            _ => return Err(RegistryError::NotAnImage { name: name.familiar(), media_type: top.media_type }),
        };
        for descriptor in descriptors {
            let entry = ListEntry { name: name.to_string(), descriptor };
            match self.entries.iter_mut().find(|known| known.descriptor.digest == entry.descriptor.digest) {
                Some(known) => *known = entry,
                None => self.entries.push(entry),
            }
        }
        Ok(())
    }

    /// The index of the list: docker's type if all its manifests have docker's type, otherwise OCI's.
    pub fn index(&self) -> Index {
        let mut index = Index::new(self.entries.iter().map(|entry| entry.descriptor.clone()).collect());
        let is_docker = |entry: &ListEntry| entry.descriptor.media_type == media_type::DOCKER_MANIFEST;
        if !self.entries.is_empty() && self.entries.iter().all(is_docker) {
            index.media_type = media_type::DOCKER_INDEX.to_owned();
        }
        index
    }

    /// Pushes the index, after copying whatever is missing to its repository. Returns its digest and length.
    pub fn push(&self, client: &Client, progress: &dyn Progress) -> Result<(BlobDigest, usize), RegistryError> {
        self.push_as(client, &self.index(), progress)
    }

    /// The same with an index that says more than the list.
    pub fn push_as(
        &self,
        client: &Client,
        index: &Index,
        progress: &dyn Progress,
    ) -> Result<(BlobDigest, usize), RegistryError> {
        let parse = |name: &str| {
            name.parse::<Reference>().map_err(|error| RegistryError::Configuration {
                path: PathBuf::from(&self.name),
                reason: error.to_string(),
            })
        };
        let name = parse(&self.name)?;
        let target = client.repository(&name)?;
        for entry in &self.entries {
            let source = client.repository(&parse(&entry.name)?)?;
            let digest = entry.descriptor.digest.to_string();
            if (source.domain(), source.path()) == (target.domain(), target.path()) {
                continue;
            }
            let document = source.manifest(&digest)?;
            let manifest: Document<Manifest> = Document::parse("manifest", document.bytes)?;
            target.take_blobs(&source, &manifest, progress)?;
            target.put_manifest(&digest, &entry.descriptor.media_type, manifest.bytes())?;
        }
        let bytes = index.to_indented_bytes();
        let digest = target.put_manifest(name.tag().unwrap_or("latest"), &index.media_type, &bytes)?;
        Ok((digest, bytes.len()))
    }
}

/// The manifest as an index lists it, with the platform from its config.
pub fn describe(repository: &Repository, document: RemoteManifest) -> Result<Descriptor, RegistryError> {
    let RemoteManifest { bytes, media_type, digest } = document;
    let size = bytes.len() as u64;
    let manifest: Document<Manifest> = Document::parse("manifest", bytes)?;
    let config = repository.blob_bytes(&manifest.config.digest, "the image config", CONFIG_LIMIT)?;
    let config: Document<ImageConfig> = Document::parse("image config", config)?;
    let media_type = if manifest.media_type.is_empty() { media_type } else { manifest.media_type.clone() };
    let mut descriptor = Descriptor::new(&media_type, digest, size);
    descriptor.platform = Some(config.platform.clone()).filter(|platform| *platform != Platform::default());
    Ok(descriptor)
}

fn file(folder: &Path, name: &Reference) -> PathBuf {
    folder.join(format!("{}.json", BlobDigest::of(name.to_string().as_bytes()).hex()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_kept_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let name: Reference = "r.example/a:1".parse().unwrap();
        assert_eq!(ManifestList::read(folder.path(), &name).unwrap(), None);
        let mut list = ManifestList::new(&name);
        let descriptor = Descriptor::new(media_type::DOCKER_MANIFEST, BlobDigest::of(b"x"), 1);
        list.entries.push(ListEntry { name: "r.example/b:1".to_owned(), descriptor });
        list.write(folder.path()).unwrap();
        assert_eq!(ManifestList::read(folder.path(), &name).unwrap(), Some(list.clone()));
        assert_eq!(list.index().media_type, media_type::DOCKER_INDEX);
        list.entries[0].descriptor.media_type = media_type::OCI_MANIFEST.to_owned();
        assert_eq!(list.index().media_type, media_type::OCI_INDEX);
        assert!(ManifestList::remove(folder.path(), &name).unwrap());
        assert!(!ManifestList::remove(folder.path(), &name).unwrap());
    }
}
