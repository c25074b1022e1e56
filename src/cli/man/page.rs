//! A manual page.

use std::fmt::Write as _;

use clap::Command;
use clap_mangen::Man;

use super::examples;
use crate::cli::CliError;

/// Environment variables that all commands read.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("RBUILD_ROOT", "the store, as --root"),
    ("RBUILD_MAX_STORE", "how much room the store may take, as --max-store"),
    ("DOCKER_CONFIG", "the folder with docker's config.json, as --config"),
    ("DOCKER_HOST, DOCKER_CONTEXT", "which engine is meant: another one than this is an error"),
    ("DOCKER_DEFAULT_PLATFORM", "the platform where --platform is not given"),
    ("BUILDKIT_PROGRESS", "how a build is shown, as --progress"),
    ("SOURCE_DATE_EPOCH", "the time, in seconds since 1970, that an image's files and history have at most"),
    ("HTTP_PROXY, HTTPS_PROXY, NO_PROXY", "the way to registries and servers, also in small letters"),
    ("NO_COLOR", "signs and no colours"),
    ("TERM", "dumb for lines in place of a display"),
    ("TMPDIR", "where archives are kept for a while"),
];

const FILES: &[(&str, &str)] = &[
    ("/var/lib/rbuild", "the store of root"),
    ("$XDG_DATA_HOME/rbuild, ~/.local/share/rbuild", "the store of an ordinary user"),
    ("~/.docker/config.json", "docker's settings: logins, formats, proxies, filters of prunes, keys to detach with"),
    ("/etc/docker/daemon.json", "mirrors and registries without TLS, as docker's engine has them"),
    ("/etc/containers/registries.conf", "registries, mirrors and short names"),
    ("/etc/docker/certs.d", "certificates of registries"),
    ("/etc/cdi, /var/run/cdi", "descriptions of devices"),
    ("/etc/subuid, /etc/subgid", "the users that an ordinary user's containers have"),
    (".dockerignore, NAME.dockerignore", "what a context leaves out"),
];

/// The manual page of a command.
pub(super) fn page(command: &Command, name: &str) -> Result<String, CliError> {
    // The title has the full name; the usage has the words as typed.
    let shown = command.clone().display_name(name.to_owned()).version(env!("CARGO_PKG_VERSION"));
    let man = Man::new(shown.clone())
        .title(name)
        .section("1")
        .source(format!("rbuild {}", env!("CARGO_PKG_VERSION")))
        .manual("rbuild");
    let mut out = Vec::new();
    let failed = |error: std::io::Error| CliError::new(format!("cannot make the manual page: {error}"));
    man.render_title(&mut out).map_err(failed)?;
    man.render_name_section(&mut out).map_err(failed)?;
    let mut text = String::from_utf8_lossy(&out).into_owned();
    let usage = command.clone().render_usage().to_string();
    let _ = writeln!(text, ".SH SYNOPSIS\n.B {}", escape(usage.trim_start_matches("Usage: ").trim()));
    out.clear();
    man.render_description_section(&mut out).map_err(failed)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(&mut out).map_err(failed)?;
    }
    text += &String::from_utf8_lossy(&out);
    text += &commands(command, name);
    text += &own_sections(name);
    Ok(text)
}

fn commands(command: &Command, name: &str) -> String {
    let shown: Vec<&Command> =
        command.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help").collect();
    if shown.is_empty() {
        return String::new();
    }
    let line = |inner: &&Command| {
        let about = inner.get_about().map(ToString::to_string).unwrap_or_default();
        format!(".TP\n\\fB{}\\fR(1)\n{}\n", escape(&format!("{name}-{}", inner.get_name())), escape(&about))
    };
    format!(".SH COMMANDS\n{}", shown.iter().map(line).collect::<String>())
}

/// The sections that are not in the definition.
fn own_sections(name: &str) -> String {
    let words = name.split_once('-').map_or("", |(_, words)| words).replace('-', " ");
    let mut text = String::new();
    if let Some((_, list)) = examples::ALL.iter().find(|(command, _)| *command == words) {
        text += ".SH EXAMPLES\n";
        for (line, why) in *list {
            let _ = writeln!(text, ".TP\n{}\n.B {}", escape(why), escape(line));
        }
    }
    let table = |heading: &str, rows: &[(&str, &str)]| {
        let row = |(name, what): &(&str, &str)| format!(".TP\n.B {}\n{}\n", escape(name), escape(what));
        format!(".SH {heading}\n{}", rows.iter().map(row).collect::<String>())
    };
    text += &table("ENVIRONMENT", ENVIRONMENT);
    text += &table("FILES", FILES);
    let codes = exit_codes(&words);
    let codes = codes.iter().map(|(code, what)| format!(".TP\n{code}\n{}\n", escape(what)));
    text += &format!(".SH \"EXIT STATUS\"\n{}", codes.collect::<String>());
    let others = examples::see_also(&words).iter().map(|other| format!("\\fB{}\\fR(1)", escape(other)));
    text += &format!(".SH \"SEE ALSO\"\n{}\n", others.collect::<Vec<_>>().join(", "));
    text
}

/// The exit codes of a command, which are docker's.
fn exit_codes(words: &str) -> Vec<(&'static str, &'static str)> {
    let last = words.rsplit(' ').next().unwrap_or_default();
    let mut codes = vec![("0", "all was done"), ("1", "something failed, or arguments are missing")];
    match last {
        "run" | "exec" => {
            codes = vec![
                ("0 to 255", "what the program ended with; 128 and the signal's number where a signal ended it"),
                ("125", "rbuild could not do what was asked, or the command line is wrong"),
                ("126", "the program could not be executed"),
                ("127", "there is no such program"),
            ];
        }
        "start" | "attach" => codes.push(("any other", "with --attach, what the program ended with")),
        "build" => {
            codes.push(("any other", "what the RUN that failed ended with, or 125 where the command line is wrong"))
        }
        _ => codes.push(("125", "the command line is wrong")),
    }
    codes
}

/// Escapes backslashes, hyphens, and dots at the start of a line, which are special in roff.
fn escape(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-");
    let lines =
        escaped.lines().map(|line| if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.to_owned() });
    lines.collect::<Vec<_>>().join("\n")
}
