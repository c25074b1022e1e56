#!/usr/bin/env python3
"""Builds at each isolation level, and compared with kaniko in a container without namespaces.

levels.py RBUILD BASE_ARCHIVE [--kaniko EXECUTOR] [--rounds N]

RBUILD and EXECUTOR are static programs; BASE_ARCHIVE holds the image `busybox` (fixtures/busybox.tar.gz). Run as
root. --kaniko also needs the package docker-registry. They take turns in each round; the table has medians in milliseconds,
and ratios to the first of each kind.
"""
import argparse, json, os, shutil, socket, statistics, subprocess, sys, tempfile, time, urllib.request

SCENARIOS = {
    "20 RUN": "".join(f"RUN echo {number} > /file{number}\n" for number in range(20)),
    "one RUN, 3,000 files": "RUN mkdir /m && cd /m && for i in $(seq 3000); do echo $i > $i; done\n",
    "one RUN that computes": "RUN i=0; while [ $i -lt 1000000 ]; do i=$((i+1)); done\n",
    "COPY of 3,000 files, RUN over them": "COPY files /files\nRUN chown -R 5:6 /files && cat /files/* | sha256sum > /sum\n",
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
    parser.add_argument("--kaniko")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="levels-")
    rbuild = os.path.realpath(arguments.rbuild)
    environment = {**os.environ, "RBUILD_ROOT": f"{folder}/store"}
    registry = None
    try:
        run(rbuild, "load", "-q", "-i", arguments.base, env=environment)
        base = "busybox"
        if arguments.kaniko:
            registry = Registry(folder)
            base = f"localhost:{registry.port}/busybox:1"
            run(rbuild, "tag", "busybox", base, env=environment)
            run(rbuild, "push", "-q", base, env=environment)
            image(rbuild, arguments.kaniko, folder, environment)
        ways = {"full": on_the_machine(rbuild, "full"), "chroot": on_the_machine(rbuild, "chroot")}
        if arguments.kaniko:
            ways["chroot in a container"] = in_a_container(rbuild, folder, "rbuild")
            ways["kaniko in a container"] = in_a_container(rbuild, folder, "kaniko")
        table(ways, base, folder, environment, arguments.rounds)
    finally:
        if registry:
            registry.process.kill()
        subprocess.run([rbuild, "system", "prune", "-af"], env=environment, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def image(rbuild, kaniko, folder, environment):
    """Makes an image with both programs, and nothing else that they could use."""
    context = f"{folder}/image"
    os.makedirs(f"{context}/tmp")
    shutil.copy(rbuild, f"{context}/rbuild")
    shutil.copy(kaniko, f"{context}/kaniko")
    with open(f"{context}/Dockerfile", "w") as file:
        file.write("FROM scratch\nCOPY rbuild /kaniko/rbuild\nCOPY kaniko /kaniko/executor\nCOPY tmp /tmp\n"
                   "ENV PATH=/kaniko HOME=/root USER=root RBUILD_ROOT=/kaniko/store\n")
    run(rbuild, "build", "-q", "-t", "both", context, env=environment)


def on_the_machine(rbuild, level):
    return lambda context, environment: timed(
        rbuild, "build", "-q", "--no-cache", "--network", "host", "--isolation", level, context, env=environment)


def in_a_container(rbuild, folder, kind):
    """Starts with an empty store each time, and the base in the registry, like a CI job."""
    program = ["/kaniko/rbuild", "kaniko"] if kind == "rbuild" else ["/kaniko/executor"]
    return lambda context, environment: timed(
        rbuild, "run", "--rm", "--network", "host", "-v", f"{context}:/workspace:ro", "both", *program,
        "--context", "dir:///workspace", "--dockerfile", "/workspace/Dockerfile", "--no-push", env=environment)


def table(ways, base, folder, environment, rounds):
    print(f"| build | {' | '.join(ways)} |\n|---|{'---|' * len(ways)}")
    for name, text in SCENARIOS.items():
        context = f"{folder}/context"
        shutil.rmtree(context, ignore_errors=True)
        os.makedirs(f"{context}/files")
        with open(f"{context}/Dockerfile", "w") as file:
            file.write(f"FROM {base}\n{text}")
        for number in range(3000 if "COPY" in text else 0):
            with open(f"{context}/files/{number}", "w") as file:
                file.write(f"{number}\n" * 100)
        times = {way: [] for way in ways}
        for turn in range(rounds + 1):
            for way, build in ways.items():
                taken = build(context, environment)
                # The first round fills caches.
                if turn:
                    times[way].append(taken)
        medians = {way: statistics.median(taken) for way, taken in times.items()}
        first = {"full": "full", "chroot": "full"}
        cells = []
        for way, median in medians.items():
            beside = medians[first.get(way, "kaniko in a container")]
            cells.append(f"{median:.0f} ({median / beside:.2f})")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


main()
