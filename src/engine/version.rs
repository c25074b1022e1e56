//! The versions of docker that this program corresponds to, and its own.

use serde_json::{Value, json};

use crate::image::host_platform;

/// The docker version with which rbuild's command line was compared, for scripts that check it.
pub const DOCKER: &str = "28.5.2";
/// The buildx version, for scripts that check it.
pub const BUILDX: &str = "0.29.1";
/// The corresponding version of docker's API.
pub const API: &str = "1.51";
/// The oldest supported version of docker's API.
pub const LEAST_API: &str = "1.24";

/// The version to report as docker's: the one it was compared with, and rbuild's own as semver build metadata.
pub fn of_docker() -> String {
    format!("{DOCKER}+rbuild{}", env!("CARGO_PKG_VERSION"))
}

/// Reported as docker's commit.
pub fn build() -> String {
    format!("rbuild-{}", env!("CARGO_PKG_VERSION"))
}

/// docker's `Client` and `Server`. There is no daemon: both are this program.
pub fn facts() -> Value {
    let platform = host_platform();
    let (os, architecture) = (&platform.os, &platform.architecture);
    let (version, build, name) = (of_docker(), build(), json!({"Name": name()}));
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    let details = json!({
        "ApiVersion": API, "Arch": architecture, "BuildTime": "", "Experimental": "false", "GitCommit": build,
        "GoVersion": "", "KernelVersion": kernel, "MinAPIVersion": LEAST_API, "Os": os,
    });
    json!({
        "Client": {
            "Platform": name, "Version": version, "ApiVersion": API, "DefaultAPIVersion": API, "GitCommit": build,
            // It is not a Go program, and has no build time, so that builds are reproducible.
            "GoVersion": "", "Os": os, "Arch": architecture, "BuildTime": "", "Context": "default",
        },
        "Server": {
            "Platform": name,
            "Components": [
                {"Name": "Engine", "Version": version, "Details": details},
                {"Name": "rbuild", "Version": env!("CARGO_PKG_VERSION"), "Details": {"GitCommit": build}},
            ],
            "Version": version, "ApiVersion": API, "MinAPIVersion": LEAST_API, "GitCommit": build, "GoVersion": "",
            "Os": os, "Arch": architecture, "KernelVersion": kernel, "Experimental": false, "BuildTime": "",
        },
    })
}

/// This program's name in tables of versions.
pub fn name() -> String {
    format!("rbuild {}", env!("CARGO_PKG_VERSION"))
}
