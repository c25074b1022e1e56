//! A container's running program: its process, its streams and its networks.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Instant;

use rustix::termios::Winsize;

use super::client::is_temporary;
use crate::base::io_error::AtPath;
use crate::container::chroot;
use crate::container::directory::Entry;
use crate::container::error::ContainerError;
use crate::container::foreign;
use crate::container::launch;
use crate::container::log::Source;
use crate::container::network::FreshNamespace;
use crate::container::record::Record;
use crate::container::runtime::Created;
use crate::container::sandbox::{
    self, Container, CreatedMountPoint, Level, Limits, Outcome, Rootfs, Running, Stdio, Stream,
};
use crate::container::security;
use crate::container::wiring::{self, Wiring};
use crate::container::working::Working;
use crate::store::snapshot::merge_tree;

/// How much input is buffered for the program before clients have to wait.
const MOST_INPUT: usize = 64 << 10;

const SIGKILL: i32 = 9;

pub(super) struct Program {
    running: Running,
    /// Set if another runtime started it.
    foreign: Option<Created>,
    pub(super) wiring: Wiring,
    pub(super) started: Instant,
    /// Where its changes go while it runs, and where they are merged afterwards, if that differs.
    scratch: Option<(OwnedFd, PathBuf)>,
    /// Its root if it has no namespaces.
    working: Option<Working>,
    /// The AppArmor profile that confines it.
    pub(super) apparmor: String,
    terminal: bool,
    /// Its output streams.
    pub(super) outputs: Vec<(Source, File)>,
    /// Its stdin, or the terminal.
    input: Option<File>,
    waiting: Vec<u8>,
    /// Close stdin once all input is written.
    input_ends: bool,
}

/// A process of the program, by whatever way it was started.
struct Begun {
    running: Running,
    foreign: Option<Created>,
    working: Option<Working>,
}

/// Starts the program with its networks: by another runtime, in a working root, or in a sandbox.
fn begin(
    entry: &Entry,
    container: &mut Container,
    wiring: &mut Wiring,
    size: (u16, u16),
    stdio: Stdio,
) -> Result<Begun, ContainerError> {
    let (record, folder) = (&entry.record, entry.folder());
    let (level, bundle) = (chroot::level(record), foreign::bundle(record, folder)?);
    if let Some(level) = level {
        chroot::check_place(level)?;
        wiring.connect(record, folder)?;
        let root = Working::make(record, folder, Some(&container.mounts))?;
        launch::move_into(container, root.path());
        wiring.add_warning(warning(record, level));
        let running = sandbox::spawn_in_folder(container, level, launch::has_network(record), stdio)?;
        return Ok(Begun { running, foreign: None, working: Some(root) });
    }
    let Some(bundle) = bundle else {
        let prepared = sandbox::prepare(container, stdio)?;
        wiring.connect(record, folder)?;
        return Ok(Begun { running: prepared.start()?, foreign: None, working: None });
    };
    wiring.connect(record, folder)?;
    let (created, running) = bundle.create(container, &record.host_config.annotations, size, stdio)?;
    Ok(Begun { running, foreign: Some(created), working: None })
}

impl Program {
    pub(super) fn start(
        entry: &Entry,
        size: Option<(u16, u16)>,
        fresh: Option<FreshNamespace>,
    ) -> Result<Self, ContainerError> {
        let mut wiring = wiring::begin(&entry.record, entry.folder(), fresh)?;
        let mut container = launch::prepare(&entry.record, &entry.path, &wiring)?;
        let config = &entry.record.config;
        let mut ours = Streams::default();
        let stdio = if config.tty { Stdio::default() } else { ours.pipes(config.open_stdin).at("make", "a pipe")? };
        let [rows, columns] = entry.record.host_config.console_size;
        let size = size.unwrap_or((rows, columns));
        let Begun { mut running, foreign, working } = begin(entry, &mut container, &mut wiring, size, stdio)?;
        for what in running.without() {
            wiring.add_warning(what.explanation().to_owned());
        }
        let scratch = running.take_scratch().zip(upper_of(&container));
        if working.is_none()
            && let Some(warning) = security::warning(&entry.record)?
        {
            wiring.add_warning(warning);
        }
        if let Some(master) = running.take_terminal() {
            resize(&master, size);
            ours.input = Some(File::from(master.try_clone().at("copy", "the terminal")?));
            ours.outputs = vec![(Source::Stdout, File::from(master))];
        }
        for file in ours.outputs.iter().map(|(_, file)| file).chain(&ours.input) {
            rustix::io::ioctl_fionbio(file, true).at("set up", "a stream")?;
        }
        Ok(Self {
            running,
            foreign,
            scratch,
            working,
            wiring,
            started: Instant::now(),
            apparmor: container.isolation.apparmor.unwrap_or_default(),
            terminal: config.tty,
            outputs: ours.outputs,
            input: ours.input,
            waiting: Vec::new(),
            input_ends: false,
        })
    }

    pub(super) fn resize(&self, size: (u16, u16)) {
        if let Some(terminal) = self.input.as_ref().filter(|_| self.terminal) {
            resize(terminal, size);
        }
    }

    /// The descriptor on which to wait until the program accepts input; `None` if there is none waiting.
    pub(super) fn waits_for_input_room(&self) -> Option<&File> {
        self.input.as_ref().filter(|_| !self.waiting.is_empty())
    }

    pub(super) fn takes_input(&self) -> bool {
        self.waiting.len() < MOST_INPUT
    }

    pub(super) fn write_input(&mut self, bytes: &[u8]) {
        if self.input.is_some() {
            self.waiting.extend_from_slice(bytes);
            self.pass_input();
        }
    }

