//! `RUN --mount`: what each mount shows, as far as the cache key goes, and as the sandbox takes it.

use std::fs::File;
use std::os::unix::fs::{DirBuilderExt as _, chown};
use std::path::{Path, PathBuf};

use crate::digest::FieldHasher;
use crate::dockerfile::mount::{MountKind, Sharing};
use crate::explain::{Fact, FactKind};
use crate::io_error::{AtPath, IoError};
use crate::plan::{CopySource, CopyStep, MountSource, RunMount, RunStep, StepId, TreeSource};
use crate::sandbox::{self, TmpfsOptions};
use crate::snapshot::{Draft, Stack, View};
use crate::store::Staging;

use super::agent::{AgentSocket, SocketOwner};
use super::copy::fill_folder;
use super::error::StepError;
use super::explain::mount_fact;
use super::layers::Made;
use super::settings::{Secret, Solver};

/// A mount whose source is there.
pub(super) struct Prepared<'a> {
    mount: &'a RunMount,
    /// The tree that a bind shows, or that a cache begins with.
    stack: Option<Stack>,
    /// A digest of the files that a mount of a context shows, under which they are listed.
    listed: Option<[u8; 32]>,
}

/// What a program gets from the mounts, kept until it has ended.
#[derive(Default)]
pub(super) struct Mounted {
    pub mounts: Vec<sandbox::Mount>,
    pub environment: Vec<(String, String)>,
    /// Locks of the caches in use.
    _locks: Vec<File>,
    _sockets: Vec<AgentSocket>,
}

