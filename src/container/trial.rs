//! A container set up as far as its program, which does not exist: finds out by trying which isolation is available.

use super::error::ContainerError;
use super::sandbox::{
    self, Container, Isolation, Level, NetworkIsolation, Process, Rootfs, Stack, Unsupported, User, Without,
};
use crate::base::foreign::Folder;
use crate::store::Store;

/// The available isolation.
#[derive(Debug)]
pub enum Trial {
    /// Namespaces; and what has to be done without.
    Full(Vec<Without>),
    /// Only a root folder of its own; and why no namespaces.
    Chroot(Unsupported),
    /// Emulation; and why no namespaces.
    Emulated(Unsupported),
    /// No program can be run.
    Nothing(Unsupported),
}

/// Tries it with files in this store.
pub fn try_isolation(store: &Store) -> Result<Trial, ContainerError> {
    let Some(refused) = sandbox::full_refused() else {
        let (container, _files) = nothing(store)?;
        return Ok(Trial::Full(sandbox::try_out(&container)?));
    };
    Ok(match sandbox::IsolationChoice::Auto.level() {
        Ok(Level::Emulated) => Trial::Emulated(refused.clone()),
        Ok(_) => Trial::Chroot(refused.clone()),
        Err(_) => Trial::Nothing(refused.clone()),
    })
}

/// A container of two empty layers. Its files exist as long as the returned staging folder.
fn nothing(store: &Store) -> Result<(Container, crate::store::Staging), ContainerError> {
    let staging = store.staging()?;
    let folder = Folder::open(staging.path())?;
    for name in ["lower", "upper", "work"] {
        folder.make_folder(name.as_ref(), 0o755)?;
    }
    let at = |name: &str| staging.path().join(name);
    let stack = Stack { lower: vec![at("lower")], upper: Some(at("upper")), work: Some(at("work")), volatile: true };
    let container = Container {
        rootfs: Rootfs::Overlay(stack),
        mounts: Vec::new(),
        process: Process {
            arguments: vec!["/nothing".into()],
            environment: Vec::new(),
            directory: "/".into(),
            create_directory: false,
            user: User::default(),
            terminal: false,
            limits: Vec::new(),
            oom_score_adjust: None,
            init: false,
        },
        isolation: Isolation {
            hostname: Some("trial".to_owned()),
            network: NetworkIsolation::Empty,
            ..Isolation::default()
        },
    };
    Ok((container, staging))
}
