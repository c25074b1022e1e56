"""Random Dockerfiles over a context: stages, and instructions that mostly mean something there."""
import json

import words

OWNERS = ["1", "1:2", "app", "app:staff", "0:staff", "root", "1000:0", "65534:65534", "${UNSET:-3}:1", "app:0", "app:nogroup"]
# None that others may write to: dockerd makes the folders on the way with its umask, buildkitd has none.
OCTAL = ["644", "0600", "755", "4755", "02755", "1755", "7755", "0", "05", "600", "711"]
SYMBOLIC = ["u+x", "go-w", "a=r", "u=rwX,go=rX", "+x", "a+X", "g+s", "u+s,o-r", "u-x,a+X", "=r", "o=", "a+rwx,u-w", "g=u", "+t", "u=g+x"]
FOLDERS = ["/", "/data", "/data/", "data", "data/", ".", "./", "/w/./b/../c", "w/x/", "/etc/", "/link-to-etc", "/link-to-nowhere",
           "/link-to-etc/", "/link-to-nowhere/", "/a b", "sub/", "/data/deep/er/", "/etc/link-in", "/link-to-etc/new/", "..", "../up/"]
WORK = ["/w", "w", "/", "/a/./b/../c", "../x", "./y", "/w//z/", "$A", "/w/$B", "/link-to-etc/in", "/data", "sub/dir", "/link-to-nowhere", "w/..", "/.."]
COMMANDS = [
    ": >> /log", "env | grep -vE '^(HOSTNAME|SHLVL)=' | sort > /env", "id > /id", "pwd > /pwd", "umask > /umask", "echo $A-$B > /ab",
    "mkdir -p /made/in && chmod 750 /made && echo x > /made/in/f", "rm -rf /data", "rm -f /etc/motd", "ln -s /data /ln",
    "echo m > /m1 && ln /m1 /m2", "touch /t && chown 5:6 /t || true", "chmod 700 /etc 2>/dev/null || true", "mkfifo /fifo",
    "rm -rf /w; mkdir -p /w; echo new > /w/n", "mv /data /moved 2>/dev/null || true", "test -e /data && ls -ln /data | cut -c1-40 > /list || true",
    "echo \"${A:-none}\" > /q", "cd / && find . -xdev -name 'f.md' | sort > /found", "false", "echo out; echo err >&2",
    "printf '%s' \"$0 $#\" > /zero", "ls -A / > /root-names", "cp -a /etc/passwd /copied", "mkdir -p -m 2775 /sg && touch /sg/f",
]
COMMANDS = [command if command == "false" else f"({command}) || true" for command in COMMANDS]


