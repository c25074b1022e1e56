//! Which docker this program stands for, and who it is.

use serde_json::{Value, json};

use crate::image::host_platform;

/// The docker whose command line rbuild's was compared with, and the buildx: what scripts compare versions with.
pub const DOCKER: &str = "28.5.2";
/// The buildx that scripts compare versions with.
pub const BUILDX: &str = "0.29.1";
/// The versions of docker's API that go with it.
pub const API: &str = "1.51";
/// The oldest version of docker's API that is spoken.
pub const LEAST_API: &str = "1.24";

/// The version where docker's is asked for: docker's as far as it is compared, and behind that, as semver has it, rbuild's.
pub fn of_docker() -> String {
    format!("{DOCKER}+rbuild{}", env!("CARGO_PKG_VERSION"))
}

/// What stands for docker's commit.
pub fn build() -> String {
    format!("rbuild-{}", env!("CARGO_PKG_VERSION"))
}

/// docker's `Client` and `Server`. There is no daemon: whoever asks for the server's version asks for the same program.
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
            // It is no Go program, and says nothing of when it was built, so that builds can be compared.
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

/// What this program is called in tables of versions.
pub fn name() -> String {
    format!("rbuild {}", env!("CARGO_PKG_VERSION"))
}
