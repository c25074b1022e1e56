#!/usr/bin/env python3
"""rbuild's main functions on arm64, as root and as an ordinary user: load, import, build, run, save, push, pull.

arm64.py RBUILD FOLDER TREE

RBUILD is a static binary for arm64, FOLDER a place for the disk and TREE the folder of Debian's packages that `.ci/arm64`
makes. Needs the package docker-registry in addition to those of machine.py. Prints for each check whether it passed.
"""
import json, os, re, shutil, socket, subprocess, sys, time, urllib.request

from machine import Machine

REPOSITORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")

START = r"""
cat >> /etc/passwd <<FILE
worker:x:1000:1000::/home/worker:/bin/sh
FILE
echo 'worker:x:1000:' >> /etc/group
echo 'worker:100000:65536' > /etc/subuid
cp /etc/subuid /etc/subgid
mkdir -p /home/worker /disk/worker /etc/rbuild /run/user/1000
chown 1000:1000 /home/worker /disk/worker /run/user/1000
chmod 1777 /tmp
chmod 0666 /dev/net/tun
ip address add 10.0.2.15/24 dev eth0 && ip link set eth0 up && ip route add default via 10.0.2.2
echo 'nameserver 10.0.2.3' > /etc/resolv.conf
printf '[[registry]]\nprefix = "REGISTRY"\ninsecure = true\n' > /etc/rbuild/registries.toml
mkdir -p /home/root
HOME=/home/root WORK=/disk/root sh /jobs/main root
su worker -c 'HOME=/home/worker WORK=/disk/worker XDG_RUNTIME_DIR=/run/user/1000 sh /jobs/main worker'
"""

# For root and for the ordinary user, named by `$1`.
MAIN = r"""
export PATH=/bin RBUILD_ROOT=$WORK/store
mkdir -p $WORK && cd $WORK
who=$1
is() { # NAME WANTED FOUND
  case "$3" in $2) echo "RIGHT $who: $1" ;; *) echo "WRONG $who: $1: $3" ;; esac
}
is 'the user' "$who" "$(id -un)"
case $who in root) level=root ;; *) level=rootless ;; esac
is 'info' "*Isolation: $level:*" "$(rbuild info 2>&1)"
said=$(cd /jobs && COMMAND 2>&1)
is "the README's first command" '*Hello from a file outside of the container.' "$said"
is 'the image is of this machine' 'linux/arm64' "$(rbuild image inspect -f '{{.Os}}/{{.Architecture}}' busybox)"

mkdir -p ctx
echo content > ctx/file
cat > ctx/Dockerfile <<'FILE'
FROM busybox
RUN echo 'app:x:1234:1234::/home/app:/bin/sh' >> /etc/passwd && echo 'app:x:1234:' >> /etc/group
COPY --chown=app file /srv/file
RUN echo made > /srv/made && chown app:app /srv/made && wget -q -O /srv/fetched http://REGISTRY/v2/
USER app
WORKDIR /home/app
RUN id -un > who && uname -m > machine
CMD ["sh", "-c", "cat who machine; stat -c %U /srv/file /srv/made who"]
FILE
said=$(rbuild build --progress plain -t app ctx 2>&1)
is 'a build' '*built app:latest*' "$said"
is 'what was built' 'app aarch64 app app app' "$(echo $(rbuild run --rm --network none app))"
is 'a RUN has a network' '{}' "$(rbuild run --rm --network none app cat /srv/fetched)"
said=$(rbuild build --progress plain -t app ctx 2>&1)
is 'again nothing is executed' 6 "$(echo "$said" | grep -c CACHED)"
echo changed > ctx/file
said=$(rbuild build --progress plain -t app ctx 2>&1)
is 'a changed file is seen' changed "$(rbuild run --rm --network none app cat /srv/file)"
is 'and only what depends on it is executed' 2 "$(echo "$said" | grep -c CACHED)"
said=$(rbuild build --progress plain --no-cache --isolation chroot --network host -t rooted ctx 2>&1)
case $who in
  root) is 'a build by chroot' 'app aarch64 app app app' "$(echo $(rbuild run --rm --network none rooted))" ;;
  *) is 'a build by chroot is refused' '*a root of their own*' "$said" ;;
esac

run='rbuild run --rm --network none'
is 'seccomp' 2 "$($run busybox sed -n 's/^Seccomp:[^0-9]*//p' /proc/self/status)"
is 'a call that it refuses' '*not permitted*' "$($run busybox unshare -U true 2>&1)"
is 'the same without it' allowed "$($run --security-opt seccomp=unconfined busybox unshare -U echo allowed 2>&1)"
is 'an exit code' 7 "$($run busybox sh -c 'exit 7'; echo $?)"
is 'a terminal' '/dev/pts/0' "$($run -t busybox tty | tr -d '\r')"
is 'a user' 65534:65534 "$($run --user nobody busybox sh -c 'echo $(id -u):$(id -g)')"
is 'a volume' 'given' "$(echo given > $WORK/given; $run -v $WORK:/given:ro busybox cat /given/given)"
is 'the network' '{}' "$(rbuild run --rm busybox wget -q -O - http://REGISTRY/v2/ 2>&1)"
rbuild run -d --name served -p 127.0.0.1:8080:80 busybox sh -c 'echo logged; exec httpd -f -p 80 -h /etc' > /dev/null
for _ in $(seq 100); do wget -q -O got http://127.0.0.1:8080/hostname && break; sleep 1; done
is 'a published port' "$(rbuild exec served hostname)" "$(cat got)"
is 'exec' 'aarch64' "$(rbuild exec served uname -m)"
is 'exec as another user' 33 "$(rbuild exec -u www-data served id -u)"
is 'logs' logged "$(rbuild logs served)"
is 'ps' 'served busybox' "$(rbuild ps --format '{{.Names}} {{.Image}}')"
rbuild exec served sh -c 'echo of the container > /written'
rbuild stop -t 60 served > /dev/null
is 'stop' exited "$(rbuild inspect -f '{{.State.Status}}' served)"
rbuild commit served committed > /dev/null
is 'commit' 'of the container' "$($run committed cat /written)"
rbuild export served | rbuild import - imported > /dev/null
is 'export and import' 'of the container' "$($run imported cat /written)"
rbuild rm served > /dev/null

rbuild save -o saved.tar app
RBUILD_ROOT=$WORK/other rbuild load -q -i saved.tar > /dev/null
is 'save and load' "$(rbuild images -q app)" "$(RBUILD_ROOT=$WORK/other rbuild images -q app)"
rbuild tag app REGISTRY/$who/app:1
said=$(rbuild push REGISTRY/$who/app:1 2>&1)
is 'push' '*sha256:*' "$said"
RBUILD_ROOT=$WORK/third rbuild pull -q REGISTRY/$who/app:1 > /dev/null
is 'pull, and run what was pulled' 'app aarch64 app app app' "$(echo $(RBUILD_ROOT=$WORK/third $run REGISTRY/$who/app:1))"
is 'the store' '*in order*' "$(rbuild system check)"
"""


