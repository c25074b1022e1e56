//! The default AppArmor profile of containers: forbids what docker's default profile forbids, under rbuild's name.
//!
//! AppArmor's parser loads it, once per boot and version of the profile. Only root of the host can do that.

use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::{lsm, user_namespace};

/// The name of the profile.
pub const DEFAULT_APPARMOR_PROFILE: &str = "rbuild-default";

/// The kernel's list of loaded profiles: one per line, each followed by its mode.
const LOADED: &str = "/sys/kernel/security/apparmor/profiles";

/// The profile text that was loaded last, so that a newer rbuild loads its own. A reboot removes it, and the profile.
const MARK: &str = "/run/rbuild/apparmor-profile";

/// The feature ABI of the profile's rules, from AppArmor's package since version 3.
const ABI: &str = "/etc/apparmor.d/abi/3.0";

const PARSER: &str = "apparmor_parser";
const FOLDERS: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/// Whether containers can be confined here: AppArmor is enabled, and rbuild is the host's root, in no user namespace.
pub fn is_apparmor_usable() -> bool {
    lsm::has_apparmor()
        && user_namespace::entered().is_none()
        && rustix::process::geteuid().is_root()
        && Path::new(LOADED).exists()
        && std::env::var_os("container").is_none_or(|value| value.is_empty())
}

/// The profile of containers that name none; `None` if AppArmor is not available. The first call in this process loads
/// it; the error says why that failed.
pub fn default_apparmor_profile() -> Result<Option<&'static str>, &'static str> {
    static FOUND: OnceLock<Result<Option<&'static str>, String>> = OnceLock::new();
    let find = || match is_apparmor_usable() {
        true => load().map(|()| Some(DEFAULT_APPARMOR_PROFILE)),
        false => Ok(None),
    };
    FOUND.get_or_init(find).as_ref().map_or_else(|reason| Err(reason.as_str()), |profile| Ok(*profile))
}

/// Whether a running process is confined by the default profile.
pub fn has_default_apparmor_profile(pid: i32) -> bool {
    confinement(&format!("/proc/{pid}/attr")).is_some_and(|name| name == DEFAULT_APPARMOR_PROFILE)
}

/// The profile that a folder of a process's attributes names, without the mode.
fn confinement(attributes: &str) -> Option<String> {
    let read = |file: &str| std::fs::read_to_string(format!("{attributes}/{file}")).ok();
    let text = read("apparmor/current").or_else(|| read("current"))?;
    let text = text.trim_end_matches(['\n', '\0']);
    Some(text.split_once(" (").map_or(text, |(name, _)| name).to_owned())
}

fn load() -> Result<(), String> {
    let text = profile(confinement("/proc/self/attr").as_deref());
    let is_mark = std::fs::read_to_string(MARK).is_ok_and(|loaded| loaded == text);
    if is_mark && is_loaded(&std::fs::read_to_string(LOADED).unwrap_or_default()) {
        return Ok(());
    }
    let parser = FOLDERS.iter().map(|folder| Path::new(folder).join(PARSER)).find(|file| file.is_file());
    let parser = parser.ok_or_else(|| format!("`{PARSER}` is not installed (package apparmor)"))?;
    parse(&parser, &text)?;
    // Without the mark, the next process loads it again.
    let mark = PathBuf::from(MARK);
    if let Some(folder) = mark.parent() {
        let _ = std::fs::DirBuilder::new().mode(0o700).recursive(true).create(folder);
        let _ = std::fs::write(&mark, text);
    }
    Ok(())
}

fn is_loaded(list: &str) -> bool {
    list.lines().any(|line| line.split_once(" (").map_or(line, |(name, _)| name) == DEFAULT_APPARMOR_PROFILE)
}

/// Passes the text to AppArmor's parser, which adds or replaces the profile.
fn parse(parser: &Path, text: &str) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("`{}`: {error}", parser.display());
    let mut command = Command::new(parser);
    command.args(["--replace", "--skip-cache"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    // If it does not read this, its own error says why.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().map_err(failed)?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("`{}`: {}", parser.display(), String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// The rules of docker-default: no access to the kernel's switches in `/proc` and `/sys`, no mounts, no tracing or
/// signalling of other containers' processes. `own` is the profile of this process, which has to be able to kill
/// containers.
///
/// Without a declared ABI, AppArmor 3 and later apply only the features of version 2, without rules for socket
/// families.
fn profile(own: Option<&str>) -> String {
    let abi = if Path::new(ABI).exists() { "abi <abi/3.0>,\n" } else { "" };
    let own = own.filter(|own| !matches!(*own, "" | "unconfined"));
    let own = own.map(|own| format!("  signal (receive) peer=\"{own}\",\n")).unwrap_or_default();
    format!(
        "\
# rbuild's containers have it unless they ask for another (--security-opt apparmor=NAME|unconfined).
{abi}profile {DEFAULT_APPARMOR_PROFILE} flags=(attach_disconnected,mediate_deleted) {{
  network,
  # Whatever way a program asks for them, as 32-bit ones may in a way that seccomp can't see.
  deny network alg,
  deny network vsock,
  capability,
  file,
  umount,

  signal (receive) peer=unconfined,
{own}  signal (send,receive) peer={DEFAULT_APPARMOR_PROFILE},
  ptrace (trace,read,tracedby,readby) peer={DEFAULT_APPARMOR_PROFILE},

  # Files right in /proc, and in folders of it that are no process's and not sys.
  deny /proc/* w,
  deny /proc/{{[^1-9],[^1-9][^0-9],[^1-9s][^0-9y][^0-9s],[^1-9][^0-9][^0-9][^0-9/]*}}/** w,
  # Of sys, all but kernel/shm*.
  deny /proc/sys/[^k]** w,
  deny /proc/sys/kernel/{{?,??,[^s][^h][^m]**}} w,
  deny /proc/sysrq-trigger rwklx,
  deny /proc/kcore rwklx,

  deny mount,

  # All of /sys but fs/cgroup.
  deny /sys/[^f]*/** wklx,
  deny /sys/f[^s]*/** wklx,
  deny /sys/fs/[^c]*/** wklx,
  deny /sys/fs/c[^g]*/** wklx,
  deny /sys/fs/cg[^r]*/** wklx,
  deny /sys/firmware/** rwklx,
  deny /sys/devices/virtual/powercap/** rwklx,
  deny /sys/kernel/security/** rwklx,
}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_in_the_kernels_list() {
        assert!(is_loaded("docker-default (enforce)\nrbuild-default (enforce)\n"));
        assert!(!is_loaded("rbuild-default-2 (enforce)\nrbuild (enforce)\n") && !is_loaded(""));
    }

    #[test]
    fn whoever_confines_rbuild_may_end_containers() {
        assert!(profile(Some("my rbuild")).contains("signal (receive) peer=\"my rbuild\",\n  signal (send"));
        assert_eq!(profile(Some("unconfined")), profile(None));
        let (opened, closed) = (profile(None).matches('{').count(), profile(None).matches('}').count());
        assert_eq!(opened, closed);
    }
}
