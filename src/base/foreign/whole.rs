//! Files that other processes see complete or not at all, and folders that are created if missing.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use rustix::io::Errno;

use super::Folder;
use crate::base::hex;
use crate::base::io_error::{AtPath as _, IoError};

impl Folder {
    /// The folder of that name, created with the mode if nothing is there; a link is not a folder.
    pub fn made_folder(&self, name: &OsStr, mode: u32) -> Result<Self, IoError> {
        match self.make_folder(name, mode) {
            Err(error) if error.errno() == Some(Errno::EXIST) => self.folder(name),
            made => {
                let folder = made.and_then(|()| self.folder(name))?;
                // Independent of the umask.
                folder.set_own_mode(mode)?;
                Ok(folder)
            }
        }
    }

    /// Writes a file and replaces whatever has the name, even a link. After an error nothing has changed.
    pub fn replace<T, E: From<IoError>>(
        &self,
        name: &OsStr,
        mode: u32,
        write: impl FnOnce(&mut File) -> Result<T, E>,
    ) -> Result<T, E> {
        // A random name: nobody else who may write to the folder can have created it.
        let random = hex::random_id().at("read", "the random numbers")?;
        let temporary = OsString::from(format!(".new-{random}"));
        let mut file = self.make_file(&temporary, 0o600)?;
        let finish = |file: &File| {
            file.set_permissions(Permissions::from_mode(mode)).at("change the mode of", self.shown().join(name))?;
            self.rename(&temporary, self, name)
        };
        let written = write(&mut file);
        match written.and_then(|done| finish(&file).map(|()| done).map_err(E::from)) {
            Ok(done) => Ok(done),
            Err(error) => {
                // The earlier error says more.
                let _ = self.remove(&temporary);
                Err(error)
            }
        }
    }
}
