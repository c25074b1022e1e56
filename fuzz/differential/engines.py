"""The two that build: rbuild, and docker in the folder of the peers."""
import os
import subprocess

BASE = """FROM busybox
RUN echo app:x:1000:1001:app:/home/app:/bin/sh >> /etc/passwd && printf 'staff:x:50:app\\napp:x:1001:\\n' >> /etc/group \\
 && echo hello > /etc/motd && mkdir -p /data/deep /full/sub /home/app && chown 1000:1001 /home/app && echo d > /data/f.md && chmod 2775 /data \\
 && ln -s /etc /link-to-etc && ln -s /nowhere/at/all /link-to-nowhere && ln -s passwd /etc/link-in \\
 && echo a > /full/a && ln /full/a /full/hard1 && ln -s a /full/b && ln -s sub /full/c && echo s > /full/sub/f && chmod 4711 /full/a && chown 7:8 /full/sub/f
ENV A=base PATH_LIKE=/p/q/r.tar.gz
LABEL k=base
WORKDIR /home/app
CMD ["base"]
"""
ONBUILD = """FROM fuzz-base
ONBUILD RUN echo triggered $A > /triggered
ONBUILD ENV B=trigger
ONBUILD WORKDIR /onb
ONBUILD COPY Dockerfil[e] /onb/
"""


class Docker:
    """Builds with --network none: the peers' daemon has no bridge."""

    def __init__(self, peers, enter):
        self.enter, self.share = [enter, peers], os.path.join(peers, "share")

    def run(self, *command, limit=300):
        return subprocess.run([*self.enter, "docker", *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=limit)

    def inside(self, path):
        return path.replace(self.share, "/share", 1)

    def make_bases(self, folder):
        for name, text in [("fuzz-base", BASE), ("fuzz-onbuild", ONBUILD)]:
            os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, "Dockerfile"), "w", encoding="utf-8") as out:
                out.write(text)
            done = self.run("buildx", "build", "--network", "none", "-t", name, self.inside(folder))
            if done.returncode:
                raise SystemExit(done.stdout.decode(errors="replace"))
            self.run("save", "-o", self.inside(f"{folder}/{name}.tar"), name)
        self.run("save", "-o", self.inside(f"{folder}/busybox.tar"), "busybox")
        return [f"{folder}/{name}.tar" for name in ["busybox", "fuzz-base", "fuzz-onbuild"]]

    def build(self, case, archive):
        arguments = [self.inside(argument) for argument in case.arguments]
        output = f"type=oci,compression=uncompressed,dest={self.inside(archive)}"
        done = self.run("buildx", "build", "--progress", "plain", "--network", "none", "--provenance=false", *arguments, "-o", output,
                        self.inside(case.context))
        return done.returncode, done.stdout.decode(errors="replace")

    def forget(self):
        self.run("builder", "prune", "-af")


class Rbuild:
    def __init__(self, program, store, bases):
        self.program, self.environment = program, {**os.environ, "RBUILD_ROOT": store}
        for base in bases:
            subprocess.run([program, "load", "-q", "-i", base], env=self.environment, check=True, stdout=subprocess.DEVNULL)

    def build(self, case, archive):
        done = subprocess.run([self.program, "build", "--progress", "plain", "--network", "none", *case.arguments, "-o", f"type=oci,dest={archive}", case.context],
                              env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
        return done.returncode, done.stdout.decode(errors="replace")

    def forget(self):
        subprocess.run([self.program, "builder", "prune", "-af"], env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
