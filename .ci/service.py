"""Shared by the checks with docker's own tools: rbuild's service with a separate store, docker's CLI, a registry."""

import os
import pathlib
import shutil
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = ROOT / "target"

# Slowness on a busy machine is not a fault.
PATIENCE = 300


class Skip(Exception):
    """Something is unavailable, so it is not checked."""


def find_docker():
    """Puts docker's CLI first in PATH, and returns the path of Compose. Each is a single file."""
    if subprocess.run(["bash", ROOT / ".ci" / "docker-root"]).returncode:
        raise Skip("Docker's packages cannot be had")
    root, programs = TARGET / "docker-cli" / "root", TARGET / "docker-cli" / "bin"
    programs.mkdir(exist_ok=True)
    if not (programs / "docker").exists():
        (programs / "docker").symlink_to(root / "usr/bin/docker")
    os.environ["PATH"] = f"{programs}:{os.environ['PATH']}"
    return root / "usr/libexec/docker/cli-plugins/docker-compose"


def wait_for(condition, what, process):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, f"{what} has ended"
        assert time.monotonic() < deadline, f"{what} does not answer"
        time.sleep(0.02)


def can_connect(address):
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as client:
        return client.connect_ex(address) == 0


class Service:
    """rbuild's service on a store in `folder`, with rbuild as docker's build plugin."""

    def __init__(self, program, folder):
        self.program, self.folder = str(program), pathlib.Path(folder)
        self.socket = str(self.folder / "docker.sock")
        config = self.folder / "config"
        config.mkdir()
        home = self.folder / "home"
        home.mkdir()
        own = {"RBUILD_ROOT": str(self.folder / "store"), "DOCKER_CONFIG": str(config), "HOME": str(home)}
        inherited = {name: value for name, value in os.environ.items() if name not in ("DOCKER_HOST", "DOCKER_CONTEXT")}
        self.own_environment = inherited | own
        # The environment of clients: the socket, not the store.
        self.environment = self.own_environment | {"DOCKER_HOST": f"unix://{self.socket}"}

    def __enter__(self):
        self.rbuild("docker-plugin", "install", "--user")
        command = [self.program, "system", "service", f"unix://{self.socket}"]
        self.process = subprocess.Popen(command, env=self.own_environment, stderr=subprocess.DEVNULL)
        wait_for(lambda: can_connect(self.socket), "the service", self.process)
        return self

    def __exit__(self, *_):
        containers = self.rbuild("ps", "-aq").split()
        if containers:
            self.rbuild("rm", "-f", "-v", *containers)
        self.rbuild("network", "prune", "-f")
        self.process.terminate()
        self.process.wait()

    def rbuild(self, *words, **options):
        """Runs rbuild itself, and returns its output."""
        done = subprocess.run(
            [self.program, *words], env=self.own_environment, stdout=subprocess.PIPE, check=True, text=True, **options
        )
        return done.stdout

    def load_busybox(self):
        """Makes the image `busybox`, which runs a shell."""
        self.rbuild("load", "-qi", str(ROOT / "fixtures" / "busybox.tar.gz"))
        self.rbuild("build", "-qt", "busybox", "-", input='FROM busybox\nCMD ["/bin/sh"]\n')


class Registry:
    """An empty registry on this machine, without TLS."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def __enter__(self):
        if shutil.which("docker-registry") is None:
            raise Skip("docker-registry is missing")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"localhost:{port}"
        settings = self.folder / "registry.yml"
        settings.write_text(
            "version: 0.1\n"
            f"storage: {{filesystem: {{rootdirectory: {self.folder / 'registry'}}}, delete: {{enabled: true}}}}\n"
            f'http: {{addr: "127.0.0.1:{port}"}}\n'
        )
        command = ["docker-registry", "serve", settings]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: can_connect(("127.0.0.1", port)), "the registry", self.process)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def listed(path):
    """The lines of a list, without comments."""
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]
