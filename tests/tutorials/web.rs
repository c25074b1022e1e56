//! A web application: built, run in the background, queried, inspected, stopped and started.

use super::common::free_port;
use super::host::{get, left_of, machine_of_root, own_address, try_get};

const DOCKERFILE: &str = "FROM busybox
COPY main.html /opt/index.html
WORKDIR /opt
EXPOSE 8888
CMD echo started; exec httpd -f -p 8888 -h /opt
";

#[test]
fn a_web_application() {
    let Some(machine) = machine_of_root() else { return };
    machine.0.write("ctx/main.html", "hello from the container\n");
    machine.0.write("ctx/Dockerfile", DOCKERFILE);
    machine.says(&["build", "--no-cache", "-t", "xag/my_flask_web", "ctx"]);
    let port = free_port();
    let published = format!("{port}:8888");
    let id = machine.says(&["run", "-d", "--name", "flask_web", "-p", &published, "xag/my_flask_web"]);

    assert_eq!(get(&format!("127.0.0.1:{port}")), "hello from the container\n");
    assert_eq!(get(&format!("[::1]:{port}")), "hello from the container\n");
    if let Some(address) = own_address() {
        assert_eq!(get(&format!("{address}:{port}")), "hello from the container\n");
    }
    let ports = machine.says(&["ps", "--format", "{{.Ports}}"]);
    assert!(ports.starts_with(&format!("0.0.0.0:{port}->8888/tcp")), "{ports}");
    assert_eq!(machine.says(&["port", "flask_web", "8888"]).lines().next().unwrap(), format!("0.0.0.0:{port}"));
    machine.until(&["logs", "flask_web"], |logs| logs.contains("started"));
    assert_eq!(machine.says(&["exec", "flask_web", "pwd"]), "/opt");
    assert!(machine.says(&["top", "flask_web"]).contains("httpd -f -p 8888"));
    assert!(machine.says(&["stats", "--no-stream", "flask_web"]).contains("flask_web"));

    let taken = machine.run(&["run", "--rm", "-p", &published, "busybox", "true"]).fails(125);
    assert!(taken.stderr().contains(&format!("bind for 0.0.0.0:{port}/tcp failed: port is already allocated")));

    machine.says(&["stop", "-t", "1", "flask_web"]);
    assert_eq!(try_get(&format!("127.0.0.1:{port}")), None);
    assert_eq!(left_of(&id), 0);
    machine.says(&["start", "flask_web"]);
    assert_eq!(get(&format!("127.0.0.1:{port}")), "hello from the container\n");
    machine.run(&["rm", "flask_web"]).fails(1);
    machine.says(&["rm", "-f", "flask_web"]);
    assert_eq!(machine.says(&["ps", "-aq"]), "");
    assert_eq!(left_of(&id), 0);
}
