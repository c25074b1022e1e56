//! Volumes: named and anonymous, filled from the image, shared, backed up and restored.

use super::machine::Machine;

#[test]
fn data_outlives_containers() {
    let Some(machine) = Machine::new() else { return };
    machine.0.write(
        "ctx/Dockerfile",
        "FROM busybox\nRUN mkdir -m 750 /data && echo seed > /data/seed && chown -R 5:6 /data\nVOLUME /data\n",
    );
    machine.says(&["build", "-q", "-t", "seeded", "ctx"]);
    let run = |options: &[&str], image: &str, script: &str| {
        machine.says(&[&["run", "--rm", "--network", "none"], options, &[image, "sh", "-c", script]].concat())
    };
    let seen =
        run(&["-v", "named:/data"], "seeded", "stat -c '%a %u:%g' /data; cat /data/seed; echo more > /data/more");
    assert_eq!(seen, "750 5:6\nseed");
    assert_eq!(
        run(&["-v", "named:/x:ro"], "busybox", "cat /x/more; touch /x/no 2>/dev/null || echo kept"),
        "more\nkept"
    );
    assert_eq!(run(&["-v", "fresh:/data:nocopy"], "seeded", "ls /data"), "");
    assert_eq!(machine.says(&["volume", "ls", "-q"]), "fresh\nnamed");
    // The anonymous volume was removed with its container; that of an existing container is kept.
    machine.says(&["run", "--network", "none", "--name", "keeper", "seeded", "true"]);
    let anonymous = machine.field("keeper", "{{range .Mounts}}{{.Name}}{{end}}");
    assert_eq!(anonymous.len(), 64);
    let in_use = machine.run(&["volume", "rm", &anonymous]).fails(1).stderr();
    assert!(in_use.contains(&format!("volume {anonymous} is in use: ")), "{in_use}");
    machine.says(&["rm", "-v", "keeper"]);
    assert!(!machine.says(&["volume", "ls", "-q"]).contains(&anonymous));
    assert_eq!(machine.says(&["volume", "ls", "-q", "--filter", "dangling=true"]), "fresh\nnamed");
    machine.says(&["volume", "rm", "fresh"]);
    let pruned = machine.says(&["volume", "prune", "-a", "-f"]);
    assert!(pruned.starts_with("Deleted Volumes:\nnamed\n\nTotal reclaimed space: "), "{pruned}");
}

#[test]
fn a_backup_through_tar() {
    let Some(machine) = Machine::new() else { return };
    let run = |options: &[&str], script: &str| {
        machine.says(&[&["run", "--network", "none"], options, &["busybox", "sh", "-c", script]].concat())
    };
    run(&["-v", "/dbdata", "--name", "dbstore"], "echo precious > /dbdata/file");
    let here = format!("{}:/backup", machine.0.work().display());
    run(&["--rm", "--volumes-from", "dbstore", "-v", &here], "tar cf /backup/backup.tar /dbdata");
    assert!(machine.0.work().join("backup.tar").is_file());
    run(&["-v", "/dbdata", "--name", "dbstore2"], "true");
    let restore = "cd /dbdata && tar xf /backup/backup.tar --strip 1";
    run(&["--rm", "--volumes-from", "dbstore2", "-v", &here], restore);
    assert_eq!(
        run(&["--rm", "--volumes-from", "dbstore2:ro"], "cat /dbdata/file; touch /dbdata/x || true"),
        "precious"
    );
    assert_eq!(run(&["--rm", "-v", &here, "-w", "/backup"], "pwd; ls"), "/backup\nbackup.tar");
    machine.says(&["rm", "-v", "dbstore", "dbstore2"]);
    assert_eq!(machine.says(&["volume", "ls", "-q"]), "");
}

#[test]
fn options_of_volumes() {
    let Some(machine) = Machine::new() else { return };
    let folder = machine.0.write("src/sub/file", "bound\n");
    let folder = folder.parent().unwrap().parent().unwrap().display().to_string();
    machine.says(&[
        "volume",
        "create",
        "--opt",
        "type=none",
        "--opt",
        "o=bind",
        "--opt",
        &format!("device={folder}"),
        "bound",
    ]);
    machine.says(&[
        "volume",
        "create",
        "-o",
        "type=tmpfs",
        "-o",
        "device=tmpfs",
        "-o",
        "o=size=1m",
        "--label",
        "a=b",
        "memory",
    ]);
    let run = |mount: &str, script: &str| {
        machine.says(&["run", "--rm", "--network", "none", "--mount", mount, "busybox", "sh", "-c", script])
    };
    assert_eq!(run("type=volume,src=bound,dst=/v", "cat /v/sub/file"), "bound");
    assert_eq!(run("type=volume,src=bound,dst=/v,volume-subpath=sub", "cat /v/file"), "bound");
    assert_eq!(run("type=volume,src=memory,dst=/v", "df -k /v | tail -1 | awk '{print $2}'"), "1024");
    assert_eq!(machine.says(&["volume", "inspect", "-f", "{{.Options.type}} {{.Labels.a}}", "memory"]), "tmpfs b");
    let refused = |arguments: &[&str], text: &str| {
        let answer = machine.run(arguments);
        assert!(answer.code() != Some(0) && answer.stderr().contains(text), "{arguments:?}: {}", answer.stderr());
    };
    refused(&["volume", "create", "-d", "nfs", "x1"], "there is no volume driver `nfs`: volumes are `local`");
    refused(&["volume", "create", "-o", "type=ext4", "x1"], "mounts no filesystems of type `ext4`");
    refused(&["volume", "create", "a/b"], "invalid characters");
    refused(&["volume", "rm", "nobody"], "no such volume: nobody");
    refused(&["run", "--rm", "-v", "a b:/x", "busybox", "true"], "invalid characters");
    refused(&["run", "--rm", "--volumes-from", "nobody", "busybox", "true"], "no such container: nobody");
    refused(&["run", "--rm", "--mount", "type=bind,src=/no/such,dst=/x", "busybox", "true"], "/no/such");
    assert_eq!(machine.says(&["ps", "-aq"]), "");
}
