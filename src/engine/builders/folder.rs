//! Where builders are stored, as buildx does: `instances/NAME`, `activity/NAME`, `current`, `defaults/KEY`.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Builder, BuilderError, Builders, Origin, Scope, name};
use crate::base::io_error::{AtPath as _, IoError};
use crate::base::privacy::{callers_folder_mode, hand_out, make_folders_with};
use crate::base::{hex, input};

/// The size limit of a builder's files.
const LIMIT: u64 = 1 << 20;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Choice {
    key: String,
    name: String,
    global: bool,
}

impl Builders {
    /// The name of the builder that was chosen for this engine, if any.
    pub(super) fn chosen(&self) -> Option<String> {
        let folder = self.folder.as_ref()?;
        let choice: Choice = serde_json::from_slice(&std::fs::read(folder.join("current")).ok()?).ok()?;
        let holds = (choice.global || choice.key == self.key) && !choice.name.is_empty();
        if holds { Some(choice.name) } else { self.chosen_by_default() }
    }

    fn chosen_by_default(&self) -> Option<String> {
        let name = std::fs::read_to_string(self.default_file()?).ok()?;
        Some(name.trim().to_owned()).filter(|name| !name.is_empty())
    }

    fn default_file(&self) -> Option<PathBuf> {
        let id = hex::encode(&Sha256::digest(&self.key));
        Some(self.folder.as_ref()?.join("defaults").join(id))
    }

    /// The builder that was created with that name, if it exists.
    pub(super) fn made(&self, name: &str) -> Result<Option<Builder>, BuilderError> {
        let (Some(folder), Ok(name)) = (&self.folder, name::checked(name)) else { return Ok(None) };
        let file = folder.join("instances").join(&name);
        let text = match input::bounded(&file, LIMIT) {
            Ok(text) => text,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let wrong = |source| BuilderError::File { file: file.display().to_string(), source };
        let read: Builder = serde_json::from_slice(&text).map_err(wrong)?;
        let last_activity = std::fs::read_to_string(folder.join("activity").join(&name)).ok();
        let last_activity = last_activity.and_then(|text| text.trim().parse().ok());
        // The file's name takes precedence: the builder is found by it.
        Ok(Some(Builder { name, last_activity, dynamic: false, ..read }))
    }

    /// The names of the created builders.
    pub(super) fn names(&self) -> Result<Vec<String>, BuilderError> {
        let Some(folder) = &self.folder else { return Ok(Vec::new()) };
        let folder = folder.join("instances");
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.at("list", &folder)?,
        };
        let names = entries.filter_map(Result::ok).filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> =
            names.filter(|found| name::checked(found).is_ok_and(|kept| kept == *found)).collect();
        names.sort();
        Ok(names)
    }

    pub(super) fn write(&self, builder: &Builder) -> Result<(), BuilderError> {
        let text = serde_json::to_vec(builder).expect("names and texts become JSON");
        Ok(replace(&self.place()?.join("instances").join(&builder.name), &text)?)
    }

    pub(super) fn write_choice(&self, name: &str, scope: Scope) -> Result<(), BuilderError> {
        if scope.default
            && let Some(file) = self.default_file()
        {
            replace(&file, name.as_bytes())?;
        }
        let choice = Choice { key: self.key.clone(), name: name.to_owned(), global: scope.global };
        let text = serde_json::to_vec(&choice).expect("names become JSON");
        Ok(replace(&self.place()?.join("current"), &text)?)
    }

    /// A builder that is removed is no longer chosen: `current` drops it.
    pub(super) fn forget(&self, name: &str) -> Result<(), BuilderError> {
        let folder = self.place()?;
        for kind in ["instances", "activity"] {
            let file = folder.join(kind).join(name);
            match std::fs::remove_file(&file) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                removed => removed.at("remove", &file)?,
            }
        }
        Ok(())
    }

    /// Records that a build uses the builder now. This is not stored for a context's builder.
    pub fn note_use(&self, builder: &Builder) -> Result<(), BuilderError> {
        if builder.dynamic {
            return Ok(());
        }
        let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default();
        Ok(replace(&self.place()?.join("activity").join(&builder.name), now.to_string().as_bytes())?)
    }

    /// Records what a build was made from, for tools that read it: docker's actions find it by its name.
    pub fn note_build(&self, reference: &str, origin: &Origin) -> Result<(), BuilderError> {
        let text = serde_json::to_vec(origin).expect("texts become JSON");
        Ok(replace(&self.place()?.join("refs").join(reference), &text)?)
    }

    /// Only one process at a time changes builders: the lock is buildx's.
    pub(super) fn lock(&self) -> Result<File, BuilderError> {
        let folder = self.place()?;
        make_folders_with(folder, callers_folder_mode() & 0o700)?;
        let path = folder.join(".lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path).at("open", &path)?;
        flock(&file, FlockOperation::LockExclusive).at("lock", &path)?;
        Ok(file)
    }

    fn place(&self) -> Result<&Path, BuilderError> {
        self.folder.as_deref().ok_or(BuilderError::NoPlace)
    }
}

/// Replaces a file atomically.
fn replace(path: &Path, content: &[u8]) -> Result<(), IoError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    make_folders_with(folder, callers_folder_mode() & 0o700)?;
    let mut file = tempfile::Builder::new().prefix(".rbuild-").tempfile_in(folder).at("create a file in", folder)?;
    hand_out(file.as_file()).and_then(|()| file.write_all(content)).at("write", path)?;
    file.persist(path).map_err(|error| error.error).at("rename", path)?;
    Ok(())
}
