#!/usr/bin/env python3
"""Builds at each level of isolation, and in a container that may make no namespaces beside kaniko.

levels.py RBUILD BASE_ARCHIVE [--programs DEBIAN_ARCHIVE] [--kaniko EXECUTOR] [--rounds N] [--only WORD]

RBUILD and EXECUTOR are static programs; BASE_ARCHIVE holds the image `busybox` (fixtures/busybox.tar.gz). As root. With
--programs there are rows for apt, gcc, pip and npm, too: DEBIAN_ARCHIVE is what .ci/debian-base makes, and what the rows
need is downloaded before the first round. With --kaniko the package docker-registry is needed. All take turns in each
round; the table has medians in milliseconds, and what each is beside the first of its kind.

`emulated` is a user without rights: user 1000, behind a chroot, where the kernel makes no user namespaces.
"""
import argparse, json, os, shutil, socket, statistics, subprocess, sys, tempfile, time, urllib.request

SCENARIOS = {
    "20 RUN": "".join(f"RUN echo {number} > /file{number}\n" for number in range(20)),
    "one RUN, 3,000 files": "RUN mkdir /m && cd /m && for i in $(seq 3000); do echo $i > $i; done\n",
    "one RUN that computes": "RUN i=0; while [ $i -lt 1000000 ]; do i=$((i+1)); done\n",
    "COPY of 3,000 files, RUN over them": "COPY files /files\nRUN chown -R 5:6 /files && cat /files/* | sha256sum > /sum\n",
}

