#!/usr/bin/env python3
"""The units of `system service install` under a real systemd: socket activation, exit on idle, `kill -9`, restart
policies at boot and at shutdown, for root and for a user who is not logged in.

systemd.py RBUILD FOLDER

RBUILD is a binary, FOLDER a place for a Debian root, which is created once. systemd is process 1 in its own namespaces,
with its own cgroup v2: no virtual machine is needed. Needs root and the package mmdebstrap. Prints for each check
whether it passed.
"""
import os, shutil, subprocess, sys

BASE = os.path.join(os.path.dirname(__file__), "../../fixtures/busybox.tar.gz")
PACKAGES = "systemd-sysv,dbus,dbus-user-session,libpam-systemd,uidmap,iproute2,iptables,login,passt,python3"

UNIT = """[Unit]
Description=What is asked of rbuild
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c '/usr/bin/python3 -u /jobs/asks.py; echo ENDED $?; systemctl --no-block poweroff'
StandardOutput=append:/jobs/said
StandardError=append:/jobs/said
"""

# It has its own devices, because systemd changes their modes and owners.
BOOT = """
mkdir -p "$2"; echo $$ > "$2/cgroup.procs"
exec unshare --pid --fork --mount --uts --ipc --net --cgroup --kill-child sh -ec '
mount --make-rprivate /
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs tmpfs sys/fs/cgroup
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=755 dev dev
for node in "null 1 3" "zero 1 5" "full 1 7" "random 1 8" "urandom 1 9" "tty 5 0"; do
  set -- $node; mknod -m 666 dev/$1 c $2 $3
done
mkdir dev/pts dev/shm dev/net
mknod -m 666 dev/net/tun c 10 200
mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777 shm dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
pivot_root . mnt; umount -l /mnt
export container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec /lib/systemd/systemd --show-status=0 --log-target=null --unit=graphical.target
' sh "$1"
"""

