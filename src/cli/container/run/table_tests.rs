//! Every option of `docker run` has an effect or is refused: none is ignored.

use clap::{CommandFactory as _, Parser};

use super::arguments::ContainerArgs;
use crate::cli::CliError;

#[derive(Debug, Parser)]
#[command(disable_help_flag = true)]
struct Line {
    #[command(flatten)]
    container: ContainerArgs,
}

/// The container's options, as text.
fn options(words: &[&str]) -> Result<String, CliError> {
    let line = ["run"].iter().chain(words).chain(&["image"]);
    let line = Line::try_parse_from(line).map_err(|error| CliError::new(error.to_string()))?;
    line.container.options(false).map(|options| format!("{options:?}"))
}

/// The option as typed, and what it adds to the container's options.
const EFFECTS: &[(&[&str], &str)] = &[
    (&["--add-host", "a:1.2.3.4"], "extra_hosts: [\"a:1.2.3.4\"]"),
    (&["-a", "stderr"], "attach: Attached { stdin: false, stdout: false, stderr: true }"),
    (&["--annotation", "a=b"], "annotations: {\"a\": \"b\"}"),
    (&["--blkio-weight", "300"], "blkio_weight: 300"),
    (&["--blkio-weight-device", "/dev/a:300"], "WeightDevice { path: \"/dev/a\", weight: 300 }"),
    (&["--cap-add", "NET_ADMIN"], "cap_add: [\"NET_ADMIN\"]"),
    (&["--cap-drop", "CHOWN"], "cap_drop: [\"CHOWN\"]"),
    (&["--cgroup-parent", "/x"], "cgroup_parent: \"/x\""),
    (&["--cgroupns", "host"], "cgroupns_mode: Host"),
    (&["--cidfile", "/x/id"], "container_id_file: \"/x/id\""),
    (&["--cpu-period", "50000"], "cpu_period: 50000"),
    (&["--cpu-quota", "25000"], "cpu_quota: 25000"),
    (&["--cpu-rt-period", "1000000"], "cpu_realtime_period: 1000000"),
    (&["--cpu-rt-runtime", "950000"], "cpu_realtime_runtime: 950000"),
    (&["-c", "512"], "cpu_shares: 512"),
    (&["--cpus", "0.5"], "nano_cpus: 500000000"),
    (&["--cpuset-cpus", "0"], "cpuset_cpus: \"0\""),
    (&["--cpuset-mems", "0"], "cpuset_mems: \"0\""),
    (&["--device", "/dev/fuse"], "path_on_host: \"/dev/fuse\""),
    (&["--device", "vendor.com/gpu=0"], "driver: \"cdi\""),
    (&["--device-cgroup-rule", "c 42:* rmw"], "device_cgroup_rules: [\"c 42:* rmw\"]"),
    (
        &["--device-read-bps", "/dev/a:1mb"],
        "blkio_device_read_bps: [ThrottleDevice { path: \"/dev/a\", rate: 1048576 }]",
    ),
    (&["--device-read-iops", "/dev/a:9"], "blkio_device_read_iops: [ThrottleDevice { path: \"/dev/a\", rate: 9 }]"),
    (&["--device-write-bps", "/dev/a:9"], "blkio_device_write_bps: [ThrottleDevice { path: \"/dev/a\", rate: 9 }]"),
    (&["--device-write-iops", "/dev/a:9"], "blkio_device_write_iops: [ThrottleDevice { path: \"/dev/a\", rate: 9 }]"),
    (&["--dns", "1.1.1.1"], "dns: [\"1.1.1.1\"]"),
    (&["--dns-option", "ndots:2"], "dns_options: [\"ndots:2\"]"),
    (&["--dns-search", "a.b"], "dns_search: [\"a.b\"]"),
    (&["--domainname", "a.b"], "domainname: Some(\"a.b\")"),
    (&["--entrypoint", "sh"], "entrypoint: Some([\"sh\"])"),
    (&["-e", "A=b"], "environment: [\"A=b\"]"),
    (&["--expose", "80"], "exposed_ports: {\"80/tcp\"}"),
    (&["--gpus", "all"], "DeviceRequest { driver: \"\", count: -1"),
    (&["--group-add", "50"], "group_add: [\"50\"]"),
    (&["--health-cmd", "true"], "test: [\"CMD-SHELL\", \"true\"]"),
    (&["--health-interval", "3s"], "interval: 3000000000"),
    (&["--health-retries", "3"], "retries: 3"),
    (&["--health-start-interval", "3s"], "start_interval: 3000000000"),
    (&["--health-start-period", "3s"], "start_period: 3000000000"),
    (&["--health-timeout", "3s"], "timeout: 3000000000"),
    (&["-h", "box"], "hostname: Some(\"box\")"),
    (&["--init"], "init: Some(true)"),
    (&["-i"], "open_stdin: true"),
    (&["--network", "n", "--ip", "10.0.0.9"], "ipv4_address: \"10.0.0.9\""),
    (&["--network", "n", "--ip6", "fd00::9"], "ipv6_address: \"fd00::9\""),
    (&["--isolation", "chroot"], "isolation: AskedIsolation(\"chroot\")"),
    (&["--ipc", "host"], "ipc_mode: Host"),
    (&["-l", "a=b"], "labels: {\"a\": \"b\"}"),
    (&["--link", "db:x"], "links: [\"db:x\"]"),
    (&["--link-local-ip", "169.254.1.1"], "link_local_ips: [\"169.254.1.1\"]"),
    (&["--log-driver", "none"], "LogConfig { driver: None"),
    (&["--log-opt", "max-size=1m"], "config: {\"max-size\": \"1m\"}"),
    (&["--mac-address", "92:d0:c6:0a:29:33"], "mac_address: \"92:d0:c6:0a:29:33\""),
    (&["-m", "64m"], "memory: 67108864"),
    (&["--memory-reservation", "32m"], "memory_reservation: 33554432"),
    (&["-m", "64m", "--memory-swap", "-1"], "memory_swap: -1"),
    (&["--memory-swappiness", "0"], "memory_swappiness: Some(0)"),
    (&["--mount", "type=tmpfs,dst=/x"], "destination: \"/x\""),
    (&["--name", "box"], "name: Some(\"box\")"),
    (&["--network", "host"], "network_mode: Host"),
    (&["--network", "n", "--network-alias", "a"], "aliases: [\"a\"]"),
    (&["--no-healthcheck"], "test: [\"NONE\"]"),
    (&["--oom-kill-disable"], "oom_kill_disable: Some(true)"),
    (&["--oom-score-adj", "-500"], "oom_score_adj: -500"),
    (&["--pid", "host"], "pid_mode: Host"),
    (&["--pids-limit", "9"], "pids_limit: Some(9)"),
    (&["--privileged"], "privileged: true"),
    (&["-p", "8080:80"], "{\"80/tcp\": [PortBinding { host_ip: \"\", host_port: \"8080\" }]}"),
    (&["-P"], "publish_all_ports: true"),
    (&["--read-only"], "readonly_rootfs: true"),
    (&["--restart", "always"], "restart_policy: Always"),
    (&["--rm"], "auto_remove: true"),
    (&["--security-opt", "no-new-privileges"], "security: [SecurityOption(\"no-new-privileges\")]"),
    (&["--security-opt", "systempaths=unconfined"], "masked_paths: Some([])"),
    (&["--shm-size", "1m"], "shm_size: 1048576"),
    (&["--stop-signal", "INT"], "stop_signal: Some(\"INT\")"),
    (&["--stop-timeout", "3"], "stop_timeout: Some(3)"),
    (&["--sysctl", "net.core.somaxconn=9"], "sysctls: {\"net.core.somaxconn\": \"9\"}"),
    (&["--tmpfs", "/x"], "tmpfs: {\"/x\": \"\"}"),
    (&["-t"], "terminal: true"),
    (&["--ulimit", "nofile=9"], "Ulimit { name: \"nofile\", hard: 9, soft: 9 }"),
    (&["-u", "app"], "user: Some(\"app\")"),
    (&["--userns", "host"], "users: Host"),
    (&["--uts", "host"], "uts_mode: Host"),
    (&["-v", "data:/x"], "name: \"data\""),
    (&["-v", "/x", "--volume-driver", "other"], "volume_driver: \"other\""),
    (&["--volumes-from", "c:ro"], "volumes_from: [\"c:ro\"]"),
    (&["-w", "/x"], "directory: Some(\"/x\")"),
];