def readme_command():
    """The README's first command, without the compilation."""
    text = open(os.path.join(REPOSITORY, "README.md")).read()
    line = re.search(r"```sh\n(.*cargo build --release.*)\n```", text).group(1)
    return line[line.index("rbuild load"):]


def fixtures(folder):
    """The files of the repository that the command uses."""
    place = f"{folder}/fixtures"
    shutil.rmtree(place, ignore_errors=True)
    os.makedirs(place)
    for name in ("busybox-aarch64.tar.gz", "cat", "files"):
        subprocess.run(["cp", "-r", os.path.join(REPOSITORY, "fixtures", name), place], check=True)
    return place


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def registry(folder, port):
    config = f"{folder}/registry.yml"
    with open(config, "w") as file:
        json.dump({"version": "0.1", "storage": {"filesystem": {"rootdirectory": f"{folder}/registry"}},
                   "http": {"addr": f"127.0.0.1:{port}"}, "log": {"level": "error"}}, file)
    process = subprocess.Popen(["docker-registry", "serve", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/").close()
            return process
        except OSError:
            time.sleep(0.1)
    sys.exit("the registry does not answer")


def main():
    rbuild, folder, tree = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    port = free_port()
    place = f"10.0.2.2:{port}"
    jobs = {"arm64": START, "main": MAIN.replace("COMMAND", readme_command())}
    jobs = {name: text.replace("REGISTRY", place) for name, text in jobs.items()}
    machine = Machine(folder, rbuild, jobs, [fixtures(folder)], tree=tree)
    machine.new_disk()
    served = registry(folder, port)
    try:
        said = machine.do("arm64", seconds=1500)
    finally:
        served.kill()
        machine.cut_power()
    told = [line for line in said if line.startswith(("RIGHT", "WRONG", "FAULT"))]
    print("\n".join(told))
    right = sum(line.startswith("RIGHT") for line in told)
    # Both make the same number of checks.
    sys.exit(right != len(told) or right != 2 * MAIN.count("\nis ") + 2)


main()
