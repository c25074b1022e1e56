//! `rbuild login`

mod prompt;

use std::io::{IsTerminal as _, Read as _, stdin};
use std::process::ExitCode;

use crate::cli::global::Global;
use crate::cli::image::pull::with_hint;
use crate::cli::{CliError, output};
use crate::transport::registry::{Settings, logged_in_user, login, login_again, registry_host};

/// Log in to a registry
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The registry [default: Docker Hub]
    #[arg(value_name = "SERVER", default_value = "docker.io", hide_default_value = true)]
    server: String,
    /// The name to log in with
    #[arg(short, long, value_name = "NAME")]
    username: Option<String>,
    /// The password; others can read it in the list of processes
    #[arg(short, long, value_name = "PASSWORD", conflicts_with = "password_stdin")]
    password: Option<String>,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
}

pub fn run(args: Args, _: &Global) -> Result<ExitCode, CliError> {
    let settings = Settings::from_environment()?;
    let host = registry_host(&args.server);
    if args.username.is_none() && args.password.is_none() && !args.password_stdin {
        match login_again(&settings, host) {
            Ok(true) => return succeeded(),
            Ok(false) => {}
            // The stored credentials are no longer valid: ask the user.
            Err(error) if stdin().is_terminal() => output::say(format_args!("warning: {error}")),
            Err(error) => return Err(with_hint(error)),
        }
    }
    if args.password.is_some() {
        output::say("warning: a password in the arguments can be read by others; --password-stdin is safer");
    }
    let user = user(&args, &settings, host)?;
    let password = password(&args)?;
    let outcome = login(&settings, host, &user, &password).map_err(with_hint)?;
    if let Some(path) = outcome.plain_text {
        output::say(format_args!("warning: the credentials are kept unencrypted in `{}`", path.display()));
    }
    succeeded()
}

fn succeeded() -> Result<ExitCode, CliError> {
    output::print("Login Succeeded\n")?;
    Ok(ExitCode::SUCCESS)
}

fn user(args: &Args, settings: &Settings, host: &str) -> Result<String, CliError> {
    if let Some(user) = &args.username {
        return Ok(user.clone());
    }
    if args.password_stdin {
        return Err(CliError::new("must provide --username with --password-stdin"));
    }
    let known = logged_in_user(settings, host).unwrap_or_default();
    let user = prompt::line(&match &known {
        Some(known) => format!("Username ({known}): "),
        None => "Username: ".to_owned(),
    })?;
    match (user.trim(), known) {
        ("", Some(known)) => Ok(known),
        ("", None) => Err(CliError::new("username is required")),
        (user, _) => Ok(user.to_owned()),
    }
}

fn password(args: &Args) -> Result<String, CliError> {
    let password = match &args.password {
        Some(password) => password.clone(),
        None if args.password_stdin => {
            let mut text = String::new();
            stdin().read_to_string(&mut text)?;
            text.trim_end_matches(['\r', '\n']).to_owned()
        }
        None => prompt::secret("Password: ")?,
    };
    if password.is_empty() { Err(CliError::new("password is required")) } else { Ok(password) }
}
