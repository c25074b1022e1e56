//! The main loop of a monitor: waits for the next event or deadline.

use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use super::client::{Awaits, Client, is_temporary};
use super::program::Program;
use super::restart::Restarts;
use crate::base::io_error::AtPath;
use crate::container::directory::{Containers, Entry, Running};
use crate::container::error::ContainerError;
use crate::container::health::HealthChecks;
use crate::container::log::{LogSettings, LogWriter};
use crate::container::network::FreshNamespace;
use crate::container::pending::{self, Wish};
use crate::container::protocol::{Attach, Reply, chain};
use crate::container::sandbox;
use crate::container::state::{State, Status};
use crate::container::{events, socket};

/// How much of the program's output is read at once.
const READ_AT_ONCE: usize = 64 << 10;

pub(super) const SIGKILL: i32 = 9;

/// How often to check that the container still exists in its store.
const LOOKS: Duration = Duration::from_secs(5);

/// How long no clients are accepted after running out of descriptors.
const FULL: Duration = Duration::from_millis(200);

/// The sources of events.
#[derive(Debug, Clone, Copy)]
enum Source {
    Listener,
    Client(usize),
    Output(usize),
    Input,
    Exit,
    Health,
}

pub(super) struct Supervisor {
    pub(super) containers: Containers,
    pub(super) entry: Entry,
    pub(super) lock: Option<Running>,
    listener: UnixListener,
    pub(super) clients: Vec<Client>,
    pub(super) log: Option<LogWriter>,
    pub(super) program: Option<Program>,
    pub(super) restarts: Restarts,
    /// When the program is restarted.
    pub(super) restart_at: Option<Instant>,
    /// When the program is killed if it has not stopped.
    pub(super) kill_at: Option<Instant>,
    /// A stop was requested; the event is reported when the program has ended.
    pub(super) is_stopping: bool,
    /// The container stays even if it was created with `--rm`: it will be started again.
    pub(super) keep: bool,
    pub(super) health: Option<HealthChecks>,
    /// Created before the container was known.
    fresh: Option<FreshNamespace>,
    /// Memory that was only needed for starting has been released.
    is_settled: bool,
    /// When to check next that the container still exists in its store.
    look_at: Instant,
    /// No clients are accepted before this time.
    full_until: Option<Instant>,
    buffer: Vec<u8>,
}

impl Supervisor {
    /// Starts the program, and reports to `first` that it runs.
    pub(super) fn start(
        containers: Containers,
        id: &str,
        first: &UnixStream,
        attach: Attach,
        fresh: Option<FreshNamespace>,
    ) -> Result<Self, ContainerError> {
        let entry = containers.open(id)?;
        let lock = entry.take()?;
        if entry.record.host_config.auto_remove {
            entry.mark_for_removal()?;
        }
        let listener = socket::listen(entry.folder())?;
        let mut supervisor = Self {
            log: None,
            containers,
            entry,
            lock: Some(lock),
            listener,
            clients: Vec::new(),
            program: None,
            restarts: Restarts::default(),
            restart_at: None,
            kill_at: None,
            is_stopping: false,
            keep: false,
            health: None,
            fresh,
            is_settled: false,
            look_at: Instant::now() + LOOKS,
            full_until: None,
            buffer: vec![0; READ_AT_ONCE],
        };
        if let Err(error) = supervisor.start_first(first, attach) {
            if attach.is_any() {
                supervisor.tell("attach", &[]);
            }
            supervisor.could_not_start(&error);
            return Err(error);
        }
        Ok(supervisor)
    }

    fn start_first(&mut self, first: &UnixStream, attach: Attach) -> Result<(), ContainerError> {
        let settings = LogSettings::of(&self.entry.record, self.entry.folder())?;
        self.log = settings.map(LogWriter::open).transpose()?;
        self.take_waiting();
        self.start_program(Some(attach))?;
        let mut client = Client::first(socket::copy(first)?).at("set up", "a stream")?;
        if attach.is_any() {
            client.attach = Some(attach);
        }
        let warning = self.program.as_ref().and_then(|program| program.wiring.warning.clone());
        client.reply(&Reply::Started { warning });
        self.clients.push(client);
        Ok(())
    }

