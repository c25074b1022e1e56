//! docker's options that rbuild supports with one value only: others are errors.

use crate::base::boolean;
use crate::cli::CliError;

#[derive(Debug, clap::Args)]
pub(super) struct Settled {
    #[command(flatten)]
    pub(super) builder: crate::cli::buildx::Builder,
    /// No effect: rbuild reads the context in place
    #[arg(long)]
    compress: bool,
    /// Only `false`: rbuild makes no attestations
    #[arg(long, value_name = "false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    provenance: Option<String>,
    /// Only `false`: rbuild makes no attestations
    #[arg(long, value_name = "false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    sbom: Option<String>,
    /// Only `type=TYPE,disabled=true`: rbuild makes no attestations
    #[arg(long, value_name = "ATTESTATION")]
    attest: Vec<String>,
    /// `disabled=true` ignores a policy beside the Dockerfile: rbuild evaluates none
    #[arg(long, value_name = "disabled=true")]
    policy: Vec<String>,
    /// Only `true`: a step leaves no container behind
    #[arg(long, value_name = "true", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    rm: Option<bool>,
    /// No effect: a failed step leaves no container behind
    #[arg(long)]
    force_rm: bool,
}

impl Settled {
    pub(super) fn check(&self) -> Result<(), CliError> {
        for (option, value) in [("provenance", &self.provenance), ("sbom", &self.sbom)] {
            if let Some(value) = value.as_deref().filter(|value| !is_false(value)) {
                return Err(no_attestations(option, value));
            }
        }
        for attestation in &self.attest {
            let mut keys = attestation.split(',').filter_map(|key| key.trim().split_once('='));
            if !keys.clone().any(|(key, _)| key == "type") {
                return Err(CliError::new(format!("invalid --attest `{attestation}`: it needs a type")));
            }
            if !keys.any(|(key, value)| key == "disabled" && boolean(value) == Some(true)) {
                return Err(no_attestations("attest", attestation));
            }
        }
        for policy in &self.policy {
            check_policy(policy, self.heeds_policies())?;
        }
        if self.rm == Some(false) && !self.force_rm {
            return Err(CliError::new("--rm=false: a step's container ends with the step")
                .hint("`rbuild debug` opens a shell in what a step left, and `build --debug` as soon as one fails"));
        }
        Ok(())
    }

    /// Unless they are disabled.
    pub(super) fn heeds_policies(&self) -> bool {
        let fields = self.policy.iter().flat_map(|policy| policy.split(','));
        let mut disabled = fields.filter_map(|field| field.trim().strip_prefix("disabled="));
        !disabled.any(|value| boolean(value) == Some(true))
    }
}

/// A policy file would have to be evaluated; the other fields only say how, and have no effect without a file.
fn check_policy(policy: &str, counts: bool) -> Result<(), CliError> {
    for field in policy.split(',') {
        let (key, value) = field.trim().split_once('=').unwrap_or((field, ""));
        let is_right = match key {
            "filename" if !value.is_empty() => {
                if counts {
                    let text = format!("--policy {policy}: rbuild evaluates no policies of where files come from");
                    return Err(CliError::new(text).hint("to build without: `--policy disabled=true`"));
                }
                true
            }
            "disabled" | "strict" | "reset" => boolean(value).is_some(),
            "log-level" => !value.is_empty(),
            _ => false,
        };
        if !is_right {
            return Err(CliError::new(format!("--policy {policy}: invalid value `{field}`")));
        }
    }
    Ok(())
}

fn is_false(value: &str) -> bool {
    boolean(value) == Some(false)
}

fn no_attestations(option: &str, value: &str) -> CliError {
    CliError::new(format!("--{option}={value}: rbuild makes no attestations")).hint(format!("leave out `--{option}`"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        settled: Settled,
    }

    fn is_taken(words: &[&str]) -> bool {
        let words = std::iter::once("build").chain(words.iter().copied());
        Typed::try_parse_from(words).is_ok_and(|typed| typed.settled.check().is_ok())
    }

    #[test]
    fn what_rbuild_does_anyway_may_be_asked_for() {
        let off = [
            "--provenance=false",
            "--sbom=0",
            "--attest",
            "type=provenance,disabled=true",
            "--rm",
            "--force-rm",
            "--compress",
        ];
        assert!(is_taken(&off) && is_taken(&[]) && is_taken(&["--rm=true"]));
        assert!(
            is_taken(&["--policy", "disabled=true", "--policy=filename=a.rego"]) && is_taken(&["--policy=strict=true"])
        );
        for other in ["--policy=filename=a.rego", "--policy=disabled=2", "--policy=nope=1"] {
            assert!(!is_taken(&[other]), "{other}");
        }
        for other in ["--provenance", "--provenance=mode=max", "--sbom=true", "--attest=type=sbom", "--rm=false"] {
            assert!(!is_taken(&[other]), "{other}");
        }
    }
}
