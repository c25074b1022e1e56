#!/usr/bin/env python3
"""Compares rbuild as docker's plugin with docker's buildx: the same command lines and Docker Engine, in one run.

docker.py --rbuild PATH --peers DIR [--megabytes 1024] [--targets 12] [--runs 3] [--only nothing load bake]

DIR is a folder that ../shared/peers/up.sh has started, with the docker CLI, buildx, BuildKit and dockerd to use. Run as
root. Each tool has its own files, so that they share no layers. They take turns, and the first round does not count. The
table has medians in milliseconds, and rbuild's ratio to buildx. Needs disk space for eight times the megabytes. A round's
images are removed before the next; the engine's build cache is not.
"""
import argparse, json, os, random, shutil, statistics, subprocess, sys, tempfile, time

NAME = "bench-docker"
FILE_SIZE = 16 << 20
# How many times a round repeats fast operations.
REPEATS = 3
BUILDX = "/usr/libexec/docker/cli-plugins/docker-buildx"
# The peers' engine has no network for containers.
APPLICATION = """FROM busybox
RUN --network=none mkdir /work
COPY data /data
COPY app /app
LABEL made=by
CMD ["cat", "/app/main"]
"""
SHARED = """FROM busybox AS tools
RUN --network=none for i in 1 2 3 4; do echo $i > /tool$i; done
FROM tools AS sources
COPY src /src
RUN --network=none cat /src/* | sha256sum > /sum
FROM sources AS each
ARG KIND
RUN --network=none echo $KIND > /kind
"""


class Tool:
    """A docker CLI with one of the plugins, and a folder of files."""

    def __init__(self, name, plugin, options, folder):
        # The path that the peers see; on this machine the folder is below theirs.
        self.name, self.outside, self.inside = name, f"{folder}/{name}", f"/share/{os.path.basename(folder)}/{name}"
        self.enter = ["nsenter", f"--mount={options.peers}/ns/mnt", "--"]
        self.random = random.Random(name)
        os.makedirs(f"{self.outside}/config/cli-plugins")
        os.symlink(plugin, f"{self.outside}/config/cli-plugins/docker-buildx")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("DOCKER_", "BUILDX_", "RBUILD_"))}
        self.environment = {**kept, "DOCKER_CONFIG": f"{self.inside}/config", "RBUILD_ROOT": f"{self.inside}/store"}

    def put(self, path, content):
        path = f"{self.outside}/{path}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)

    def docker(self, *words):
        words = [*self.enter, "docker", *words]
        done = subprocess.run(words, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(words)}:\n{done.stdout[-1000:]}{done.stderr[-3000:]}")
        return done.stdout

    def timed(self, *words):
        # Dirty pages of earlier runs must not count.
        os.sync()
        begun = time.perf_counter()
        self.docker("buildx", *words)
        return (time.perf_counter() - begun) * 1000

    def image(self, name):
        return json.loads(self.docker("image", "inspect", name))[0]

    def remove(self):
        names = self.docker("images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", f"reference={NAME}-{self.name}*")
        if names:
            self.docker("image", "rm", "-f", *names.split())


class Nothing:
    """The overhead of docker's CLI and its plugin, without a build."""

    def __init__(self, tool, options):
        self.tool = tool

    def round(self, number):
        for _ in range(REPEATS):
            yield "`docker buildx version`", self.tool.timed("version")