    /// Takes the clients that waited for the start.
    fn take_waiting(&mut self) {
        for (wish, stream) in pending::take(&self.entry) {
            // The names of their sockets contain their requests.
            let Ok(mut client) = Client::first(stream) else { continue };
            match wish {
                Wish::Attach(attach) => client.attach = Some(attach),
                Wish::Exit => client.awaits = Awaits::Exit,
            }
            self.clients.push(client);
        }
    }

    /// `attach` is from the client that starts it; `None` for a restart.
    fn start_program(&mut self, attach: Option<Attach>) -> Result<(), ContainerError> {
        let size = attach.and_then(|attach| attach.size);
        let program = Program::start(&self.entry, size, self.fresh.take())?;
        self.health = HealthChecks::of(&self.entry.record);
        self.entry.state = State {
            status: Status::Running,
            pid: program.pid(),
            monitor_pid: std::process::id() as i32,
            started_at: Some(Timestamp::now()),
            finished_at: self.entry.state.finished_at,
            restart_count: self.restarts.count,
            mount_points: self.all_mount_points(&program),
            network: program.wiring.settings.clone(),
            cgroups: program.cgroups(),
            apparmor: program.apparmor.clone(),
            health: self.health.as_ref().map(HealthChecks::state),
            ..State::default()
        };
        self.entry.write_state()?;
        events::add_start(&self.containers, &self.entry.record, program.wiring.networks(), attach);
        self.program = Some(program);
        Ok(())
    }

    /// Those of earlier starts still exist.
    fn all_mount_points(&self, program: &Program) -> Vec<crate::container::sandbox::CreatedMountPoint> {
        let mut points = self.entry.state.mount_points.clone();
        points.extend(program.created_mount_points().iter().cloned());
        points
    }

    fn could_not_start(&mut self, error: &ContainerError) {
        if self.entry.record.host_config.auto_remove {
            // The error that is being reported matters more.
            let _ = self.containers.remove_own(&self.entry.record.id);
            return;
        }
        let state = &mut self.entry.state;
        if !matches!(state.status, Status::Exited) {
            state.status = Status::Created;
        }
        state.pid = 0;
        state.exit_code = error.state_code();
        state.error = chain(error);
        let _ = self.entry.write_state();
        socket::remove(self.entry.folder());
    }

    /// Runs until the container has ended for good.
    pub(super) fn run(mut self) {
        while self.program.is_some() || self.restart_at.is_some() {
            for (source, flags) in self.wait() {
                self.happened(source, flags);
            }
            self.clients.iter().filter(|client| client.is_gone).for_each(|client| {
                if client.attach.is_some_and(|attach| attach.stdin) && self.entry.record.config.stdin_once {
                    self.program.iter_mut().for_each(Program::end_input);
                }
            });
            let was_held = self.clients.iter().any(|client| client.is_gone && client.holds);
            self.clients.retain(|client| !client.is_gone);
            if was_held {
                self.let_go();
            }
            self.look_at_clock();
        }
        self.finish();
    }

