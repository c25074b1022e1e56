//! `rbuild top`

use std::process::{Command, ExitCode};

use crate::cli::container::each;
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::container::Status;
use crate::container::sandbox;

/// Show the processes of a container
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A name, an ID or the beginning of one
    #[arg(value_name = "CONTAINER")]
    pub(in crate::cli) container: String,
    /// Options of ps(1)
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "PS_OPTIONS")]
    options: Vec<String>,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let containers = each::open(global)?;
    let entry = each::find(&containers, &args.container)?;
    if !matches!(entry.state.status, Status::Running | Status::Paused) {
        return Err(CliError::new(format!("container {} is not running", args.container)));
    }
    let pids = sandbox::processes(entry.state.pid);
    let options = if args.options.is_empty() { vec!["-ef".to_owned()] } else { args.options.clone() };
    let text = ps(&options)?;
    containers.tell(&entry, "top", &[]);
    output::print(&table(&text, &pids)?)?;
    Ok(ExitCode::SUCCESS)
}

/// What the host's ps(1) says of all processes.
fn ps(options: &[String]) -> Result<String, CliError> {
    let ran = Command::new("ps")
        .args(options)
        .output()
        .map_err(|error| CliError::new(format!("cannot run ps: {error}")).hint("it is in the package procps"))?;
    if !ran.status.success() {
        return Err(CliError::new(format!("ps: {}", String::from_utf8_lossy(&ran.stderr).trim())));
    }
    Ok(String::from_utf8_lossy(&ran.stdout).into_owned())
}

/// The lines of these processes, in docker's columns: each as wide as its widest cell, and four blanks.
fn table(text: &str, pids: &[i32]) -> Result<String, CliError> {
    let mut lines = text.lines();
    let titles: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
    let column = titles.iter().position(|title| *title == "PID");
    let column = column.ok_or_else(|| CliError::new("couldn't find PID field in ps output"))?;
    let mut rows = vec![titles.iter().map(|title| (*title).to_owned()).collect::<Vec<_>>()];
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let pid = words.get(column).and_then(|word| word.parse::<i32>().ok());
        if pid.is_some_and(|pid| pids.contains(&pid)) {
            // The last column has blanks in it.
            let (cells, last) = words.split_at(words.len().min(titles.len() - 1));
            rows.push(cells.iter().map(|cell| (*cell).to_owned()).chain([last.join(" ")]).collect());
        }
    }
    let mut widths = vec![0; titles.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count() + 4).max(20);
        }
    }
    let line = |row: &Vec<String>| -> String {
        let cells: String = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.trim_end().to_owned() + "\n"
    };
    Ok(rows.iter().map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_containers_processes() {
        let text = "UID   PID  PPID CMD\nroot    1     0 init\nroot   23     1 sh -c  x y\n";
        let shown = table(text, &[23, 99]).unwrap();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1].split_whitespace().collect::<Vec<_>>(), ["root", "23", "1", "sh", "-c", "x", "y"]);
        assert_eq!(lines[0].find("PID"), Some(20));
        assert!(table("A B\n", &[1]).is_err());
    }
}