ASKS = r'''
import http.client, json, os, socket, subprocess, sys, time

ROOT, USER = "/run/rbuild/docker.sock", "/run/user/1000/rbuild/docker.sock"
SECOND = os.path.exists("/jobs/second")


def sh(text):
    done = subprocess.run(["sh", "-c", text], capture_output=True, text=True)
    return (done.stdout + done.stderr).strip()


def user(text):
    return sh(f"setpriv --reuid 1000 --regid 1000 --init-groups env HOME=/home/tester XDG_RUNTIME_DIR=/run/user/1000 "
              f"DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus PATH=/usr/bin:/usr/sbin sh -c '{text}'")


def said(name, wanted, found):
    is_right = wanted(found) if callable(wanted) else found == wanted
    print(f"RIGHT {name}" if is_right else f"WRONG {name}: {found!r}", flush=True)


def until(what, seconds=120):
    end = time.monotonic() + seconds
    while not (found := what()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("rbuild", timeout=120)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def ask(path, method, page, body=None):
    connection = Connection(path)
    try:
        connection.request(method, page, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        text = answer.read().decode()
        return answer.status, json.loads(text) if text[:1] in "{[" and text else text
    except OSError as error:
        return 0, repr(error)
    finally:
        connection.close()


def run(path, name, policy):
    host = {"NetworkMode": "none", "RestartPolicy": {"Name": policy}}
    # It ends when it is stopped.
    body = {"Image": "busybox", "Cmd": ["sh", "-c", "trap \"exit 7\" TERM; while true; do sleep 0.1; done"], "HostConfig": host}
    made = ask(path, "POST", f"/containers/create?name={name}", body)
    return made[0], ask(path, "POST", f"/containers/{name}/start")[0]


def state(path, name):
    return ask(path, "GET", f"/containers/{name}/json")[1].get("State", {})


POLICIES = {"always": "always", "unless": "unless-stopped", "stopped": "unless-stopped", "plain": "no"}


def first(path, systemctl, who, call):
    said(f"{who}: the socket is listened to", "active", call(f"{systemctl} is-active rbuild.socket"))
    said(f"{who}: nothing runs before anybody asks", "inactive", call(f"{systemctl} is-active rbuild.service"))
    said(f"{who}: the first connection starts it", (200, "OK"), ask(path, "GET", "/_ping"))
    if call(f"{systemctl} is-failed rbuild.service") == "failed":
        print(call(f"{systemctl} status --no-pager rbuild.service; rbuild system service --time 1 unix:///tmp/{who}.sock 2>&1"), sh("journalctl --no-pager -n 20"))
    said(f"{who}: it runs", "active", call(f"{systemctl} is-active rbuild.service"))
    said(f"{who}: its processes have no bound", "infinity", call(f"{systemctl} show -P TasksMax rbuild.service"))
    for name, policy in POLICIES.items():
        said(f"{who}: {name} is started", (201, 204), run(path, name, policy))
    said(f"{who}: one is stopped", 204, ask(path, "POST", "/containers/stopped/stop")[0])
    said(f"{who}: and ended by itself", 7, state(path, "stopped").get("ExitCode"))
    idle = until(lambda: call(f"{systemctl} is-active rbuild.service") == "inactive")
    said(f"{who}: it ends when nobody asks", True, idle)
    said(f"{who}: in order", "success", call(f"{systemctl} show -P Result rbuild.service"))
    said(f"{who}: and is started anew; containers live on", True, state(path, "always").get("Running"))
    pid = state(path, "always").get("Pid")
    for _ in range(12):
        call(f"{systemctl} kill -s KILL --kill-whom=main rbuild.service")
        until(lambda: call(f"{systemctl} is-active rbuild.service") != "active")
        ask(path, "GET", "/_ping")
    said(f"{who}: killed twelve times in a row, it answers", (200, "OK"), ask(path, "GET", "/_ping"))
    said(f"{who}: and the containers are the same", pid, state(path, "always").get("Pid"))
    call(f"{systemctl} stop rbuild.service")
    said(f"{who}: stopped, it answers", (200, "OK"), ask(path, "GET", "/_ping"))
    call(f"{systemctl} restart rbuild.socket")
    said(f"{who}: another socket, the same containers", pid, state(path, "always").get("Pid"))
    # systemd's default process limit of a unit is not tested; its memory limit is.
    host = {"NetworkMode": "none", "Memory": 16 << 20, "MemorySwap": 16 << 20}
    ask(path, "POST", "/containers/create?name=eats", {"Image": "busybox", "Cmd": ["tail", "/dev/zero"], "HostConfig": host})
    # Without the memory controller there are no limits to test.
    if who == "root" and "memory" in open("/sys/fs/cgroup/cgroup.controllers").read():
        said("root: one that eats memory is started", 204, ask(path, "POST", "/containers/eats/start")[0])
        said("root: and killed", 137, ask(path, "POST", "/containers/eats/wait")[1].get("StatusCode"))
        said("root: the others live on", pid, state(path, "always").get("Pid"))
        said("root: and the service", "active", call(f"{systemctl} is-active rbuild.service"))
    ask(path, "DELETE", "/containers/eats?force=1")


def second(path, systemctl, who, call):
    until(lambda: call(f"{systemctl} is-active rbuild-containers.service") == "active")
    said(f"{who}: after the boot: the policy's unit", "active", call(f"{systemctl} is-active rbuild-containers.service"))
    for name, wanted in (("always", True), ("unless", True), ("stopped", False), ("plain", False)):
        said(f"{who}: after the boot: {name}", wanted, state(path, name).get("Running"))
    # It was asked to end, and had the time to.
    said(f"{who}: the machine's end was the container's own", 7, state(path, "plain").get("ExitCode"))
    call(f"{systemctl} stop rbuild-containers.service")
    said(f"{who}: they end with their unit", (False, 7), (state(path, "always").get("Running"), state(path, "always").get("ExitCode")))
    call(f"{systemctl} start rbuild-containers.service")
    said(f"{who}: and come back with it", (True, True, False), tuple(state(path, n).get("Running") for n in ("always", "unless", "plain")))
    call(f"{systemctl} disable --now rbuild.socket rbuild-containers.service")
    left = call("rbuild system service uninstall && ls /etc/systemd/system/rbuild* ~/.config/systemd/user/rbuild* 2>/dev/null")
    said(f"{who}: uninstalled", lambda text: "docker.sock" not in text, left)


QUICK = "[Service]\\nExecStart=\\nExecStart={} system service --time 2 fd://\\n"

if not SECOND:
    sh("rbuild load -qi /jobs/busybox.tar.gz")
    said("root: install", lambda text: "systemctl" in text, sh("rbuild system service install"))
    # A shorter idle timeout than a minute, so that the test ends.
    sh(f"mkdir -p /etc/systemd/system/rbuild.service.d && printf '{QUICK.format('/usr/bin/rbuild')}' > /etc/systemd/system/rbuild.service.d/q.conf")
    said("root: systemd finds no fault", "", sh("systemd-analyze verify /etc/systemd/system/rbuild*.service /etc/systemd/system/rbuild.socket 2>&1 | grep -i rbuild"))
    said("root: enable", lambda text: "Failed" not in text, sh("systemctl daemon-reload; systemctl enable --now rbuild.socket rbuild-containers.service"))
    first(ROOT, "systemctl", "root", sh)
    sh("loginctl enable-linger tester")
    said("user: there is a session", True, bool(until(lambda: os.path.exists("/run/user/1000/bus"))))
    user("rbuild load -qi /jobs/busybox.tar.gz")
    said("user: install", lambda text: "systemctl --user" in text, user("rbuild system service install"))
    user(f"mkdir -p ~/.config/systemd/user/rbuild.service.d && printf \"{QUICK.format('/usr/bin/rbuild')}\" > ~/.config/systemd/user/rbuild.service.d/q.conf")
    said("user: enable", lambda text: "Failed" not in text, user("systemctl --user daemon-reload; systemctl --user enable --now rbuild.socket rbuild-containers.service"))
    first(USER, "systemctl --user", "user", user)
    said("nobody else reaches the user's socket", 0o600, os.stat(USER).st_mode & 0o777)
    open("/jobs/second", "w").close()
else:
    second(ROOT, "systemctl", "root", sh)
    second(USER, "systemctl --user", "user", user)
'''