    /// Returns the ready sources; waits at most until the next deadline.
    fn wait(&self) -> Vec<(Source, PollFlags)> {
        let listens = if self.full_until.is_none() { PollFlags::IN } else { PollFlags::empty() };
        let mut sources = vec![Source::Listener];
        let mut polled = vec![PollFd::new(&self.listener, listens)];
        let takes_input = self.program.as_ref().is_none_or(Program::takes_input);
        for (index, client) in self.clients.iter().enumerate() {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, takes_input || client.attach.is_none());
            flags.set(PollFlags::OUT, client.has_outgoing());
            sources.push(Source::Client(index));
            polled.push(PollFd::new(&client.stream, flags));
        }
        if let Some(program) = &self.program {
            if !self.clients.iter().any(Client::is_full) {
                for (index, (_, file)) in program.outputs.iter().enumerate() {
                    sources.push(Source::Output(index));
                    polled.push(PollFd::new(file, PollFlags::IN));
                }
            }
            if let Some(input) = program.waits_for_input_room() {
                sources.push(Source::Input);
                polled.push(PollFd::new(input, PollFlags::OUT));
            }
            sources.push(Source::Exit);
            polled.push(PollFd::from_borrowed_fd(program.as_pollable(), PollFlags::IN));
        }
        if let Some(check) = self.health.as_ref().and_then(HealthChecks::as_pollable) {
            sources.push(Source::Health);
            polled.push(PollFd::from_borrowed_fd(check, PollFlags::IN));
        }
        let timeout = self.next_due().map(|due| {
            let left = due.saturating_duration_since(Instant::now());
            Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() }
        });
        if poll(&mut polled, timeout.as_ref()).is_err() {
            // Interrupted by a signal.
            return Vec::new();
        }
        let ready = sources.into_iter().zip(&polled).map(|(source, fd)| (source, fd.revents()));
        ready.filter(|(_, flags)| !flags.is_empty()).collect()
    }

    fn next_due(&self) -> Option<Instant> {
        let health = self.health.as_ref().map(HealthChecks::next_due);
        [self.restart_at, self.kill_at, self.full_until, health, Some(self.look_at)].into_iter().flatten().min()
    }

    fn happened(&mut self, source: Source, flags: PollFlags) {
        match source {
            Source::Listener => match self.listener.accept().and_then(|(stream, _)| Client::new(stream)) {
                Ok(client) => self.clients.push(client),
                Err(error) if is_temporary(&error) => {}
                // Out of descriptors: polling would return at once for the waiting client, again and again.
                Err(_) => self.full_until = Some(Instant::now() + FULL),
            },
            Source::Client(index) => {
                if flags.contains(PollFlags::OUT) {
                    self.clients[index].write();
                }
                if flags.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
                    self.serve(index);
                }
            }
            Source::Output(index) => drop(self.pass_output(index)),
            Source::Input => self.program.iter_mut().for_each(Program::pass_input),
            Source::Exit => self.program_ended(),
            Source::Health => self.health_check_ended(),
        }
    }

    /// Reads once from an output of the program, and passes it to the log and to all attached clients.
    pub(super) fn pass_output(&mut self, index: usize) -> bool {
        let Some(program) = &mut self.program else { return false };
        let Some((source, length)) = program.read_output(index, &mut self.buffer) else { return false };
        let bytes = &self.buffer[..length];
        if let Some(log) = &mut self.log {
            // Fails on a full disk: the program keeps running, and attached clients still get its output.
            let _ = log.write(source, bytes);
        }
        self.clients.iter_mut().for_each(|client| client.output(source, bytes));
        true
    }

    fn look_at_clock(&mut self) {
        let now = Instant::now();
        if self.kill_at.is_some_and(|at| at <= now) {
            self.kill_at = None;
            if let Some(program) = &self.program {
                // Fails only if it is gone already.
                let _ = program.signal(SIGKILL);
                self.tell_signal(SIGKILL);
            }
        }
        if self.restart_at.is_some_and(|at| at <= now) {
            self.restart_at = None;
            self.start_again();
        }
        if self.full_until.is_some_and(|at| at <= now) {
            self.full_until = None;
        }
        if self.look_at <= now {
            self.look_at = now + LOOKS;
            self.clients.iter_mut().filter(|client| client.is_mute(now)).for_each(|client| client.is_gone = true);
            self.program.iter_mut().for_each(|program| program.wiring.look_after_way_out());
            if !self.is_settled {
                // Done late, so that short-lived containers are not delayed by it.
                self.is_settled = true;
                sandbox::let_go_of_code();
            }
            if self.lock.as_ref().is_some_and(Running::is_deleted) {
                self.end_with_store();
            }
        }
        self.start_health_check();
    }

    fn start_again(&mut self) {
        if let Err(error) = self.start_program(None) {
            self.entry.state.error = chain(&error);
            self.entry.state.exit_code = error.state_code();
            self.entry.state.finished_at = Some(Timestamp::now());
            self.decide_on_restart(Duration::ZERO);
        }
    }

    fn start_health_check(&mut self) {
        let (Some(health), Some(program)) = (&mut self.health, &self.program) else { return };
        let process = (program.pid(), self.entry.state.cgroups.as_slice());
        if self.entry.state.status == Status::Running
            && health.look_at_clock(&self.entry.record, self.entry.folder(), process)
        {
            self.health_changed();
        }
    }

    fn health_check_ended(&mut self) {
        if self.health.as_mut().is_some_and(HealthChecks::read) {
            self.health_changed();
        }
    }

    fn health_changed(&mut self) {
        let Some(health) = self.health.as_ref().map(HealthChecks::state) else { return };
        let before = self.entry.state.health.as_ref().map(|health| health.status);
        if before != Some(health.status) {
            let action = format!("health_status: {}", health.status.as_str());
            events::add(&self.containers, &self.entry.record, &action, &[]);
        }
        self.entry.state.health = Some(health);
        let _ = self.entry.write_state();
    }
}
