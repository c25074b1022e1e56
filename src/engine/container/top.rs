//! Lists the processes of a container, as the host's ps(1) shows them.

use std::process::Command;

use super::RequestError;
use crate::container::sandbox;
use crate::container::{ContainerError, Containers, Entry, Status, lacks_namespaces};

/// The output of ps(1).
#[derive(Debug, PartialEq)]
pub struct Processes {
    /// The column titles.
    pub titles: Vec<String>,
    /// A row for each process.
    pub rows: Vec<Vec<String>>,
}

/// With those options of ps(1); by default `-ef`.
pub fn top(containers: &Containers, entry: &Entry, options: &[String]) -> Result<Processes, RequestError> {
    if !matches!(entry.state.status, Status::Running | Status::Paused) {
        return Err(ContainerError::NotRunning { name: entry.record.plain_name().to_owned() }.into());
    }
    let mut pids = sandbox::processes(entry.state.pid);
    if lacks_namespaces(&entry.record) {
        // Its first process is the one that confines the others.
        pids.retain(|pid| *pid != entry.state.pid);
    }
    let usual = ["-ef".to_owned()];
    let text = ps(if options.is_empty() { &usual } else { options })?;
    containers.tell(entry, "top", &[]);
    of_these(&text, &pids)
}

/// Runs the host's ps(1) for all processes.
fn ps(options: &[String]) -> Result<String, RequestError> {
    let ran = Command::new("ps").args(options).output().map_err(|_| RequestError::NoPs)?;
    if !ran.status.success() {
        return Err(RequestError::refused(format!("ps: {}", String::from_utf8_lossy(&ran.stderr).trim())));
    }
    Ok(String::from_utf8_lossy(&ran.stdout).into_owned())
}

/// Keeps the lines of these processes.
fn of_these(text: &str, pids: &[i32]) -> Result<Processes, RequestError> {
    let mut lines = text.lines();
    let titles: Vec<String> = lines.next().unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    let column = titles.iter().position(|title| title == "PID");
    let column = column.ok_or_else(|| RequestError::refused("couldn't find PID field in ps output"))?;
    let mut rows = Vec::new();
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let pid = words.get(column).and_then(|word| word.parse::<i32>().ok());
        if pid.is_some_and(|pid| pids.contains(&pid)) {
            // The last column contains blanks.
            let (cells, last) = words.split_at(words.len().min(titles.len() - 1));
            rows.push(cells.iter().map(|cell| (*cell).to_owned()).chain([last.join(" ")]).collect());
        }
    }
    Ok(Processes { titles, rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_containers_processes() {
        let text = "UID   PID  PPID CMD\nroot    1     0 init\nroot   23     1 sh -c  x y\n";
        let shown = of_these(text, &[23, 99]).unwrap();
        assert_eq!(shown.titles, ["UID", "PID", "PPID", "CMD"]);
        assert_eq!(shown.rows, [["root", "23", "1", "sh -c x y"]]);
        assert!(of_these("A B\n", &[1]).is_err());
    }
}
