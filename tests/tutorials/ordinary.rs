//! The tutorials once more, as an ordinary user: pasta carries what root's bridges carry elsewhere.

use std::time::{Duration, Instant};

use super::common::has_programs;
use super::common::support::skip;
use super::common::user::User;
use super::host::{free_port, get, try_get};

/// The images `busybox` and nothing else, in a store of an ordinary user's; nothing, with the reason said, where they can
/// have no network of their own.
struct Ordinary(User);

impl Ordinary {
    fn new() -> Option<Self> {
        let user = User::find()?;
        user.run(&["load", "-i", "busybox.tar"]).ok();
        let tried = user.run(&["run", "--rm", "busybox", "true"]);
        if tried.code() != Some(0) || tried.stderr().contains("warning") {
            skip(&format!("an ordinary user's containers have no network here: {}", tried.stderr()));
            return None;
        }
        Some(Self(user))
    }

    #[track_caller]
    fn says(&self, arguments: &[&str]) -> String {
        self.0.run(arguments).ok().stdout().trim_end().to_owned()
    }

    #[track_caller]
    fn until(&self, arguments: &[&str], wanted: impl Fn(&str) -> bool) {
        let begun = Instant::now();
        loop {
            let answer = self.0.run(arguments).stdout();
            if wanted(&answer) {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{arguments:?} goes on to say: {answer}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Ordinary {
    fn drop(&mut self) {
        let all = self.0.run(&["ps", "-aq"]).stdout();
        self.0.run(&[&["rm", "-f"], all.split_whitespace().collect::<Vec<_>>().as_slice()].concat());
    }
}

#[test]
fn a_web_application() {
    let Some(user) = Ordinary::new() else { return };
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
    let taken = user.0.run(&["run", "--rm", "-p", &published, "busybox", "true"]).fails(125).stderr();
    assert!(taken.contains("port is already allocated"), "{taken}");
    user.says(&["stop", "-t", "1", "flask_web"]);
    assert_eq!(try_get(&format!("127.0.0.1:{port}")), None);
    user.says(&["start", "flask_web"]);
    assert_eq!(get(&format!("127.0.0.1:{port}")), "hello from the container\n");
    user.0.run(&["rm", "flask_web"]).fails(1);
    user.says(&["rm", "-f", "flask_web"]);
    assert_eq!(user.says(&["ps", "-aq"]), "");
}

#[test]
fn the_hosts_loopback_is_out_of_reach() {
    let Some(user) = Ordinary::new() else { return };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // It ends with the process, and lets go of whoever reaches it.
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let reach = |options: &[&str], address: &str| {
        let script = format!("nc -w 1 {address} {port} </dev/null && echo reached");
        user.0.run(&[&["run", "--rm"], options, &["busybox", "sh", "-c", &script]].concat()).stdout()
    };
    assert_eq!(reach(&[], "127.0.0.1"), "");
    assert_eq!(reach(&[], "$(ip route | awk '/^default/ {print $3}')"), "");
    assert_eq!(reach(&["--network", "host"], "127.0.0.1"), "reached\n");
}

#[test]
fn another_runtime() {
    let Some(user) = Ordinary::new() else { return };
    if !std::path::Path::new("/usr/sbin/runc").exists() && !has_programs(&["runc"]) {
        return;
    }
    let port = free_port();
    let script = "mkdir /www; echo by runc > /www/index.html; exec httpd -f -p 80 -h /www";
    let published = format!("{port}:80");
    let first = ["run", "-d", "--runtime", "runc", "--name", "web", "-p", &published];
    user.says(&[first.as_slice(), &["busybox", "sh", "-c", script]].concat());
    assert_eq!(get(&format!("127.0.0.1:{port}")), "by runc\n");
    assert_eq!(user.says(&["exec", "web", "id", "-u"]), "0");
    assert_eq!(user.says(&["inspect", "-f", "{{.HostConfig.Runtime}}", "web"]), "runc");
    user.says(&["rm", "-f", "web"]);
}

#[test]
fn volumes_and_their_backup() {
    let Some(user) = Ordinary::new() else { return };
    let run = |options: &[&str], script: &str| {
        user.says(&[&["run", "--network", "none"], options, &["busybox", "sh", "-c", script]].concat())
    };
    run(&["-v", "/dbdata", "--name", "dbstore"], "echo precious > /dbdata/file; chown 7:8 /dbdata/file");
    let here = format!("{}:/backup", user.0.home.path().display());
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
    let Some(user) = Ordinary::new() else { return };
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
    let refused = user.0.run(&["rmi", "busybox"]).fails(1).stderr();
    assert!(refused.contains("work") || refused.contains("container"), "{refused}");
}
