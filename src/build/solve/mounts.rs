//! `RUN --mount`: the content of each mount, for the cache key and for the sandbox.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::base::digest::FieldHasher;
use crate::base::io_error::{AtPath, IoError};
use crate::build::explain::{Fact, FactKind};
use crate::container::sandbox::{self, TmpfsOptions};
use crate::language::dockerfile::mount::MountKind;
use crate::language::plan::{CopySource, CopyStep, MountSource, Part, RunMount, RunStep, StepId, TreeSource};
use crate::store::Staging;
use crate::store::snapshot::{Draft, Stack, View};

use super::agent::{AgentSocket, SocketOwner};
use super::error::StepError;
use super::explain::mount_fact;
use super::layers::Made;
use super::settings::Solver;

/// A mount whose source is available.
pub(super) struct Prepared<'a> {
    pub mount: &'a RunMount,
    /// The tree that a bind shows, or the initial content of a cache.
    pub stack: Option<Stack>,
    /// A digest of the files of a context that a mount shows, under which they are listed.
    listed: Option<[u8; 32]>,
    /// A digest of the files of a step's result that a bind shows, once it is known.
    content: Option<[u8; 32]>,
}

impl<'a> Prepared<'a> {
    /// A mount of a step that is entered again, with its initial content.
    pub(super) fn again(mount: &'a RunMount, stack: Option<Stack>) -> Self {
        Self { mount, stack, listed: None, content: None }
    }
}

/// What a program gets from the mounts, kept until it has ended.
#[derive(Default)]
pub(super) struct Mounted {
    pub mounts: Vec<sandbox::Mount>,
    /// Variables that contain secrets.
    pub environment: Vec<(String, String)>,
    /// Variables that apply if the step does not set them.
    pub defaults: Vec<(String, String)>,
    /// Locks of the caches in use.
    pub locks: Vec<File>,
    _sockets: Vec<AgentSocket>,
}

impl Solver<'_> {
    /// `stacks` are the results of the steps that the mounts refer to, in order.
    pub(super) fn prepare_mounts<'s>(
        &self,
        made: &Made<'_>,
        id: StepId,
        step: &'s RunStep,
        stacks: &[Stack],
    ) -> Result<Vec<Prepared<'s>>, StepError> {
        let mut stacks = stacks.iter();
        let mut prepared = Vec::new();
        for (number, mount) in step.mounts.iter().enumerate() {
            let (stack, listed) = match &mount.source {
                MountSource::None => (None, None),
                MountSource::Tree(TreeSource::Step(_)) => (stacks.next().cloned(), None),
                MountSource::Tree(TreeSource::Context(name)) => {
                    let path = mount.mount.source.as_deref().unwrap_or("/");
                    let found = self.context_tree(made, id, name, path);
                    let (stack, listed) = found.map_err(|error| error.about_whole(Part::Mount(number)))?;
                    (Some(stack), listed)
                }
            };
            let one = Prepared { mount, stack, listed, content: None };
            if mount.mount.kind == MountKind::Cache {
                made.used_cache_mount(self.cache_name(&one));
            }
            prepared.push(one);
        }
        Ok(prepared)
    }

    /// Prepares the mounts for a program. What is written to them, except to caches, goes into `staging`.
    pub(super) fn mount(&self, prepared: &[Prepared<'_>], place: &MountPlace<'_>) -> Result<Mounted, StepError> {
        let mut mounted = Mounted::default();
        let mut agents = 0;
        for (number, prepared) in prepared.iter().enumerate() {
            let done = match prepared.mount.mount.kind {
                MountKind::Bind => self.bind(prepared, place.staging, number).map(|mount| mounted.mounts.push(mount)),
                MountKind::Cache => self.cache(prepared, &mut mounted, place),
                MountKind::Tmpfs => {
                    mounted.mounts.push(tmpfs(prepared.mount));
                    Ok(())
                }
                MountKind::Secret => self.secret(prepared.mount, &mut mounted),
                MountKind::Ssh => {
                    agents += 1;
                    self.ssh(prepared.mount, &mut mounted, (place.staging, agents - 1))
                }
            };
            done.map_err(|error| error.about_whole(Part::Mount(number)))?;
        }
        Ok(mounted)
    }

    /// Hashes the steps' results that binds show.
    pub(super) fn read_contents(&self, prepared: &mut [Prepared<'_>]) -> Result<(), StepError> {
        for one in prepared.iter_mut().filter(|one| one.shows_step()) {
            let source = one.mount.mount.source.as_deref().unwrap_or("/");
            let stack = one.stack.clone().unwrap_or_default();
            one.content = self.tree_content(&stack, source)?;
        }
        Ok(())
    }

    fn bind(&self, prepared: &Prepared<'_>, staging: &Staging, number: usize) -> Result<sandbox::Mount, StepError> {
        let mount = &prepared.mount.mount;
        let lower = prepared.stack.clone().unwrap_or_default().unpacked(self.work()?.store)?;
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
            lasting: false,
        })
    }

    fn secret(&self, mount: &RunMount, mounted: &mut Mounted) -> Result<(), StepError> {
        let options = &mount.mount;
        let target = options.target.as_deref().unwrap_or_default();
        let name_of_target = target.rsplit('/').next().unwrap_or_default();
        let id = options.id.as_deref().or(options.source.as_deref()).unwrap_or(name_of_target);
        let Some(value) = self.run.secret(id)? else {
            if options.required {
                return Err(StepError::MissingSecret { id: id.to_owned() });
            }
            // The variable is set nevertheless.
            mounted.environment.extend(options.env.iter().map(|name| (name.clone(), String::new())));
            return Ok(());
        };
        if let Some(name) = &options.env {
            mounted.environment.push((name.clone(), String::from_utf8_lossy(&value).into_owned()));
            if options.target.is_none() {
                return Ok(());
            }
        }
        let target =
            if mount.target.is_empty() { format!("/run/secrets/{}", last_name(id)) } else { mount.target.clone() };
        mounted.mounts.push(sandbox::Mount {
            target: target.into(),
            source: sandbox::MountSource::File {
                content: value,
                mode: options.mode.unwrap_or(0o400),
                uid: options.uid.unwrap_or(0),
                gid: options.gid.unwrap_or(0),
                is_program: false,
            },
            read_only: true,
            shallow: false,
            lasting: false,
        });
        Ok(())
    }

    /// `number`: how many agent mounts precede this one.
    fn ssh(
        &self,
        mount: &RunMount,
        mounted: &mut Mounted,
        (staging, number): (&Staging, usize),
    ) -> Result<(), StepError> {
        let options = &mount.mount;
        let id = options.id.as_deref().unwrap_or("default");
        let default = format!("/run/buildkit/ssh_agent.{number}");
        let target = if mount.target.is_empty() { default } else { mount.target.clone() };
        if number == 0 {
            // Also if there is no agent.
            mounted.defaults.push(("SSH_AUTH_SOCK".to_owned(), target.clone()));
        }
        let Some(source) = self.run.ssh.get(id) else {
            return if options.required { Err(StepError::MissingSsh { id: id.to_owned() }) } else { Ok(()) };
        };
        let owner = SocketOwner {
            uid: options.uid.unwrap_or(0),
            gid: options.gid.unwrap_or(0),
            mode: options.mode.unwrap_or(0o600),
        };
        let name = format!("ssh-{}", mounted._sockets.len());
        let socket = AgentSocket::open(staging.path(), &name, self.agents.socket(id, source)?, &owner)?;
        mounted.mounts.push(sandbox::Mount {
            target: target.into(),
            source: sandbox::MountSource::Own(socket.path().to_owned()),
            read_only: false,
            shallow: false,
            lasting: false,
        });
        mounted._sockets.push(socket);
        Ok(())
    }
}

