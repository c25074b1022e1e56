//! The tutorials again, as an ordinary user.

use std::path::Path;
use std::process::{Command, Stdio};

use super::common::{Answer, free_port, has_programs, is_root};
use super::host::{get, machine_of_user, try_get};

#[test]
fn a_web_application() {
    let Some(user) = machine_of_user() else { return };
    user.0.write("ctx/main.html", "hello from the container\n");
    user.0.write(
        "ctx/Dockerfile",
        "FROM busybox\nCOPY main.html /opt/index.html\nWORKDIR /opt\nEXPOSE 8888\n\
         CMD echo started; exec httpd -f -p 8888 -h /opt\n",
    );
    user.says(&["build", "--no-cache", "-t", "xag/my_flask_web", "ctx"]);
    let port = free_port();
    let published = format!("{port}:8888");
    user.says(&["run", "-d", "--name", "flask_web", "-p", &published, "xag/my_flask_web"]);
    assert_eq!(get(&format!("127.0.0.1:{port}")), "hello from the container\n");
    let ports = user.says(&["ps", "--format", "{{.Ports}}"]);
    assert!(ports.starts_with(&format!("0.0.0.0:{port}->8888/tcp")), "{ports}");
    user.until(&["logs", "flask_web"], |logs| logs.contains("started"));
    assert_eq!(user.says(&["exec", "flask_web", "pwd"]), "/opt");
    assert!(user.says(&["top", "flask_web"]).contains("httpd -f -p 8888"));
    assert!(user.says(&["stats", "--no-stream", "flask_web"]).contains("flask_web"));
    let taken = user.run(&["run", "--rm", "-p", &published, "busybox", "true"]).fails(125).stderr();
    assert!(taken.contains("port is already allocated"), "{taken}");
    user.says(&["stop", "-t", "1", "flask_web"]);
    assert_eq!(try_get(&format!("127.0.0.1:{port}")), None);
    user.says(&["start", "flask_web"]);
    assert_eq!(get(&format!("127.0.0.1:{port}")), "hello from the container\n");
    user.run(&["rm", "flask_web"]).fails(1);
    user.says(&["rm", "-f", "flask_web"]);
    assert_eq!(user.says(&["ps", "-aq"]), "");
}

#[test]
fn the_hosts_loopback_is_out_of_reach() {
    let Some(user) = machine_of_user() else { return };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // The thread ends with the process, and closes all connections.
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let reach = |options: &[&str], address: &str, seconds: u32| {
        let script = format!("nc -w {seconds} {address} {port} </dev/null && echo reached");
        user.run(&[&["run", "--rm"], options, &["busybox", "sh", "-c", &script]].concat()).stdout()
    };
    assert_eq!(reach(&[], "127.0.0.1", 1), "");
    assert_eq!(reach(&[], "$(ip route | awk '/^default/ {print $3}')", 1), "");
    assert_eq!(reach(&["--network", "host"], "127.0.0.1", 60), "reached\n");
}

#[test]
fn another_runtime() {
    let Some(user) = machine_of_user() else { return };
    for runtime in ["runc", "crun"] {
        if !Path::new("/usr/sbin").join(runtime).exists() && !has_programs(&[runtime]) {
            continue;
        }
        let says = |arguments: &[&str]| {
            let answer = Answer::of(without_unified_cgroups(runtime, user.0.command(arguments)));
            answer.ok().stdout().trim_end().to_owned()
        };
        let port = free_port();
        let script = format!("mkdir /www; echo by {runtime} > /www/index.html; exec httpd -f -p 80 -h /www");
        let published = format!("{port}:80");
        let first = ["run", "-d", "--runtime", runtime, "--name", "web", "-p", &published];
        says(&[first.as_slice(), &["busybox", "sh", "-c", &script]].concat());
        assert_eq!(get(&format!("127.0.0.1:{port}")), format!("by {runtime}\n"));
        assert_eq!(says(&["exec", "web", "id", "-u"]), "0");
        assert_eq!(says(&["inspect", "-f", "{{.HostConfig.Runtime}}", "web"]), runtime);
        says(&["rm", "-f", "web"]);
    }
}

/// crun refuses to work if a cgroup v2 hierarchy has controllers beside v1: it is hidden.
fn without_unified_cgroups(runtime: &str, plain: Command) -> Command {
    if runtime != "crun" || !is_root() || !Path::new("/sys/fs/cgroup/unified/cgroup.controllers").exists() {
        return plain;
    }
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", "umount /sys/fs/cgroup/unified; exec \"$0\" \"$@\""]);
    command.arg(plain.get_program()).args(plain.get_args()).current_dir(plain.get_current_dir().unwrap());
    command.envs(plain.get_envs().filter_map(|(key, value)| Some((key, value?)))).stdin(Stdio::null());
    command
}

#[test]
fn volumes_and_their_backup() {
    let Some(user) = machine_of_user() else { return };
    let run = |options: &[&str], script: &str| {
        user.says(&[&["run", "--network", "none"], options, &["busybox", "sh", "-c", script]].concat())
    };
    run(&["-v", "/dbdata", "--name", "dbstore"], "echo precious > /dbdata/file; chown 7:8 /dbdata/file");
    let here = format!("{}:/backup", user.0.work().display());
    run(&["--rm", "--volumes-from", "dbstore", "-v", &here], "tar cf /backup/backup.tar /dbdata");
    run(&["-v", "/dbdata", "--name", "dbstore2"], "true");
    let restore = "cd /dbdata && tar xf /backup/backup.tar --strip 1";
    run(&["--rm", "--volumes-from", "dbstore2", "-v", &here], restore);
    let seen = run(&["--rm", "--volumes-from", "dbstore2:ro"], "cat /dbdata/file; stat -c %u:%g /dbdata/file");
    assert_eq!(seen, "precious\n7:8");
    user.says(&["rm", "-v", "dbstore", "dbstore2"]);
    assert_eq!(user.says(&["volume", "ls", "-q"]), "");
}

#[test]
fn an_image_of_a_container() {
    let Some(user) = machine_of_user() else { return };
    user.says(&[
        "run",
        "--network",
        "none",
        "--name",
        "work",
        "busybox",
        "sh",
        "-c",
        "echo changed > /root/file; rm /etc/group",
    ]);
    let diff = user.says(&["diff", "work"]);
    assert!(diff.contains("A /root/file") && diff.contains("D /etc/group"), "{diff}");
    user.says(&["commit", "-m", "msg", "-a", "author", "work", "name:v1"]);
    assert_eq!(user.says(&["run", "--rm", "--network", "none", "name:v1", "cat", "/root/file"]), "changed");
    user.says(&["export", "-o", "fs.tar", "work"]);
    user.says(&["import", "-c", "CMD [\"cat\", \"/root/file\"]", "fs.tar", "imported"]);
    assert_eq!(user.says(&["run", "--rm", "--network", "none", "imported"]), "changed");
    user.says(&["save", "-o", "name.tar", "name:v1"]);
    user.says(&["--root", "other", "load", "-i", "name.tar"]);
    let elsewhere = ["--root", "other", "run", "--rm", "--network", "none", "name:v1", "cat", "/root/file"];
    assert_eq!(user.says(&elsewhere), "changed");
    let refused = user.run(&["rmi", "busybox"]).fails(1).stderr();
    assert!(refused.contains("work") || refused.contains("container"), "{refused}");
}