def root_filesystem(folder, rbuild):
    """Debian with systemd, rbuild, and the test script."""
    root = f"{folder}/root"
    if not os.path.exists(f"{root}/lib/systemd/systemd"):
        subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", "bookworm", root], check=True)
    subprocess.run(["strip", "-o", f"{root}/usr/bin/rbuild", rbuild], check=True)
    os.chmod(f"{root}/usr/bin/rbuild", 0o755)
    # Nothing is left from an earlier run.
    subprocess.run("rm -rf jobs var/lib/rbuild home/tester/.config home/tester/.local etc/systemd/system/rbuild* "
                   "etc/systemd/system/*/rbuild*", shell=True, cwd=root, check=True)
    os.makedirs(f"{root}/jobs")
    shutil.copy(BASE, f"{root}/jobs/")
    open(f"{root}/jobs/asks.py", "w").write(ASKS)
    open(f"{root}/etc/systemd/system/asks.service", "w").write(UNIT)
    if "tester" not in open(f"{root}/etc/passwd").read():
        subprocess.run(["chroot", root, "useradd", "--create-home", "--uid", "1000", "tester"], check=True)
    wants = f"{root}/etc/systemd/system/graphical.target.wants"
    os.makedirs(wants, exist_ok=True)
    if not os.path.lexists(f"{wants}/asks.service"):
        os.symlink("/etc/systemd/system/asks.service", f"{wants}/asks.service")
    return root


def boot(root):
    """Waits until the machine powers off; returns its output."""
    mounted = "/sys/fs/cgroup/unified"
    groups = mounted if os.path.isdir(mounted) else "/sys/fs/cgroup"
    subprocess.run(["sh", "-ec", BOOT, "sh", root, f"{groups}/rbuild-systemd-test"], stdin=subprocess.DEVNULL, timeout=1800)
    said = f"{root}/jobs/said"
    lines = open(said).read().splitlines() if os.path.exists(said) else []
    os.path.exists(said) and os.remove(said)
    return lines


def main():
    rbuild, folder = sys.argv[1:]
    root = root_filesystem(os.path.abspath(folder), rbuild)
    told = []
    for turn in ("first", "second"):
        said = boot(root)
        if "ENDED 0" not in said:
            told.append(f"WRONG {turn} boot: it has not come to its end: {said[-20:]}")
        told += [line for line in said if line.startswith(("RIGHT", "WRONG"))]
    print("\n".join(told))
    sys.exit(any(not line.startswith("RIGHT") for line in told))


main()
