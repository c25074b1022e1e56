//! The status of a container, in docker's words.

use jiff::Timestamp;

use crate::base::ago;
use crate::container::{Entry, HealthStatus, Status};

/// `Up 2 minutes (healthy)`
pub fn status(entry: &Entry) -> String {
    let now = Timestamp::now();
    let state = &entry.state;
    let up = || {
        let since = ago(state.started_at, now);
        format!("Up {}", since.strip_suffix(" ago").unwrap_or(&since))
    };
    match state.status {
        Status::Running => match state.health.as_ref().map(|health| health.status) {
            None => up(),
            Some(HealthStatus::Starting) => format!("{} (health: starting)", up()),
            Some(health) => format!("{} ({})", up(), health.as_str()),
        },
        Status::Paused => format!("{} (Paused)", up()),
        Status::Restarting => format!("Restarting ({}) {}", state.exit_code, ago(state.finished_at, now)),
        Status::Removing => "Removal In Progress".to_owned(),
        Status::Dead => "Dead".to_owned(),
        Status::Created => "Created".to_owned(),
        Status::Exited if state.finished_at.is_none() => format!("Exited ({})", state.exit_code),
        Status::Exited => format!("Exited ({}) {}", state.exit_code, ago(state.finished_at, now)),
    }
}
