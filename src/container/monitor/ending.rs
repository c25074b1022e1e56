//! The end of a container: its last output, its restart, and the replies to clients.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::client::{Awaits, Client};
use super::supervisor::{SIGKILL, Supervisor};
use crate::container::directory::Aside;
use crate::container::log::LogWriter;
use crate::container::protocol::{Ending, Failure, Reply, chain};
use crate::container::sandbox::Outcome;
use crate::container::state::Status;
use crate::container::{events, socket};

impl Supervisor {
    pub(super) fn program_ended(&mut self) {
        // Its last output. Its processes are gone, so this ends; a process outside may still hold the pipe open.
        let outputs = self.program.as_ref().map_or(0, |program| program.outputs.len());
        for index in (0..outputs).rev() {
            while self.pass_output(index) {}
        }
        let Some(program) = self.program.take() else { return };
        let ran = program.started.elapsed();
        let networks = program.wiring.networks().to_vec();
        let outcome = program.end(&mut self.entry.state.mount_points);
        self.health = None;
        let log = self.log.as_mut().map_or(Ok(()), LogWriter::finish);
        let state = &mut self.entry.state;
        if let Err(error) = log {
            state.error = format!("the end of the log is missing: {error}");
        }
        state.pid = 0;
        state.finished_at = Some(Timestamp::now());
        state.network.clear();
        state.cgroups.clear();
        match outcome {
            Ok(Outcome { status, out_of_memory, .. }) => {
                state.exit_code = status.code();
                state.oom_killed = out_of_memory;
            }
            Err(error) => {
                state.exit_code = 125;
                state.error = chain(&error);
            }
        }
        if state.oom_killed {
            events::add(&self.containers, &self.entry.record, "oom", &[]);
        }
        let code = self.entry.state.exit_code.to_string();
        let seconds = ran.as_secs().to_string();
        let facts = [("exitCode", code.as_str()), ("execDuration", seconds.as_str())];
        let was_stopped = std::mem::take(&mut self.is_stopping);
        events::add_end(&self.containers, &self.entry.record, (&networks, was_stopped), &facts);
        self.decide_on_restart(ran);
    }

    pub(super) fn decide_on_restart(&mut self, ran: Duration) {
        self.kill_at = None;
        let policy = self.entry.record.host_config.restart_policy;
        let delay = match self.entry.state.stopped_by_user {
            true => None,
            false => self.restarts.after(policy, self.entry.state.exit_code, ran),
        };
        let Some(delay) = delay else {
            self.entry.state.status = Status::Exited;
            return;
        };
        self.entry.state.status = Status::Restarting;
        self.entry.state.restart_count = self.restarts.count;
        self.restart_at = Some(Instant::now() + delay);
        let _ = self.entry.write_state();
        // Clients were attached to this run only.
        let ending = self.ending();
        let hears = |client: &&mut Client| client.attach.is_some() || client.awaits == Awaits::Exit;
        for client in self.clients.iter_mut().filter(hears) {
            client.reply(&Reply::Ended(ending.clone()));
            client.attach = None;
            client.awaits = Awaits::Nothing;
        }
    }

    /// The container was deleted while its program runs: no `stop` could reach it any longer.
    pub(super) fn end_with_store(&mut self) {
        self.entry.state.stopped_by_user = true;
        self.restart_at = None;
        if let Some(program) = &self.program {
            // Fails only if it is gone already.
            let _ = program.signal(SIGKILL);
        }
    }

    fn ending(&self) -> Ending {
        let state = &self.entry.state;
        Ending {
            exit_code: state.exit_code,
            out_of_memory: state.oom_killed,
            error: Some(state.error.clone()).filter(|error| !error.is_empty()),
        }
    }

    /// Records the end or removes the container, releases it, and replies to all who wait.
    pub(super) fn finish(mut self) {
        let ending = self.ending();
        let mut aside = Ok(None);
        if self.entry.record.host_config.auto_remove && !self.keep {
            aside = self.containers.set_aside(&self.entry.record.id).map(Some);
            events::add(&self.containers, &self.entry.record, "destroy", &[]);
        } else {
            self.entry.state.monitor_pid = 0;
            if self.keep {
                // It was stopped to be started again: if nobody does that, the next boot does.
                self.entry.state.stopped_by_user = false;
            }
            // If this fails, readers see that nobody holds the lock.
            let _ = self.entry.write_state();
            socket::remove(self.entry.folder());
        }
        // From here on, the container no longer belongs to this process: anyone may start or remove it.
        drop(self.lock.take());
        drop(self.log.take());
        let is_asker = |client: &Client| matches!(client.awaits, Awaits::Stop);
        let (askers, others): (Vec<_>, Vec<_>) = self.clients.drain(..).partition(is_asker);
        let mut slow = Vec::new();
        for mut client in others {
            if matches!(client.awaits, Awaits::End | Awaits::Exit) || client.attach.is_some() {
                client.reply(&Reply::Ended(ending.clone()));
            }
            client.write();
            slow.extend(Some(client).filter(Client::has_outgoing));
        }
        // Clients that requested the end get a reply after the removal; for the others, waiting for that would take
        // longer than a short program.
        let removal = aside.and_then(|aside: Option<Aside>| aside.map_or(Ok(()), Aside::delete));
        let answer = removal.map_or_else(|error| Reply::Failed(Failure::of(&error)), |()| Reply::Done);
        for mut client in askers {
            client.reply(&answer);
            client.finish();
        }
        // Slow clients come last, so that nobody waits for them.
        slow.iter_mut().for_each(Client::finish);
    }
}