impl Solver<'_> {
    /// `stacks` are the results of the steps that the mounts name, in order.
    pub(super) fn prepare_mounts<'s>(
        &self,
        made: &Made,
        id: StepId,
        step: &'s RunStep,
        stacks: &[Stack],
    ) -> Result<Vec<Prepared<'s>>, StepError> {
        let mut stacks = stacks.iter();
        let mut prepared = Vec::new();
        for mount in &step.mounts {
            let (stack, listed) = match &mount.source {
                MountSource::None => (None, None),
                MountSource::Tree(TreeSource::Step(_)) => (stacks.next().cloned(), None),
                MountSource::Tree(TreeSource::Context(name)) => {
                    let path = mount.mount.source.as_deref().unwrap_or("/");
                    let (stack, listed) = self.context_tree(made, id, name, path)?;
                    (Some(stack), listed)
                }
            };
            let one = Prepared { mount, stack, listed };
            if mount.mount.kind == MountKind::Cache {
                made.used_cache_mount(self.cache_name(&one));
            }
            prepared.push(one);
        }
        Ok(prepared)
    }

    /// Makes the mounts ready for a program. What they write, but for caches, goes into `staging`.
    pub(super) fn mount(&self, prepared: &[Prepared<'_>], staging: &Staging) -> Result<Mounted, StepError> {
        let mut mounted = Mounted::default();
        for (number, prepared) in prepared.iter().enumerate() {
            match prepared.mount.mount.kind {
                MountKind::Bind => mounted.mounts.push(self.bind(prepared, staging, number)?),
                MountKind::Cache => self.cache(prepared, &mut mounted)?,
                MountKind::Tmpfs => mounted.mounts.push(tmpfs(prepared.mount)),
                MountKind::Secret => self.secret(prepared.mount, &mut mounted)?,
                MountKind::Ssh => self.ssh(prepared.mount, &mut mounted, staging)?,
            }
        }
        Ok(mounted)
    }

    fn bind(&self, prepared: &Prepared<'_>, staging: &Staging, number: usize) -> Result<sandbox::Mount, StepError> {
        let mount = &prepared.mount.mount;
        let lower = prepared.stack.clone().unwrap_or_default().unpacked(self.store)?;
        let source = mount.source.as_deref().unwrap_or("/");
        let view = View::of_layers(&lower)?;
        let path = view.resolve(Path::new(""), Path::new(source))?;
        let is_root = path.as_os_str().is_empty();
        if !is_root && view.lstat(&path)?.is_none() {
            let place = mount.from.clone().map_or("the build context".to_owned(), |from| format!("`{from}`"));
            return Err(StepError::MountSource { path: source.to_owned(), place });
        }
        let mut stack = sandbox::Stack { lower, volatile: true, ..sandbox::Stack::default() };
        if !mount.read_only {
            let (upper, work) =
                (staging.path().join(format!("upper-{number}")), staging.path().join(format!("work-{number}")));
            Draft::new(&stack.lower, &made_folder(&upper)?)?.finish()?;
            made_folder(&work)?;
            (stack.upper, stack.work) = (Some(upper), Some(work));
        }
        Ok(sandbox::Mount {
            target: PathBuf::from(&prepared.mount.target),
            source: sandbox::MountSource::Stack { stack, path },
            read_only: mount.read_only,
            shallow: false,
        })
    }

    /// A folder of the store that stays from build to build.
    fn cache(&self, prepared: &Prepared<'_>, mounted: &mut Mounted) -> Result<(), StepError> {
        let mount = &prepared.mount.mount;
        let name = self.cache_name(prepared);
        let folder = self.store.root().join("caches").join(&name);
        std::fs::create_dir_all(&folder).at("create", &folder)?;
        let (data, lock) = self.take_cache(&folder, mount.sharing.unwrap_or_default())?;
        if !data.is_dir() {
            self.create_cache(prepared, &name, &data)?;
        }
        mounted._locks.push(lock);
        mounted.mounts.push(sandbox::Mount {
            target: PathBuf::from(&prepared.mount.target),
            source: sandbox::MountSource::Bind {
                path: data,
                recursive: false,
                propagation: sandbox::Propagation::Private,
            },
            read_only: mount.read_only,
            shallow: false,
        });
        Ok(())
    }

    /// The name of a cache's folder: the same on every machine.
    fn cache_name(&self, prepared: &Prepared<'_>) -> String {
        let mount = &prepared.mount.mount;
        let mut name = FieldHasher::new("cache-mount-1");
        if !self.run.cache_namespace.is_empty() {
            name.field(b"namespace").field(self.run.cache_namespace.as_bytes());
        }
        name.field(mount.id.as_deref().unwrap_or(&prepared.mount.target).as_bytes());
        if let Some(stack) = &prepared.stack {
            name.field(&stack.exact_digest()).field(mount.source.as_deref().unwrap_or("/").as_bytes());
        }
        crate::digest::CacheKey::from_bytes(name.finish()).hex()
    }

    /// The folder of the cache that this step may use, and a lock that says so.
    fn take_cache(&self, folder: &Path, sharing: Sharing) -> Result<(PathBuf, File), IoError> {
        for number in 0.. {
            let (data, lock_path) = (folder.join(format!("data-{number}")), folder.join(format!("lock-{number}")));
            let lock = File::create(&lock_path).at("create", &lock_path)?;
            match sharing {
                Sharing::Shared => lock.lock_shared().at("lock", &lock_path)?,
                Sharing::Locked => lock.lock().at("lock", &lock_path)?,
                Sharing::Private if lock.try_lock().is_err() => continue,
                Sharing::Private => {}
            }
            return Ok((data, lock));
        }
        unreachable!("the loop ends only with a lock")
    }

    /// Makes a new cache: as another machine left it, or else empty, or with what `from` and `source` say.
    fn create_cache(&self, prepared: &Prepared<'_>, name: &str, data: &Path) -> Result<(), StepError> {
        let mount = &prepared.mount.mount;
        let staging = self.store.staging()?;
        let folder = staging.path().join("cache");
        let mode = mount.mode.unwrap_or(0o755);
        let fetched = staging.path().join("fetched");
        std::fs::DirBuilder::new().mode(0o700).create(&fetched).at("create", &fetched)?;
        let folder = match self.remote.fill_mount(name, &fetched) {
            Some(Ok(())) => fetched,
            outcome => {
                if let Some(Err(why)) = outcome {
                    self.progress.warn(&format!("the cache mount {} begins empty: {why}", prepared.mount.target));
                }
                std::fs::DirBuilder::new().mode(0o700).create(&folder).at("create", &folder)?;
                if let Some(stack) = &prepared.stack {
                    fill_folder(self, stack, mount.source.as_deref().unwrap_or("/"), &folder)?;
                }
                set_mode(&folder, mode)?;
                let (uid, gid) = (mount.uid.unwrap_or(0), mount.gid.unwrap_or(0));
                chown(&folder, Some(uid), Some(gid)).at("change the owner of", &folder)?;
                folder
            }
        };
        match std::fs::rename(&folder, data) {
            // Another step made it at the same time.
            Err(_) if data.is_dir() => Ok(()),
            result => Ok(result.at("rename", &folder)?),
        }
    }

    fn secret(&self, mount: &RunMount, mounted: &mut Mounted) -> Result<(), StepError> {
        let options = &mount.mount;
        let target = options.target.as_deref().unwrap_or_default();
        let name_of_target = target.rsplit('/').next().unwrap_or_default();
        let id = options.id.as_deref().or(options.source.as_deref()).unwrap_or(name_of_target);
        let Some(value) = self.secret_value(id)? else {
            return if options.required { Err(StepError::MissingSecret { id: id.to_owned() }) } else { Ok(()) };
        };
        if let Some(name) = &options.env {
            mounted.environment.push((name.clone(), String::from_utf8_lossy(&value).into_owned()));
            if options.target.is_none() {
                return Ok(());
            }
        }
        let target = if mount.target.is_empty() { format!("/run/secrets/{id}") } else { mount.target.clone() };
        mounted.mounts.push(sandbox::Mount {
            target: target.into(),
            source: sandbox::MountSource::File {
                content: value,
                mode: options.mode.unwrap_or(0o400),
                uid: options.uid.unwrap_or(0),
                gid: options.gid.unwrap_or(0),
            },
            read_only: true,
            shallow: false,
        });
        Ok(())
    }

    fn secret_value(&self, id: &str) -> Result<Option<Vec<u8>>, StepError> {
        match self.run.secrets.get(id) {
            None => Ok(None),
            Some(Secret::File(path)) => Ok(Some(std::fs::read(path).at("read the secret", path)?)),
            Some(Secret::Environment(name)) => Ok(std::env::var_os(name).map(|value| value.into_encoded_bytes())),
        }
    }

    fn ssh(&self, mount: &RunMount, mounted: &mut Mounted, staging: &Staging) -> Result<(), StepError> {
        let options = &mount.mount;
        let id = options.id.as_deref().unwrap_or("default");
        let Some(source) = self.run.ssh.get(id) else {
            return if options.required { Err(StepError::MissingSsh { id: id.to_owned() }) } else { Ok(()) };
        };
        let number = mounted.environment.iter().filter(|(name, _)| name == "SSH_AUTH_SOCK").count();
        let default = format!("/run/buildkit/ssh_agent.{number}");
        let target = if mount.target.is_empty() { default } else { mount.target.clone() };
        if number == 0 {
            mounted.environment.push(("SSH_AUTH_SOCK".to_owned(), target.clone()));
        }
        let owner = SocketOwner {
            uid: options.uid.unwrap_or(0),
            gid: options.gid.unwrap_or(0),
            mode: options.mode.unwrap_or(0o600),
        };
        let name = format!("ssh-{}", mounted._sockets.len());
        let socket = AgentSocket::open(staging.path(), &name, self.agents.socket(id, source)?, &owner)?;
        mounted.mounts.push(sandbox::Mount {
            target: target.into(),
            source: sandbox::MountSource::Bind {
                path: socket.path().to_owned(),
                recursive: false,
                propagation: sandbox::Propagation::Private,
            },
            read_only: false,
            shallow: false,
        });
        mounted._sockets.push(socket);
        Ok(())
    }
}