const REFUSED: &[&[&str]] = &[
    &["--disable-content-trust=false"],
    &["--isolation", "hyperv"],
    &["--kernel-memory", "1g"],
    &["--runtime", "no-such-runtime"],
    &["--storage-opt", "size=1g"],
    &["--use-api-socket"],
    &["-e", "=x"],
    &["-e", ""],
    &["--label", "=x"],
    &["-l", ""],
    &["-l", "a b=c"],
    &["-w", "relative"],
    &["-v", ":/x"],
    &["-v", "/a:/b:"],
    &["-v", "a1:/b:ro,rw"],
    &["-v", "/a:/b:z,Z"],
    &["-v", "/a:/b:shared,slave"],
    &["-v", "/proc//sys"],
    &["-v", "/a:/proc"],
    &["--device", "/etc"],
    &["--stop-signal", "BOGUS"],
    &["--health-cmd", "true", "--health-interval", "1us"],
    &["--uts=host", "--hostname", "x"],
    &["-p", "::1:80:80"],
    &["--ulimit", "nofile=2:1"],
    &["--log-driver", "syslog"],
    &["--restart", "sometimes"],
    &["--rm", "--restart", "always"],
    &["-m", "1m"],
    &["--memory-swap", "1g"],
    &["--memory-swappiness", "101"],
    &["--oom-score-adj", "2000"],
    &["--cpus", "100000"],
    &["--cpu-period", "5"],
    &["--blkio-weight", "5"],
    &["--device", "relative"],
    &["--network-alias", "a"],
    &["--ip", "10.0.0.9"],
    &["--ipc", "x"],
    &["--no-healthcheck", "--health-cmd", "true"],
    &["--health-interval", "3"],
    &["-a", "x"],
    &["-p", "80:x"],
    &["-p", "80/sctp"],
    &["--security-opt", "x"],
    &["--cap-add", "x"],
    &["--stop-timeout", "-2"],
];

