//! What happens to the signals that this process receives while it is attached to a container's program.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::signal::{
    SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2, SIGVTALRM, SIGWINCH,
    SIGXCPU, SIGXFSZ,
};
use signal_hook::iterator::Signals;

use super::error::ContainerError;
use super::protocol::Request;
use super::raw_mode;
use super::session::{Sender, Streams, window_size};
use crate::base::io_error::AtPath;

/// All signals that docker forwards and that are useful to the receiving program. Those that stop a background process
/// that reads from its terminal do that here, too.
const SIGNALS: [i32; 15] = [
    SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCONT, SIGALRM, SIGWINCH, SIGTSTP, SIGIO, SIGPROF, SIGVTALRM,
    SIGXCPU, SIGXFSZ,
];

/// After so many requests to end, the session ends, whichever process received them.
const PATIENCE: usize = 3;

/// What to do with a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalPolicy {
    /// Forward it to the program.
    PassOn,
    /// Ignore all signals except SIGHUP and SIGQUIT; three requests to end still end the session.
    Ignore,
    /// Handle it as this process would without a container.
    Obey,
}

/// Signals are held back from now on until the program starts, so that none is lost.
#[derive(Debug)]
pub struct SignalsKept(Signals);

impl SignalsKept {
    pub fn new() -> Result<Self, ContainerError> {
        Ok(Self(Signals::new(SIGNALS).at("register", "the signals")?))
    }

    /// Handles signals by the policy until this process ends. After too many requests to end, sets `is_forced` and
    /// calls `leave`, which ends the session.
    pub(super) fn treat(
        mut self,
        streams: &Streams,
        sender: Sender,
        is_forced: Arc<AtomicBool>,
        leave: impl Fn() + Send + 'static,
    ) {
        let (policy, terminal) = (streams.signals, streams.terminal);
        std::thread::spawn(move || {
            let mut interrupts = 0;
            for number in self.0.forever() {
                if let (SIGWINCH, true, Some((rows, columns))) = (number, terminal, window_size()) {
                    // Fails only if the container is gone, here and below.
                    let _ = sender.request(&Request::Resize { rows, columns });
                }
                if matches!(number, SIGINT | SIGTERM) && policy != SignalPolicy::Obey {
                    interrupts += 1;
                    if interrupts == PATIENCE {
                        is_forced.store(true, Ordering::SeqCst);
                        leave();
                    }
                }
                match policy {
                    SignalPolicy::PassOn => drop(sender.request(&Request::Signal { number })),
                    SignalPolicy::Ignore if !matches!(number, SIGHUP | SIGQUIT) => {}
                    SignalPolicy::Ignore | SignalPolicy::Obey => default_action(number),
                }
            }
        });
    }
}

/// Does what the signal would without a handler, after restoring the terminal.
fn default_action(number: i32) {
    const IGNORED: [i32; 2] = [SIGCONT, SIGWINCH];
    if IGNORED.contains(&number) {
        return;
    }
    if number != SIGTSTP {
        raw_mode::restore();
    }
    // Fails for signals that can't be sent, and none of these is.
    let _ = signal_hook::low_level::emulate_default_handler(number);
}
