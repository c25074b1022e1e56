//! The service on a network address: TLS, client certificates, and what is open to whom.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::json;

use crate::Served;
use crate::common::{TestStore, has_programs};
use crate::containers::create;

/// A service that prints where it listens.
struct Remote {
    child: Child,
    host: String,
}

impl Remote {
    #[track_caller]
    fn start(store: &TestStore, words: &[&str]) -> Self {
        let child = store.command(&[&["system", "service"], words].concat()).stderr(Stdio::piped()).spawn().unwrap();
        let mut remote = Self { child, host: String::new() };
        let mut said = String::new();
        for line in BufReader::new(remote.child.stderr.take().unwrap()).lines().map_while(Result::ok) {
            if let Some(rest) = line.trim().strip_prefix("export DOCKER_HOST=tcp://") {
                remote.host = rest.split(' ').next().unwrap().to_owned();
                return remote;
            }
            said += &line;
        }
        panic!("it does not listen: {said}");
    }

    fn connect(&self) -> TcpStream {
        let port = self.host.rsplit(':').next().unwrap();
        let stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Two authorities in `own` and `other`, with the certificates that each has signed: `cert.pem` of a server on this
/// machine, and `client.pem`.
fn certificates(folder: &Path) -> Option<PathBuf> {
    const SCRIPT: &str = "set -e
        for name in own other; do
            mkdir $name; cd $name
            openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=$name -keyout ca.key -out ca.pem
            printf 'subjectAltName=IP:127.0.0.1\\nbasicConstraints=CA:FALSE\\nextendedKeyUsage=serverAuth\\n' > cert.ext
            printf 'basicConstraints=CA:FALSE\\nextendedKeyUsage=clientAuth\\n' > client.ext
            for kind in cert client; do
                openssl req -newkey rsa:2048 -nodes -subj /CN=$kind -keyout $kind.key -out $kind.csr
                openssl x509 -req -in $kind.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile $kind.ext -out $kind.pem
            done
            cp cert.key key.pem; cd ..
        done";
    if !has_programs(&["openssl"]) {
        return None;
    }
    let made = Command::new("sh").args(["-c", SCRIPT]).current_dir(folder).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Some(folder.to_owned())
}

/// A connection to a server with a certificate of `own`, with a client certificate of one of the authorities or none.
fn secure(stream: TcpStream, folder: &Path, signed_by: Option<&str>) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("own/ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let config = match signed_by {
        None => builder.with_no_client_auth(),
        Some(name) => {
            let own = CertificateDer::from_pem_file(folder.join(name).join("client.pem")).unwrap();
            let key = PrivateKeyDer::from_pem_file(folder.join(name).join("client.key")).unwrap();
            builder.with_client_auth_cert(vec![own], key).unwrap()
        }
    };
    let name = ServerName::try_from("127.0.0.1").unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream)
}