class Maker:
    def __init__(self, context, named, random):
        self.context, self.named, self.random = context, named, random
        self.stages, self.lines = [], []

    def make(self):
        random = self.random
        if random.random() < 0.05:
            self.lines.append("# escape=`" if random.random() < 0.5 else "# check=skip=all")
        for _ in range(random.randrange(3)):
            self.lines.append(self.arg(words.value(random) if random.random() < 0.2 else None))
        for number in range(random.choice([1, 1, 1, 2, 2, 3])):
            self.stage(number)
        return "\n".join(self.lines) + "\n"

    def stage(self, number):
        random = self.random
        bases = ["busybox"] * 4 + ["fuzz-base"] * 12 + ["fuzz-onbuild"] * 2 + ["${BASE:-fuzz-base}"] + self.stages * 4
        bases += ["scratch"] if random.random() < 0.3 else []
        name = random.choice([f"s{number}", f"S{number}x", None])
        flag = "--platform=$BUILDPLATFORM " if random.random() < 0.05 else ""
        self.lines.append(f"FROM {flag}{random.choice(bases)}" + (f" AS {name}" if name else ""))
        for _ in range(random.randrange(2, 9)):
            text = self.instruction()
            if random.random() < 0.04:
                text = f"ONBUILD {text}"
            self.lines.append(text)
        if name:
            self.stages.append(name)

    def instruction(self):
        random = self.random
        makers = [(self.copy, 34), (self.add, 10), (self.run, 22), (self.workdir, 9), (self.env, 8), (self.arg, 6), (self.user, 4),
                  (self.simple, 10), (self.shell, 2)]
        return random.choices([maker for maker, _ in makers], [weight for _, weight in makers])[0]()

    def source(self, of_tree=False):
        random = self.random
        if of_tree:
            rare = ["/data", "/data/", "/w", "/env", "data", "/link-to-etc/passwd", "/link-to-nowhere"] if random.random() < 0.15 else []
            return random.choice(["/etc", "/etc/passwd", "/link-to-etc", "/etc/*", "/d*", "/", "/dat?/", "/etc/link-in", "/full/*", "/full",
                                  "/full/sub", "/full/hard*", "/full/?", "/[wh]*", "/ful?/sub/", *rare])
        known = self.context.files * 3 + self.context.folders * 3 + self.context.links * 2
        known += ["*", ".", "/", "./", "*.md", "*/a", "sub/*", "[ab]*", "?", "s*b", "nothing*", "[$]A", "${UNSET:-*}", "sub*/", "[a]/../b*"]
        known += ["missing", "$A", "a", "sub/"] if random.random() < 0.05 else []
        path = random.choice(known)
        if self.context.ignores and random.random() < 0.8 and "*" not in path and path.strip("./"):
            # What an ignore file leaves out is no error for a pattern.
            path = path.rstrip("/")[:-1] + "?"
        elif random.random() < 0.1 and path.strip("/"):
            path = random.choice([f"/{path}", f"./{path}", f"{path}/", f"../{path}", f"{path}/."])
        return path

    def transfer(self, keyword, flags, sources, destination):
        random = self.random
        every = [*sources, destination]
        if any(" " in one for one in every) or random.random() < 0.07:
            return " ".join([keyword, *flags, json.dumps(every, ensure_ascii=False)])
        joint = " \\\n  " if random.random() < 0.1 else " "
        return joint.join([keyword, *flags, *every])

    def destination(self, several):
        path = self.random.choice(FOLDERS + self.context.files[:4] + self.context.folders[:4])
        return f"{path.rstrip('/')}/" if several and self.random.random() < 0.9 else path

    def owner_flags(self):
        random, flags = self.random, []
        if random.random() < 0.25:
            flags.append(f"--chown={random.choice(OWNERS)}")
        if random.random() < 0.3:
            flags.append(f"--chmod={random.choice(OCTAL + SYMBOLIC)}")
        if random.random() < 0.15:
            flags.append(random.choice(["--link", "--link=true", "--link=false"]))
        for _ in range(random.choice([0, 0, 0, 0, 1, 2])):
            flags.append(f"--exclude={random.choice(['a', '*.md', '**/a', 'sub', 'sub/*', '!a', '*', '**/.hid', 'b', '[a-c]', 'sub/**', '!sub/a'])}")
        return flags

    def copy(self):
        random = self.random
        flags, of_tree = self.owner_flags(), False
        kind = random.random()
        if kind < 0.25 and (self.stages or random.random() < 0.5):
            of_tree = True
            stage = random.choice(self.stages + ["fuzz-base"] * 3)
            flags.insert(0, f"--from={random.choice([stage, stage, '0']) if self.stages else stage}")
        elif kind < 0.32 and self.named:
            flags.insert(0, "--from=extra")
        elif kind < 0.42:
            return self.heredoc("COPY", flags)
        sources = [self.source(of_tree) for _ in range(random.choice([1, 1, 1, 2, 3]))]
        return self.transfer("COPY", flags, sources, self.destination(len(sources) > 1))

    def add(self):
        random, flags = self.random, self.owner_flags()
        if random.random() < 0.15:
            return self.heredoc("ADD", flags)
        if random.random() < 0.2:
            flags.append(random.choice(["--unpack", "--unpack=false", "--unpack=true"]))
        pool = self.context.archives * 4 + [self.source()]
        sources = [random.choice(pool) for _ in range(random.choice([1, 1, 2]))]
        return self.transfer("ADD", flags, sources, self.destination(len(sources) > 1))

    def heredoc(self, keyword, flags):
        random = self.random
        flags = [flag for flag in flags if not flag.startswith("--exclude")]
        opening = random.choice(["<<EOF", "<<-EOF", "<<'EOF'", '<<"EOF"'])
        body = random.choice(["plain\n", "\ttab $A\n", "v=${A:-none} \\$B '$C'\n", "two\n\n  lines\n", "", 'a "q" \\\\ b\n'])
        destination = random.choice(["/h", "/data/", "h", "sub/", "/link-to-etc/"])
        return f"{keyword} {' '.join([*flags, opening, destination])}\n{body}EOF"

    def mounts(self):
        random = self.random
        cache = f"id=fuzz-{self.context.random_id}-{random.randrange(2)}"
        return random.choice([
            "--mount=target=/mnt", f"--mount=type=bind,source={random.choice(['sub', 'a', '/', '.'])},target=/mnt", "--mount=type=tmpfs,target=/mnt",
            f"--mount=type=cache,{cache},target=/mnt", f"--mount=type=cache,{cache},target=/mnt,uid=1000,gid=5,mode=0750",
            f"--mount=type=cache,{cache},target=/mnt,mode=0700,sharing=locked", "--mount=type=secret,id=none,env=NONE", "--mount=type=secret,id=none",
            "--mount=type=bind,from=fuzz-base,target=/mnt", "--mount=type=bind,target=/mnt,rw", "--mount=type=ssh",
            f"--mount=type=cache,{cache},from=fuzz-base,source=/full,target=/mnt",
        ])

    def run(self):
        random = self.random
        flags = [self.mounts()] if random.random() < 0.25 else []
        command = random.choice(COMMANDS)
        if flags:
            command = random.choice(["ls -A /mnt > /seen 2>&1 || true", "stat -c '%a %u %g %F' /mnt > /seen 2>&1 || true", "echo x > /mnt/new || true", "find /mnt -type f -exec cat {} + > /seen 2>&1; true", command])
        kind = random.random()
        if kind < 0.08:
            return " ".join(["RUN", *flags, json.dumps(["/bin/sh", "-c", command])])
        if kind < 0.16:
            return f"RUN {' '.join([*flags, '<<EOF'])}\n{command}\necho \"$A\" > /here\nEOF"
        if kind < 0.20:
            return f"RUN {' '.join([*flags, '<<EOF'])}\n#!/bin/sh\n{command}\nEOF"
        return " ".join(["RUN", *flags, command])

    def workdir(self):
        return f"WORKDIR {self.random.choice(WORK)}"

    def env(self):
        random = self.random
        if random.random() < 0.1:
            return f"ENV {random.choice('ABC')} {words.variable(random)} rest"
        names = random.sample(["A", "B", "C", "PATH_LIKE", "EMPTY"], random.randrange(1, 4))
        return "ENV " + " ".join(f"{name}={words.word(random)}" for name in names)

    def arg(self, default=None):
        random = self.random
        name = random.choice(["A", "B", "C", "EMPTY", "UNSET", "TARGETARCH", "PATH_LIKE"])
        if random.random() < 0.3 and default is None:
            return f"ARG {name}"
        if default is not None and "'" not in default:
            return f"ARG {name}='{default}'"
        return f"ARG {name}={words.word(random)}"

    def user(self):
        return f"USER {self.random.choice(['app', '1000', 'app:staff', '0', 'root', '12:34', '1000:50'] + ['$A', 'nobody-here'] * (self.random.random() < 0.1))}"

    def shell(self):
        return self.random.choice(['SHELL ["/bin/sh", "-e", "-c"]', 'SHELL ["/bin/busybox", "sh", "-c"]', 'SHELL ["/bin/sh", "-xc"]'])

    def simple(self):
        random = self.random
        return random.choice([
            f"LABEL k={words.word(random)} l.m={words.word(random)}", f"LABEL 'a key'={words.word(random)}",
            f"EXPOSE {random.choice(['80', '80/udp', '8000-8002', '443 53/UDP', '1:2', '80/', '${UNSET:-9}', '${A#${A}}7'])}",
            f"VOLUME {random.choice(['/v', '/v /x', json.dumps(['/v', 'w']), '/$A', 'v'])}",
            f"STOPSIGNAL {random.choice(['9', 'SIGTERM', 'HUP', 'SIGRTMIN+3', '${UNSET:-15}'])}",
            f"CMD {random.choice(['run me', json.dumps(['a', 'b']), '[]', '[a, b'])}", f"ENTRYPOINT {random.choice(['run me $A', json.dumps(['e'])])}",
            f"HEALTHCHECK {random.choice(['NONE', '--interval=5s CMD x', '--retries=3 --timeout=1m30s CMD x y', '--start-period=0s CMD x'])}",
            "MAINTAINER me and you",
        ])