/// A digest of what a program can see through the mounts; only the names of caches, secrets and agents count.
pub(super) fn digest(prepared: &[Prepared<'_>]) -> [u8; 32] {
    let mut hasher = FieldHasher::new("mounts-1");
    for Prepared { mount, stack, content, .. } in prepared {
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
        match content {
            // Only the content counts.
            Some(content) => hasher.field(b"content").field(content),
            None => hasher.field(&stack.clone().unwrap_or_default().tree_digest()),
        };
    }
    hasher.finish()
}

/// Whether a bind shows the result of another step: its files are more exact than the way they were made.
pub(super) fn shows_steps(prepared: &[Prepared<'_>]) -> bool {
    prepared.iter().any(Prepared::shows_step)
}

/// The facts of a RUN about its mounts.
pub(super) fn facts(prepared: &[Prepared<'_>]) -> Vec<Fact> {
    let mut facts = Vec::new();
    for Prepared { mount, stack, listed, content } in prepared {
        facts.push(mount_fact(&mount.mount, &mount.target));
        if let Some(digest) = listed.or(*content).or(stack.as_ref().map(Stack::tree_digest)) {
            facts.push(Fact::digest(FactKind::Files, format!("mount {}", mount.target), digest));
        }
    }
    facts
}

fn last_name(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
}

impl Prepared<'_> {
    fn shows_step(&self) -> bool {
        self.mount.mount.kind == MountKind::Bind && matches!(self.mount.source, MountSource::Tree(TreeSource::Step(_)))
    }
}

/// Where and for what mounts are made.
pub(super) struct MountPlace<'a> {
    pub staging: &'a Staging,
    pub made: &'a Made<'a>,
    /// Execute the step even if it is in the cache.
    pub ignore_cache: bool,
}

fn tmpfs(mount: &RunMount) -> sandbox::Mount {
    let options = &mount.mount;
    sandbox::Mount {
        target: PathBuf::from(&mount.target),
        source: sandbox::MountSource::Tmpfs(TmpfsOptions { size: options.size, ..TmpfsOptions::default() }),
        read_only: options.read_only,
        shallow: false,
        lasting: false,
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