/// A digest of what the mounts let a program see; caches, secrets and agents count by their names only.
pub(super) fn digest(prepared: &[Prepared<'_>]) -> [u8; 32] {
    let mut hasher = FieldHasher::new("mounts-1");
    for Prepared { mount, stack, .. } in prepared {
        hasher.field(mount.target.as_bytes());
        let options = &mount.mount;
        hasher.field(options.kind.to_string().as_bytes());
        for text in [&options.source, &options.id, &options.env] {
            hasher.field(text.as_deref().unwrap_or_default().as_bytes());
        }
        hasher.number(u64::from(options.read_only)).number(options.size.unwrap_or(0));
        for number in [options.mode, options.uid, options.gid] {
            hasher.number(number.map_or(0, |number| u64::from(number) + 1));
        }
        hasher.field(&stack.clone().unwrap_or_default().tree_digest());
    }
    hasher.finish()
}

/// What a RUN depends on through its mounts, with names.
pub(super) fn facts(prepared: &[Prepared<'_>]) -> Vec<Fact> {
    let mut facts = Vec::new();
    for Prepared { mount, stack, listed } in prepared {
        facts.push(mount_fact(&mount.mount, &mount.target));
        if let Some(digest) = listed.or(stack.as_ref().map(Stack::tree_digest)) {
            facts.push(Fact::digest(FactKind::Files, format!("mount {}", mount.target), digest));
        }
    }
    facts
}

fn tmpfs(mount: &RunMount) -> sandbox::Mount {
    let options = &mount.mount;
    sandbox::Mount {
        target: PathBuf::from(&mount.target),
        source: sandbox::MountSource::Tmpfs(TmpfsOptions { size: options.size, ..TmpfsOptions::default() }),
        read_only: options.read_only,
        shallow: false,
    }
}

/// The copy that fills a cache from a tree.
pub(super) fn whole_tree(source: &str) -> CopyStep {
    CopyStep {
        parent: StepId(0),
        sources: vec![CopySource::Path { tree: TreeSource::Step(StepId(0)), path: source.to_owned(), unpack: false }],
        destination: "/".to_owned(),
        chown: None,
        chmod: None,
        excludes: Vec::new(),
        parents: false,
        link: false,
        epoch: None,
        latest_time: None,
    }
}

fn made_folder(path: &Path) -> Result<PathBuf, IoError> {
    std::fs::create_dir(path).at("create", path)?;
    Ok(path.to_owned())
}

fn set_mode(path: &Path, mode: u32) -> Result<(), IoError> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).at("change the mode of", path)
}
