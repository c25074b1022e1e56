//! What happens to signals that this process gets while it shows a container's program.

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

/// All that docker passes on and that mean something to a program which they are sent to. Those that stop whoever reads from
/// a terminal in the background do so here, too.
const SIGNALS: [i32; 15] = [
    SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCONT, SIGALRM, SIGWINCH, SIGTSTP, SIGIO, SIGPROF, SIGVTALRM,
    SIGXCPU, SIGXFSZ,
];

/// So many requests to end are enough, whoever got them.
const PATIENCE: usize = 3;

/// What is done with a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalPolicy {
    /// The program gets it.
    PassOn,
    /// Those that ask to end are not heard until they were sent three times.
    Ignore,
    /// This process ends by it, if it would without a container.
    Obey,
}

/// Signals are kept from now on for the program that is about to start, so that none is lost.
#[derive(Debug)]
pub struct SignalsKept(Signals);

impl SignalsKept {
    pub fn new() -> Result<Self, ContainerError> {
        Ok(Self(Signals::new(SIGNALS).at("register", "the signals")?))
    }

    /// Treats them so until this process ends. `leave` ends the session; it is called when the user has no patience left,
    /// which `is_forced` says then.
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
                    // It fails only when the container is gone, here and below.
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
                    SignalPolicy::Ignore | SignalPolicy::Obey => obey(number),
                }
            }
        });
    }
}

/// Ends this process as the signal would without a handler, its terminal as it was.
fn obey(number: i32) {
    const IGNORED: [i32; 2] = [SIGCONT, SIGWINCH];
    if IGNORED.contains(&number) {
        return;
    }
    if number != SIGTSTP {
        raw_mode::restore();
    }
    // It fails for signals that can't be sent, which none of these is.
    let _ = signal_hook::low_level::emulate_default_handler(number);
}