    /// Closes stdin; a terminal stays open, because the next attached client continues with it.
    pub(super) fn end_input(&mut self) {
        self.input_ends = !self.terminal;
        self.pass_input();
    }

    pub(super) fn pass_input(&mut self) {
        while let Some(input) = self.input.as_mut().filter(|_| !self.waiting.is_empty()) {
            match input.write(&self.waiting) {
                Ok(length) => drop(self.waiting.drain(..length)),
                Err(error) if is_temporary(&error) => return,
                Err(_) => {
                    // The program has closed its stdin.
                    self.waiting.clear();
                    self.input = None;
                }
            }
        }
        if self.input_ends {
            self.input = None;
        }
    }

    /// Closes the outputs, so that the program notices that nobody reads them.
    pub(super) fn close_outputs(&mut self) {
        if !self.terminal {
            self.outputs.clear();
        }
    }

    /// Reads once from an output; `None` if there is nothing now. An output that has ended is removed.
    pub(super) fn read_output(&mut self, index: usize, buffer: &mut [u8]) -> Option<(Source, usize)> {
        let (source, file) = self.outputs.get_mut(index)?;
        match file.read(buffer) {
            Ok(length) if length > 0 => Some((*source, length)),
            Err(error) if is_temporary(&error) => None,
            // Reading a terminal ends with an error (EIO).
            _ => {
                self.outputs.remove(index);
                None
            }
        }
    }

    /// Of its first process, on the host.
    pub(super) fn pid(&self) -> i32 {
        self.running.pid()
    }

    pub(super) fn cgroups(&self) -> Vec<String> {
        self.running.cgroups()
    }

    /// Becomes readable when the program has ended.
    pub(super) fn as_pollable(&self) -> BorrowedFd<'_> {
        self.running.as_pollable()
    }

    /// The mount points that had to be created in the root filesystem.
    pub(super) fn created_mount_points(&self) -> &[CreatedMountPoint] {
        match &self.foreign {
            Some(foreign) => foreign.created_mount_points(),
            None => self.running.created_mount_points(),
        }
    }

    /// Signals its first process; `KILL` kills all.
    pub(super) fn signal(&self, number: i32) -> Result<(), ContainerError> {
        match &self.foreign {
            // A kill must succeed even if the runtime fails.
            Some(foreign) if number == SIGKILL => {
                let killed = foreign.signal(number).map_err(ContainerError::from);
                killed.or_else(|_| self.running.kill().map_err(|source| ContainerError::Signal { number, source }))
            }
            Some(foreign) => Ok(foreign.signal(number)?),
            None if number == SIGKILL => {
                self.running.kill().map_err(|source| ContainerError::Signal { number, source })
            }
            None => self.running.signal(number).map_err(|source| ContainerError::Signal { number, source }),
        }
    }

    pub(super) fn freeze(&mut self, frozen: bool) -> Result<(), ContainerError> {
        match &self.foreign {
            Some(foreign) => Ok(foreign.freeze(frozen)?),
            None => Ok(self.running.freeze(frozen)?),
        }
    }

    pub(super) fn set_limits(&mut self, limits: &Limits) -> Result<(), ContainerError> {
        match &self.foreign {
            Some(foreign) => Ok(foreign.set_limits(limits)?),
            None => Ok(self.running.set_limits(limits)?),
        }
    }

    /// Waits for the process, which has ended, and releases its networks. Updates the identities of created mount
    /// points after the merge.
    pub(super) fn end(self, points: &mut [CreatedMountPoint]) -> Result<Outcome, ContainerError> {
        let outcome = self.running.wait()?;
        self.foreign.map_or(Ok(()), Created::delete)?;
        self.working.map_or(Ok(()), Working::keep)?;
        if let Some((changes, upper)) = self.scratch {
            let watched = points.iter().filter_map(|point| point.identity).collect();
            let found = merge_tree(changes, &upper, &watched)?;
            for identity in points.iter_mut().filter_map(|point| point.identity.as_mut()) {
                *identity = found.get(identity).copied().unwrap_or(*identity);
            }
        }
        Ok(outcome)
    }
}

/// A warning for users of containers without namespaces, at each start.
fn warning(record: &Record, level: Level) -> String {
    let host = &record.host_config;
    let warning = sandbox::less_isolated("the container is", level);
    let publishes = host.publish_all_ports || !host.port_bindings.is_empty();
    let ports = if publishes { "; no port is published: its programs are on the network around" } else { "" };
    format!("{warning}{ports}; docs/isolation.md says what that means")
}

fn upper_of(container: &Container) -> Option<PathBuf> {
    match &container.rootfs {
        Rootfs::Overlay(stack) => stack.upper.clone(),
        Rootfs::Directory(_) => None,
    }
}

#[derive(Default)]
struct Streams {
    outputs: Vec<(Source, File)>,
    input: Option<File>,
}

impl Streams {
    fn pipes(&mut self, open_stdin: bool) -> io::Result<Stdio> {
        let mut output = |source| -> io::Result<Stream> {
            let (reader, writer) = io::pipe()?;
            self.outputs.push((source, File::from(OwnedFd::from(reader))));
            Ok(Stream::Fd(writer.into()))
        };
        let (stdout, stderr) = (output(Source::Stdout)?, output(Source::Stderr)?);
        let mut stdin = Stream::Null;
        if open_stdin {
            let (reader, writer) = io::pipe()?;
            self.input = Some(File::from(OwnedFd::from(writer)));
            stdin = Stream::Fd(reader.into());
        }
        Ok(Stdio { stdin, stdout, stderr })
    }
}

fn resize(terminal: impl AsFd, (rows, columns): (u16, u16)) {
    if rows > 0 && columns > 0 {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // Fails only if the container's side is gone.
        let _ = rustix::termios::tcsetwinsize(terminal, size);
    }
}
