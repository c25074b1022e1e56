//! The forms of `-p`, and many containers at once.

use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::common::{free_port, has_programs, wait_until};
use super::host::{Host, for_everybody, get, left_of, own_address, serve, try_get};

#[test]
fn forms() {
    for_everybody(publish);
}

fn publish(machine: &Host) {
    let port = free_port();
    serve(machine, "own", &["-p", &format!("127.0.0.1:{port}:80")], "own");
    assert_eq!(get(&format!("127.0.0.1:{port}")), "own\n");
    if let Some(address) = own_address() {
        assert_eq!(try_get(&format!("{address}:{port}")), None);
    }
    serve(machine, "any", &["-p", "80", "-P", "--expose", "81"], "any");
    let of = |port: &str| machine.says(&["port", "any", port]).lines().next().unwrap().replace("0.0.0.0", "127.0.0.1");
    assert_eq!(get(&of("80")), "any\n");
    assert_ne!(of("80"), of("81"));
    // A range skips a port that is in use.
    let range = format!("127.0.0.1:{port}-{}:80", port + 20);
    serve(machine, "ranged", &["-p", &range], "ranged");
    let address = machine.says(&["port", "ranged", "80/tcp"]);
    assert_ne!(address, format!("127.0.0.1:{port}"));
    assert_eq!(get(&address), "ranged\n");
    // From another container by the host's address, and from the container itself.
    if let Some(host) = own_address() {
        let port = of("80").rsplit_once(':').unwrap().1.to_owned();
        let fetch = format!("timeout 60 wget -q -O- http://{host}:{port}/index.html");
        assert_eq!(machine.says(&["run", "--rm", "busybox", "sh", "-c", &fetch]), "any");
        assert_eq!(machine.says(&["exec", "any", "sh", "-c", &fetch]), "any");
    }
}

#[test]
fn datagrams() {
    if !has_programs(&["nsenter", "python3"]) {
        return;
    }
    for_everybody(send_datagrams);
}

fn send_datagrams(machine: &Host) {
    machine.says(&["run", "-d", "--name", "echo", "-p", "127.0.0.1::7/udp", "busybox", "sleep", "100"]);
    let pid = machine.field("echo", "{{.State.Pid}}");
    // busybox has no UDP server: runs one of the host's in the container's network.
    let script = "import socket\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\ns.bind(('0.0.0.0',7))\n\
                  while True:\n  d,a=s.recvfrom(999)\n  s.sendto(d.upper(),a)\n";
    let mut server = Command::new("nsenter")
        .args(["-t", &pid, "-n", "python3", "-c", script])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let address = machine.says(&["port", "echo", "7/udp"]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut buffer = [0; 16];
    wait_until("the server answers", || {
        socket.send_to(b"hello", &address).unwrap();
        socket.recv(&mut buffer).is_ok()
    });
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(&buffer[..5], b"HELLO");
}

#[test]
fn many_at_once() {
    for_everybody(start_many);
}

fn start_many(machine: &Host) {
    let count: u32 = 50;
    std::thread::scope(|scope| {
        for worker in 0..5 {
            scope.spawn(move || {
                for number in (worker..count).step_by(5) {
                    serve(machine, &format!("many{number}"), &["-p", "80"], &format!("number {number}"));
                }
            });
        }
    });
    let mut ids = Vec::new();
    for number in 0..count {
        let name = format!("many{number}");
        let address = machine.says(&["port", &name, "80"]).lines().next().unwrap().replace("0.0.0.0", "127.0.0.1");
        assert_eq!(get(&address), format!("number {number}\n"));
        ids.push(machine.field(&name, "{{.Id}}"));
    }
    let addresses = machine.says(&["inspect", "-f", "{{.NetworkSettings.IPAddress}}", &ids[0], &ids[1]]);
    let (first, second) = addresses.split_once('\n').unwrap();
    assert!(first != second && !first.is_empty(), "{addresses}");
    machine.says(&[&["rm", "-f"], ids.iter().map(String::as_str).collect::<Vec<_>>().as_slice()].concat());
    assert_eq!(ids.iter().map(|id| left_of(id)).sum::<usize>(), 0);
}
