#!/usr/bin/env python3
"""Response times of docker's API compared with dockerd, in one run: python3 only.

service.py --rbuild PATH [--peers DIR] [--clients DIR] [--projects DIR] [--runs 15] [--only WORD...]

DIR of --peers is a folder that ../shared/peers/up.sh has started, with the dockerd and Compose to use; docker's CLI comes
from PATH. DIR of --clients is one that ../shared/clients/install.sh has filled, with testcontainers. The engines take turns
(A B, B A, ...); the table has medians in milliseconds, and rbuild's ratio to dockerd.
`--only soak` only measures memory: 20,000 requests of many kinds and 500 containers that run and are removed.
"""
import argparse, http.client, json, os, re, shutil, socket, statistics, subprocess, sys, tempfile, time

NAME = "bench-service"


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("engine", timeout=120)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def ask(path, method, page, body=None):
    connection = Connection(path)
    try:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, page, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class Rbuild:
    def __init__(self, program, folder, name):
        self.program, self.path = program, f"{folder}/{name}.sock"
        self.environment = {**os.environ, "RBUILD_ROOT": f"{folder}/store"}

    def start(self):
        """Milliseconds until the first response."""
        begun = time.perf_counter()
        words = [self.program, "system", "service", f"unix://{self.path}"]
        self.process = subprocess.Popen(words, env=self.environment, stderr=subprocess.DEVNULL)
        while True:
            try:
                assert ask(self.path, "GET", "/_ping")[0] == 200
                return (time.perf_counter() - begun) * 1000
            except (FileNotFoundError, ConnectionRefusedError):
                time.sleep(0.0002)

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def resident(self):
        return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{self.process.pid}/status").read())[1]) / 1024


def timed(words, environment=None, folder=None):
    begun = time.perf_counter()
    done = subprocess.run(words, env=environment, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True)
    taken = (time.perf_counter() - begun) * 1000
    if done.returncode:
        raise RuntimeError(f"{words}: {done.stderr.decode(errors='replace')[-600:]}")
    return taken


def at(path):
    return {**os.environ, "DOCKER_HOST": f"unix://{path}", "CLIENTS_BASE": "busybox", "USER_WORD": "u", "TOKEN_WORD": "t"}


def in_turn(engines, runs, measure):
    """Medians by engine, after one uncounted run."""
    found = {name: [] for name in engines}
    for run in range(runs + 1):
        order = list(engines) if run % 2 else list(reversed(engines))
        for name in order:
            taken = measure(engines[name])
            if run:
                found[name].append(taken)
    return {name: statistics.median(times) for name, times in found.items()}


def listed(path):
    begun = time.perf_counter()
    status, body = ask(path, "GET", "/containers/json?all=1")
    assert status == 200 and body.count(f"/{NAME}-".encode()) >= 200
    return (time.perf_counter() - begun) * 1000


def crowd(path, there):
    for number in range(200):
        name = f"{NAME}-{number}"
        if there:
            status, body = ask(path, "POST", f"/containers/create?name={name}", {"Image": "busybox", "Cmd": ["true"]})
            assert status == 201, body
        else:
            ask(path, "DELETE", f"/containers/{name}?force=1")


def up(compose, project):
    def measure(path):
        words = [*compose, "-p", NAME]
        taken = timed([*words, "up", "-d"], at(path), project)
        timed([*words, "down", "-v", "-t", "0"], at(path), project)
        return taken

    return measure


TESTCONTAINERS = """
import time
from testcontainers.core.container import DockerContainer
DockerContainer("busybox").get_docker_client()
for _ in range(RUNS):
    container = DockerContainer("busybox").with_command("sleep 100")
    begun = time.perf_counter()
    container.start()
    print((time.perf_counter() - begun) * 1000, flush=True)
    container.stop()
"""


def testcontainers(python, path, runs):
    environment = {**at(path), "TESTCONTAINERS_RYUK_DISABLED": "true"}
    text = TESTCONTAINERS.replace("RUNS", str(runs + 1))
    said = subprocess.run([python, "-c", text], env=environment, capture_output=True, text=True)
    if said.returncode:
        raise RuntimeError(said.stderr[-600:])
    return statistics.median(map(float, said.stdout.split()[1:]))


