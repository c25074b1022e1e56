//! `rbuild system check`

use std::process::ExitCode;

use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::engine::check::{self, Finding, Severity};
use crate::store::{StoreError, damaged_database};

/// Verify every byte of the store
///
/// Exits with 1 when something is damaged and not repaired.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Remove or rebuild what is damaged or left over
    #[arg(short, long)]
    repair: bool,
    /// `json` for a machine to read
    #[arg(long, value_name = "FORMAT", value_parser = ["text", "json"], default_value = "text")]
    format: String,
}

pub(super) fn run(args: &Args, global: &Global) -> Result<ExitCode, CliError> {
    let mut findings = Vec::new();
    let store = match global.open_store() {
        Ok(store) if !args.repair || store.database_faults().is_ok_and(|faults| faults.is_empty()) => store,
        Ok(store) => {
            drop(store);
            findings.push(rebuild_database(global)?);
            global.open_store()?
        }
        Err(_) if args.repair && global.store_root()?.join("store.db").exists() => {
            findings.push(rebuild_database(global)?);
            global.open_store()?
        }
        Err(error) => return Err(error),
    };
    findings.extend(check::check(&store, args.repair)?);
    let is_wrong = |finding: &&Finding| finding.severity == Severity::Damage && finding.repair.is_none();
    let wrong = findings.iter().filter(is_wrong).count();
    let text = match args.format.as_str() {
        "json" => findings.iter().map(|finding| format!("{}\n", serde_json::json!(finding))).collect(),
        _ => as_text(&findings, wrong),
    };
    output::print(&text)?;
    Ok(ExitCode::from(u8::from(wrong > 0)))
}

fn rebuild_database(global: &Global) -> Result<Finding, CliError> {
    let (aside, saved) = damaged_database(&global.store_root()?).map_err(|error: StoreError| CliError::from(error))?;
    Ok(Finding {
        severity: Severity::Damage,
        subject: "database".to_owned(),
        fault: "it is damaged".to_owned(),
        repair: Some(format!(
            "a new one was made with the {saved} rows that could be read; the old one is {}",
            aside.display()
        )),
    })
}

fn as_text(findings: &[Finding], wrong: usize) -> String {
    let mut text = String::new();
    for finding in findings {
        let word = match finding.severity {
            Severity::Damage => "damaged ",
            Severity::Leftover => "leftover",
        };
        text += &format!("{word} {}: {}\n", finding.subject, finding.fault);
        if let Some(repair) = &finding.repair {
            text += &format!("         {repair}\n");
        }
    }
    let repaired = findings.iter().filter(|finding| finding.repair.is_some()).count();
    text + &match (findings.len(), wrong) {
        (0, _) => "The store is in order.\n".to_owned(),
        (all, 0) if repaired == all => "Everything that was found was repaired.\n".to_owned(),
        (all, 0) => format!("Nothing is damaged; {} things can be removed with --repair.\n", all - repaired),
        (_, wrong) => format!("{wrong} things are damaged.\n"),
    }
}