APT = "apt-get install -y --no-install-recommends"
C_FILE = "".join(f"int f{n}(int a){{int s=0;for(int i=0;i<a;i++)s+=i*{n}^s;return s;}}\\n" for n in range(150))
# What each needs beforehand, and what is measured: nothing of it uses the network.
PROGRAMS = {
    "RUN true in a Debian root": ("RUN true\n", "RUN true\n"),
    "apt-get install git": (
        f"RUN apt-get update -q && {APT} --download-only git\n", f"RUN {APT} --no-download git\n"),
    "gcc, 30 files": (
        f"RUN apt-get update -q && {APT} gcc libc6-dev\n",
        f"RUN cd /tmp && printf '#include <stdio.h>\\n#include <stdlib.h>\\n{C_FILE}' > x.c && "
        "for i in $(seq 30); do gcc -O2 -c x.c -o $i.o || exit 1; done\n"),
    "pip install django, in a venv": (
        f"RUN apt-get update -q && {APT} python3-pip python3-venv ca-certificates && pip download -q -d /wheels django\n",
        "RUN python3 -m venv /venv && /venv/bin/pip install -q --no-index --find-links /wheels django\n"),
    "npm install webpack": (
        f"RUN apt-get update -q && {APT} nodejs npm ca-certificates && mkdir /app && cd /app && npm install webpack && "
        "rm -r node_modules\n", "RUN cd /app && npm install --offline\n"),
}


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, **more)
    if done.returncode:
        sys.exit(f"{' '.join(command)}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def timed(*command, **more):
    start = time.monotonic()
    run(*command, **more)
    return (time.monotonic() - start) * 1000


class Registry:
    def __init__(self, folder):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
        config = f"{folder}/registry.yml"
        with open(config, "w") as file:
            json.dump({"version": "0.1", "storage": {"filesystem": {"rootdirectory": f"{folder}/registry"}},
                       "http": {"addr": f"127.0.0.1:{self.port}"}, "log": {"level": "error"}}, file)
        self.process = subprocess.Popen(["docker-registry", "serve", config],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/v2/").close()
                return
            except OSError:
                time.sleep(0.1)
        sys.exit("the registry does not answer")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("rbuild")
    parser.add_argument("base")
    parser.add_argument("--programs")
    parser.add_argument("--kaniko")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="levels-")
    os.chmod(folder, 0o755)
    rbuild = os.path.realpath(arguments.rbuild)
    stores = {way: {**os.environ, "RBUILD_ROOT": f"{folder}/{way}/store", "HOME": f"{folder}/{way}"}
              for way in ("root", "user")}
    os.makedirs(f"{folder}/root")
    os.makedirs(f"{folder}/user")
    os.makedirs(f"{folder}/behind")
    os.chown(f"{folder}/user", 1000, 1000)
    environment = stores["root"]
    registry = None
    try:
        load(rbuild, folder, stores, arguments.base)
        base = "busybox"
        if arguments.kaniko:
            registry = Registry(folder)
            base = f"localhost:{registry.port}/busybox:1"
            run(rbuild, "tag", "busybox", base, env=environment)
            run(rbuild, "push", "-q", base, env=environment)
            image(rbuild, arguments.kaniko, folder, environment)
        scenarios = [(name, base, text) for name, text in SCENARIOS.items() if arguments.only in name]
        if arguments.programs:
            load(rbuild, folder, stores, arguments.programs)
            scenarios += [(name, prepared(rbuild, folder, stores, number, before), text)
                          for number, (name, (before, text)) in enumerate(PROGRAMS.items()) if arguments.only in name]
        ways = {level: on_the_machine(rbuild, level, environment) for level in ("full", "chroot")}
        ways["emulated"] = lambda context: timed(*without_rights(folder, rbuild, "build", "-q", "--no-cache", context),
                                                 env=stores["user"])
        if arguments.kaniko:
            ways["chroot in a container"] = in_a_container(rbuild, environment, "rbuild")
            ways["kaniko in a container"] = in_a_container(rbuild, environment, "kaniko")
        table(ways, scenarios, folder, arguments.rounds)
    finally:
        if registry:
            registry.process.kill()
        subprocess.run([rbuild, "system", "prune", "-af"], env=environment, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def without_rights(folder, *command):
    """The same files, by a user who has no capabilities and can make no namespaces."""
    behind = 'mount --rbind / "$0" && exec chroot --userspec=1000:1000 "$0" "$@"'
    return ["unshare", "-m", "sh", "-c", behind, f"{folder}/behind", *command]


def load(rbuild, folder, stores, archive):
    archive = os.path.realpath(archive)
    words = ["load", "-q", "-i", archive] if is_archive(archive) else ["import", archive, "debian"]
    run(rbuild, *words, env=stores["root"])
    run(*without_rights(folder, rbuild, *words), env=stores["user"])


def is_archive(path):
    """An image, and no bare root filesystem."""
    listed = subprocess.run(["tar", "-tf", path], capture_output=True, text=True).stdout.splitlines()
    return "manifest.json" in listed or "index.json" in listed


def prepared(rbuild, folder, stores, number, text):
    context, name = f"{folder}/prepared", f"prepared:{number}"
    os.makedirs(context, exist_ok=True)
    with open(f"{context}/Dockerfile", "w") as file:
        file.write(f"FROM debian\n{text}")
    authority = os.environ.get("SSL_CERT_FILE")
    more = ["--ca-cert", authority] if authority else []
    run(rbuild, "build", "-q", "--network", "host", *more, "-t", name, context, env=stores["root"])
    run(rbuild, "save", "-o", f"{context}/image.tar", name, env=stores["root"])
    run(*without_rights(folder, rbuild, "load", "-q", "-i", f"{context}/image.tar"), env=stores["user"])
    return name


def image(rbuild, kaniko, folder, environment):
    """One image with both programs, and nothing else that either would find."""
    context = f"{folder}/image"
    os.makedirs(f"{context}/tmp")
    shutil.copy(rbuild, f"{context}/rbuild")
    shutil.copy(kaniko, f"{context}/kaniko")
    with open(f"{context}/Dockerfile", "w") as file:
        file.write("FROM scratch\nCOPY rbuild /kaniko/rbuild\nCOPY kaniko /kaniko/executor\nCOPY tmp /tmp\n"
                   "ENV PATH=/kaniko HOME=/root USER=root RBUILD_ROOT=/kaniko/store\n")
    run(rbuild, "build", "-q", "-t", "both", context, env=environment)


def on_the_machine(rbuild, level, environment):
    return lambda context: timed(
        rbuild, "build", "-q", "--no-cache", "--network", "host", "--isolation", level, context, env=environment)


def in_a_container(rbuild, environment, kind):
    """From an empty store each time, with the base out of the registry, as a job of CI does it."""
    program = ["/kaniko/rbuild", "kaniko"] if kind == "rbuild" else ["/kaniko/executor"]
    return lambda context: timed(
        rbuild, "run", "--rm", "--network", "host", "-v", f"{context}:/workspace:ro", "both", *program,
        "--context", "dir:///workspace", "--dockerfile", "/workspace/Dockerfile", "--no-push", env=environment)


def table(ways, scenarios, folder, rounds):
    print(f"| build | {' | '.join(ways)} |\n|---|{'---|' * len(ways)}")
    for name, base, text in scenarios:
        context = f"{folder}/context"
        shutil.rmtree(context, ignore_errors=True)
        os.makedirs(f"{context}/files")
        with open(f"{context}/Dockerfile", "w") as file:
            file.write(f"FROM {base}\n{text}")
        for number in range(3000 if "COPY" in text else 0):
            with open(f"{context}/files/{number}", "w") as file:
                file.write(f"{number}\n" * 100)
        # Containers with kaniko have the base of the other rows only.
        here = {way: build for way, build in ways.items() if name in SCENARIOS or "container" not in way}
        times = {way: [] for way in here}
        for turn in range(rounds + 1):
            for way, build in here.items():
                taken = build(context)
                # The first round fills caches.
                if turn:
                    times[way].append(taken)
        medians = {way: statistics.median(taken) for way, taken in times.items()}
        cells = []
        for way in ways:
            if way not in medians:
                cells.append("")
                continue
            beside = medians["kaniko in a container" if "container" in way else "full"]
            cells.append(f"{medians[way]:.0f} ({medians[way] / beside:.2f})")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


main()