def soak(engine, requests, containers):
    """Memory before, after the requests, after the containers."""
    path, taken = engine.path, [engine.resident()]
    context = {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"NetworkMode": "none"}}
    pages = [("GET", "/_ping"), ("GET", "/version"), ("GET", "/info"), ("GET", "/containers/json?all=1"), ("GET", "/images/json"),
             ("GET", "/images/busybox/json"), ("GET", "/networks"), ("GET", "/volumes"), ("GET", "/images/busybox/history"),
             ("GET", "/containers/none/json"), ("POST", "/volumes/create"), ("DELETE", f"/volumes/{NAME}"), ("GET", "/nonsense")]
    ask(path, "GET", "/info")
    taken.append(engine.resident())
    for number in range(requests):
        method, page = pages[number % len(pages)]
        ask(path, method, page, {"Name": NAME} if method == "POST" else None)
        if number == requests // 2:
            taken.append(engine.resident())
    taken.append(engine.resident())
    for _ in range(containers):
        name = json.loads(ask(path, "POST", "/containers/create", context)[1])["Id"]
        assert ask(path, "POST", f"/containers/{name}/start")[0] == 204
        ask(path, "POST", f"/containers/{name}/wait")
        assert ask(path, "DELETE", f"/containers/{name}?force=1")[0] == 204
    taken.append(engine.resident())
    return taken


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rbuild", required=True)
    parser.add_argument("--peers")
    parser.add_argument("--clients")
    parser.add_argument("--projects")
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--only", nargs="*", default=["start", "list", "run", "testcontainers", "compose"])
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="bench-service-")
    engine = Rbuild(os.path.abspath(options.rbuild), folder, "docker")
    image = f"{options.peers}/share/busybox.tar" if options.peers else "fixtures/busybox.tar.gz"
    timed([engine.program, "load", "-qi", image], engine.environment)
    engines = {"rbuild": engine.path}
    if options.peers:
        engines["dockerd"] = f"{options.peers}/root/run/docker.sock"
    rows = []
    try:
        measure_all(options, engine, engines, rows, folder)
    finally:
        engine.stop()
        subprocess.run([engine.program, "system", "service", "shutdown"], env=engine.environment, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)
    print("| what | rbuild, ms | dockerd, ms | ratio |\n|---|---|---|---|")
    for what, times in rows:
        ours, theirs = times["rbuild"], times.get("dockerd")
        print(f"| {what} | {ours:.1f} | {f'{theirs:.1f}' if theirs else '-'} | {f'{ours / theirs:.2f}' if theirs else '-'} |")


def measure_all(options, engine, engines, rows, folder):
    if "start" in options.only:
        fresh = Rbuild(engine.program, folder, "fresh")
        fresh.environment = engine.environment

        def begin(_):
            taken = fresh.start()
            fresh.stop()
            return taken

        rows.append(("start until the first answer", in_turn({"rbuild": None}, options.runs * 2, begin)))
    engine.start()
    if "soak" in options.only:
        taken = " -> ".join(f"{size:.1f}" for size in soak(engine, 20_000, 500))
        print(f"memory, MB (started, asked once, 10,000 requests, 20,000, and 500 containers): {taken}")
    if "list" in options.only:
        for path in engines.values():
            crowd(path, True)
        try:
            rows.append(("GET /containers/json of 200", in_turn(engines, options.runs * 2, listed)))
        finally:
            for path in engines.values():
                crowd(path, False)
    if "run" in options.only:
        for network in ("none", "host"):
            run = lambda path: timed(["docker", "run", "--rm", "--network", network, "busybox", "true"], at(path))
            rows.append((f"docker run --rm --network {network} busybox true", in_turn(engines, options.runs, run)))
        version = lambda path: timed(["docker", "version"], at(path))
        rows.append(("docker version, for the CLI's own part", in_turn(engines, options.runs, version)))
    if "testcontainers" in options.only and options.clients:
        python = f"{options.clients}/py/bin/python"
        # The peers' daemon has no bridge of its own.
        network = {name: testcontainers(python, path, options.runs) for name, path in engines.items()}
        rows.append(("testcontainers: start", network))
    if "compose" in options.only and options.projects:
        compose = [f"{options.peers}/root/usr/libexec/docker/cli-plugins/docker-compose", "compose"]
        for project in sorted(os.listdir(options.projects)):
            if os.path.isdir(f"{options.projects}/{project}"):
                measure = up(compose, f"{options.projects}/{project}")
                try:
                    rows.append((f"docker compose up -d: {project}", in_turn(engines, max(3, options.runs // 3), measure)))
                except RuntimeError as error:
                    print(f"{project}: {error}", file=sys.stderr)


main()
