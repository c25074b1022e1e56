//! Why an ordinary user can't have a user namespace on this machine, as far as can be detected, and what helps.

use std::io;
use std::path::Path;

use super::error::Unsupported;
use super::surroundings;

/// A kernel setting that forbids user namespaces if it has that value.
struct Setting {
    name: &'static str,
    path: &'static str,
    forbids: &'static str,
    allows: &'static str,
}

const SETTINGS: &[Setting] = &[
    Setting {
        name: "user.max_user_namespaces",
        path: "/proc/sys/user/max_user_namespaces",
        forbids: "0",
        allows: "15000",
    },
    Setting {
        name: "kernel.unprivileged_userns_clone",
        path: "/proc/sys/kernel/unprivileged_userns_clone",
        forbids: "0",
        allows: "1",
    },
    Setting {
        name: "kernel.apparmor_restrict_unprivileged_userns",
        path: "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        forbids: "1",
        allows: "0",
    },
];

/// The cause of the kernel's error for creating a user namespace.
pub(super) fn of_user_namespace(error: &io::Error) -> Unsupported {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    explain(error, &read("/proc/self/status"), &read("/proc/self/mountinfo"), |setting| {
        read(setting.path).trim() == setting.forbids
    })
}

/// For a process without the right to create namespaces, in no user namespace of its own either.
pub(super) fn of_missing_rights() -> Unsupported {
    Unsupported { what: "cannot make namespaces: CAP_SYS_ADMIN is missing".to_owned(), hint: Some(of_flags()) }
}

/// The kernel's error for creating namespaces, whatever rights the process has.
pub(super) fn of_own_namespaces(error: &io::Error) -> Unsupported {
    match surroundings::has_capability("SYS_ADMIN") {
        true => of_namespaces(error),
        false => of_missing_rights(),
    }
}

/// The kernel's error for a process that has that right.
pub(super) fn of_namespaces(error: &io::Error) -> Unsupported {
    let cause = match surroundings::is_confined_by_seccomp() {
        true => "a seccomp filter forbids it, such as that of a container that rbuild runs in".to_owned(),
        false => error.to_string(),
    };
    Unsupported { what: format!("cannot make namespaces: {cause}"), hint: Some(of_flags()) }
}

/// Why a process can't trace its own children.
pub(super) fn of_tracing(error: &io::Error) -> Unsupported {
    Unsupported {
        what: format!("programs can't be emulated: tracing them is forbidden ({error})"),
        hint: Some(of_flags()),
    }
}

/// For root that can't map users.
pub(super) fn of_root(reason: String) -> Unsupported {
    Unsupported { what: format!("cannot make a user namespace: {reason}"), hint: Some(of_flags()) }
}

/// The flags of the common runtimes that help.
fn of_flags() -> String {
    "start the container that rbuild runs in with `--security-opt seccomp=unconfined --security-opt \
     apparmor=unconfined`, or in Kubernetes with `seccompProfile: {type: Unconfined}`"
        .to_owned()
}

/// Why `newuidmap` could not write a map. With the setuid bit it runs as root, who does not own the namespace; with a
/// capability it runs as the user, who owns it and needs no rights in the parent namespace.
pub(super) fn of_helper(reason: &str, program: Option<&Path>) -> String {
    let is_setuid = |program: &Path| {
        use std::os::unix::fs::MetadataExt as _;
        program.metadata().is_ok_and(|found| found.mode() & 0o4000 != 0)
    };
    match program.filter(|program| reason.contains("ewuidmap") && is_setuid(program)) {
        Some(program) if reason.contains("not permitted") => format!(
            "{reason}; in a container the setuid bit does not do, but a capability does: as root, chmod u-s {0} {1} && \
             setcap cap_setuid=ep {0} && setcap cap_setgid=ep {1}",
            program.display(),
            program.with_file_name("newgidmap").display()
        ),
        _ => reason.to_owned(),
    }
}

fn explain(error: &io::Error, status: &str, mounts: &str, forbids: impl Fn(&Setting) -> bool) -> Unsupported {
    let (cause, help) = match SETTINGS.iter().find(|setting| forbids(setting)) {
        Some(Setting { name, forbids, allows, .. }) => (
            format!("the kernel setting {name} is {forbids}"),
            format!("an administrator can change it: sysctl -w {name}={allows}"),
        ),
        None if error.raw_os_error() == Some(libc::ENOSPC) => (
            "there are as many as user.max_user_namespaces allows, or they are nested too deeply".to_owned(),
            "an administrator can raise it with sysctl".to_owned(),
        ),
        None if is_chroot(mounts) => {
            ("the kernel allows none in a chroot".to_owned(), "run rbuild outside of the chroot, or as root".to_owned())
        }
        None if has_seccomp_filter(status) => {
            ("a seccomp filter forbids it, such as that of a container that rbuild runs in".to_owned(), of_flags())
        }
        None => (error.to_string(), "run rbuild as root, or where user namespaces are allowed".to_owned()),
    };
    Unsupported {
        what: format!("cannot make a user namespace: {cause}"),
        hint: Some(format!("{help}; without one rbuild moves images and builds what runs no program")),
    }
}

/// Mount points are relative to the process's root: if no mount is at `/`, the root was changed.
fn is_chroot(mounts: &str) -> bool {
    !mounts.is_empty() && !mounts.lines().any(|line| line.split(' ').nth(4) == Some("/"))
}

fn has_seccomp_filter(status: &str) -> bool {
    status.lines().any(|line| line.split_once(':').is_some_and(|(key, value)| key == "Seccomp" && value.trim() == "2"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "22 1 0:20 / / rw - ext4 /dev/vda rw";

    fn cause(errno: i32, status: &str, mounts: &str, forbidding: Option<&str>) -> String {
        let error = io::Error::from_raw_os_error(errno);
        let found = explain(&error, status, mounts, |setting| Some(setting.name) == forbidding);
        found.what.trim_start_matches("cannot make a user namespace: ").to_owned()
    }

    #[test]
    fn each_cause_is_told_from_the_others() {
        let filtered = "Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n";
        let setting = cause(libc::ENOSPC, filtered, ROOT, Some("user.max_user_namespaces"));
        assert_eq!(setting, "the kernel setting user.max_user_namespaces is 0");
        assert!(cause(libc::ENOSPC, "", ROOT, None).starts_with("there are as many"));
        assert!(cause(libc::EPERM, filtered, "22 1 0:20 / /srv rw - ext4 /dev/vda rw", None).contains("chroot"));
        assert!(cause(libc::EPERM, filtered, ROOT, None).contains("seccomp"));
        assert!(cause(libc::EPERM, "Seccomp:\t0\n", ROOT, None).contains("not permitted"));
    }
}