/// Options of `run` itself, of its files, or of the image.
const ELSEWHERE: &[&str] = &["help", "env-file", "label-file", "platform", "pull", "quiet"];

#[test]
fn each_option_has_an_effect() {
    let usual = options(&[]).unwrap();
    for (words, expected) in EFFECTS {
        let found = options(words).unwrap_or_else(|error| panic!("{words:?}: {error:?}"));
        assert!(found.contains(expected), "{words:?}: {found}");
        assert!(!usual.contains(expected), "{words:?} changes nothing");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    for words in REFUSED {
        assert!(options(words).is_err(), "{words:?}");
    }
}

#[test]
fn no_option_is_left_out_of_the_tables() {
    let typed = || EFFECTS.iter().map(|(words, _)| *words).chain(REFUSED.iter().copied()).flatten();
    for argument in Line::command().get_arguments().filter(|argument| !argument.is_positional()) {
        let long = argument.get_long().unwrap_or_default();
        let is_it = |word: &str| {
            let plain = word.split('=').next().unwrap_or_default();
            plain.strip_prefix("--") == Some(long)
                || argument.get_short().is_some_and(|short| plain == format!("-{short}"))
        };
        assert!(ELSEWHERE.contains(&long) || typed().any(|word| is_it(word)), "--{long}");
    }
}