class Load:
    """A large image: first load, and loads with nothing, one small file and one large file changed."""

    def __init__(self, tool, options):
        self.tool, self.name, self.files = tool, f"{NAME}-{tool.name}", max(1, (options.megabytes << 20) // FILE_SIZE)
        tool.put("load/Dockerfile", APPLICATION.encode())
        tool.put("load/app/main", b"0\n")

    def round(self, number):
        tool, shown = self.tool, f"{self.files * FILE_SIZE / 1e9:.1f} GB"
        for file in range(self.files):
            tool.put(f"load/data/{file}", tool.random.randbytes(FILE_SIZE))
        yield f"{shown}, first load", self.build()
        for repeat in range(REPEATS):
            yield f"{shown}, nothing changed", self.build(changes=False)
            tool.put("load/app/main", f"{number}.{repeat}\n".encode())
            yield f"{shown}, a file of the last layer changed", self.build()
        tool.put("load/data/0", tool.random.randbytes(FILE_SIZE))
        yield f"{shown}, a file of its largest layer changed", self.build()
        assert tool.image(self.name)["Size"] > self.files * FILE_SIZE
        tool.remove()

    def build(self, changes=True):
        before = self.tool.docker("images", "-q", "--no-trunc", self.name).strip()
        taken = self.tool.timed("build", "--load", "-t", self.name, f"{self.tool.inside}/load")
        after = self.tool.docker("images", "-q", "--no-trunc", self.name).strip()
        assert after and (after != before) == changes, f"{self.tool.name}: {before} became {after}"
        return taken


class Bake:
    """Targets that share their first steps."""

    def __init__(self, tool, options):
        self.tool, self.names = tool, [f"t{number}" for number in range(options.targets)]
        target = lambda name: {"context": f"{tool.inside}/bake", "args": {"KIND": name}, "tags": [f"{NAME}-{tool.name}-{name}"]}
        definition = {"group": {"default": {"targets": self.names}}, "target": {name: target(name) for name in self.names}}
        tool.put("bake.json", json.dumps(definition).encode())
        tool.put("bake/Dockerfile", SHARED.encode())
        for number in range(200):
            tool.put(f"bake/src/{number}", tool.random.randbytes(10_000))

    def round(self, number):
        words = ["bake", "--load", "-f", f"{self.tool.inside}/bake.json", "--allow", f"fs.read={self.tool.inside}"]
        shown = f"bake of {len(self.names)} targets"
        yield f"{shown}, `--no-cache`", self.tool.timed(*words, "--no-cache")
        for _ in range(REPEATS):
            yield f"{shown}, nothing changed", self.tool.timed(*words)
        self.tool.put("bake/src/0", f"{number}\n".encode())
        yield f"{shown}, a file changed that all have", self.tool.timed(*words)
        layers = {tuple(self.tool.image(f"{NAME}-{self.tool.name}-{name}")["RootFS"]["Layers"]) for name in self.names}
        assert len(layers) == len(self.names)
        self.tool.remove()


KINDS = {"nothing": Nothing, "load": Load, "bake": Bake}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rbuild", required=True)
    parser.add_argument("--peers", required=True)
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--targets", type=int, default=12)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=KINDS, default=list(KINDS))
    options = parser.parse_args()
    options.peers = os.path.realpath(options.peers)
    folder = tempfile.mkdtemp(prefix=f"{NAME}-", dir=f"{options.peers}/share")
    inside = f"/share/{os.path.basename(folder)}"
    shutil.copy(options.rbuild, f"{folder}/docker-buildx")
    tools = [Tool("rbuild", f"{inside}/docker-buildx", options, folder), Tool("buildx", BUILDX, options, folder)]
    try:
        said = [tool.docker("buildx", "version").strip() for tool in tools]
        assert "rbuild" in said[0] and "rbuild" not in said[1], said
        print(f"{said[0]}; {said[1]}; engine {tools[1].docker('version', '-f', '{{.Server.Version}}').strip()}", file=sys.stderr)
        print("| what | rbuild, ms | buildx, ms | ratio |\n|---|---|---|---|")
        for kind in [KINDS[word] for word in options.only]:
            table(tools, kind, options)
    finally:
        for tool in tools:
            tool.remove()
        shutil.rmtree(folder, ignore_errors=True)


def table(tools, kind, options):
    found, parts = {}, {tool.name: kind(tool, options) for tool in tools}
    for number in range(1, options.runs + 2):
        for tool in tools if number % 2 else reversed(tools):
            for what, taken in parts[tool.name].round(number):
                if number > 1:
                    found.setdefault(what, {}).setdefault(tool.name, []).append(taken)
                print(f"{number} {tool.name}: {what}: {taken:.0f} ms", file=sys.stderr)
    for what, times in found.items():
        ours, theirs = (statistics.median(times[tool.name]) for tool in tools)
        print(f"| {what} | {ours:.0f} | {theirs:.0f} | {ours / theirs:.3f} |", flush=True)


main()