/// The answer to a request for the version; `None` if the connection was refused.
fn version(mut stream: impl Read + Write) -> Option<String> {
    stream.write_all(b"GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8(answer).unwrap();
    (!answer.is_empty()).then_some(answer)
}

#[test]
fn only_clients_with_a_certificate_are_heard() {
    let store = TestStore::empty();
    let Some(folder) = certificates(&store.work()) else { return };
    let file = |name: &str| folder.join("own").join(name).display().to_string();
    let words = [
        "--tlsverify",
        &format!("--tlscacert={}", file("ca.pem")),
        &format!("--tlscert={}", file("cert.pem")),
        &format!("--tlskey={}", file("key.pem")),
        "tcp://0.0.0.0:0",
    ];
    let remote = Remote::start(&store, &words);
    let heard = version(secure(remote.connect(), &folder, Some("own"))).expect("it is heard");
    assert!(heard.starts_with("HTTP/1.1 200 OK\r\n") && heard.contains("\"ApiVersion\""), "{heard}");
    assert_eq!(version(secure(remote.connect(), &folder, None)), None, "without a certificate");
    assert_eq!(version(secure(remote.connect(), &folder, Some("other"))), None, "with one of another authority");
    let plain = version(remote.connect()).expect("it is told why");
    assert_eq!(plain, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n");
    // Silent clients don't block others.
    let silent: Vec<TcpStream> = (0..20).map(|_| remote.connect()).collect();
    assert!(version(secure(remote.connect(), &folder, Some("own"))).is_some());
    drop(silent);
}

#[test]
fn tls_without_certificates_of_clients() {
    let store = TestStore::empty();
    let Some(folder) = certificates(&store.work()) else { return };
    let service = |words: &[&str]| {
        let mut all = vec!["system", "service"];
        all.extend(words);
        let mut command = store.command(&all);
        command.env("DOCKER_CERT_PATH", folder.join("own"));
        command
    };
    let refused = crate::common::Answer::of(service(&["--tls", "tcp://0.0.0.0:0"])).fails(1).stderr();
    assert!(refused.contains("no client has to prove who it is") && refused.contains("--tlsverify"), "{refused}");
    // The files are found where docker's programs look for them.
    let store = TestStore::borrowed(&store.root(), &store.work());
    std::fs::create_dir(store.work().join("home")).unwrap();
    for name in ["cert.pem", "key.pem"] {
        std::fs::copy(folder.join("own").join(name), store.work().join("home").join(name)).unwrap();
    }
    let home = store.work().join("home");
    let mut child = store
        .command(&["system", "service", "--tls", "tcp://127.0.0.1:0"])
        .env("DOCKER_CONFIG", &home)
        .env_remove("DOCKER_CERT_PATH")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let host = lines.find_map(|line| Some(line.trim().strip_prefix("export DOCKER_HOST=tcp://")?.to_owned()));
    let host = host.expect("it listens").split(' ').next().unwrap().to_owned();
    let remote = Remote { child, host };
    assert!(version(secure(remote.connect(), &folder, None)).is_some());
}

#[test]
fn without_tls_an_address_is_this_machines_alone() {
    let store = TestStore::empty();
    let local = Remote::start(&store, &["tcp://127.0.0.1:0"]);
    assert!(version(local.connect()).is_some_and(|answer| answer.starts_with("HTTP/1.1 200 OK\r\n")));
    let refused = store.run(&["system", "service", "tcp://0.0.0.0:0"]).fails(1).stderr();
    assert!(refused.contains("could do everything that this user may") && refused.contains("--tls=false"), "{refused}");
    let open = Remote::start(&store, &["--tls=false", "tcp://0.0.0.0:0"]);
    assert!(version(open.connect()).is_some());
    let taken = store.run(&["system", "service", &format!("tcp://{}", local.host)]).fails(1).stderr();
    assert!(taken.contains(&format!("cannot listen at `{}`", local.host)), "{taken}");
}

#[test]
fn a_program_is_spoken_to_over_tls() {
    let Some(store) = TestStore::with_busybox() else { return };
    let Some(folder) = certificates(&store.work()) else { return };
    let served = Served::of(&store);
    let own = folder.join("own").display().to_string();
    let file = |name: &str| format!("--{}={own}/{}", name.split('=').next().unwrap(), name.split('=').nth(1).unwrap());
    let words = [
        "--tlsverify",
        &file("tlscacert=ca.pem"),
        &file("tlscert=cert.pem"),
        &file("tlskey=key.pem"),
        "tcp://127.0.0.1:0",
    ];
    let remote = Remote::start(&store, &words);
    let body = json!({"Cmd": ["sh", "-c", "cat; echo over"], "OpenStdin": true, "StdinOnce": true, "Tty": false,
        "AttachStdin": true, "AttachStdout": true, "HostConfig": {"NetworkMode": "none"}});
    let id = create(&served, body);
    let mut stream = secure(remote.connect(), &folder, Some("own"));
    let head = format!(
        "POST /containers/{id}/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 UPGRADED\r\n"), "{}", String::from_utf8_lossy(&answer));
    served.ask("POST", &format!("/containers/{id}/start"), None).is(204);
    stream.write_all(b"hello\n").unwrap();
    // The client closes its sending side and keeps reading: so the program's stdin is closed.
    stream.conn.send_close_notify();
    stream.flush().unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(crate::common::support::http::stream_of(&rest, 1), b"hello\nover\n");
}

#[test]
fn options_that_contradict_each_other() {
    let store = TestStore::empty();
    let refuses = |words: &[&str], why: &str| {
        let said = store.run(&[&["system", "service"], words].concat()).fails(1).stderr();
        assert!(said.contains(why), "{words:?}: {said}");
    };
    refuses(&["--tls=false", "--tlsverify", "tcp://127.0.0.1:0"], "conflicting options");
    refuses(&["--tlscert", "/x", "tcp://127.0.0.1:0"], "certificates are for TLS");
    refuses(&["--tls=false", "unix:///tmp/x"], "TLS options are for tcp:// and fd://");
    refuses(&["--group", "0", "tcp://127.0.0.1:0"], "--group is for unix://");
    refuses(
        &["--tlsverify", "--tlscacert", "/no/ca.pem", "tcp://127.0.0.1:0"],
        "cannot use the certificates in `/no/ca.pem`",
    );
    store.write("empty.pem", "nothing\n");
    refuses(&["--tls", "--tlscert", "empty.pem", "--tlskey", "empty.pem", "tcp://127.0.0.1:0"], "empty.pem`");
    refuses(&["--tls", "install"], "`system service install` has nothing to do with");
    refuses(&["--group", "0", "boot"], "`system service boot` has nothing to do with");
}
