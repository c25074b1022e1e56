"""Random build contexts: folders with odd modes, links of both kinds, archives, ignore files."""
import io
import os
import tarfile

NAMES = ["a", "b", "c", "d", "e.txt", "f.md", ".hid", "sub", "x y", "Ünï", "node_modules", "g.tar"]
FILE_MODES = [0o644, 0o644, 0o644, 0o755, 0o600, 0o640, 0o444, 0o4755, 0o2755, 0o777, 0o000]
FOLDER_MODES = [0o755, 0o755, 0o755, 0o700, 0o775, 0o2775, 0o1777, 0o555]
PATTERNS = [
    "*", "**", "a", "b", "sub", "sub/", "/sub", "./b", "*.md", "**/a", "**/.hid", "*/a", "sub/*", "sub/**", "sub/a", "?",
    "[a-c]", "x y", "a/../b", "**/*.txt", "node_modules", "**/sub/a", "!a", "!b", "!sub", "!sub/a", "!sub/b", "!*.md",
    "!**/a", "!*/b", "!**/.hid", "!.hid", "!sub/", "!/sub/c", "# a comment", "", "  a  ", "\\!a", "d/**/a", "!d/**/a",
    "*.t?t", "!Dockerfile", "Dockerfile", ".dockerignore", "[^a]", "sub*", "!sub*", "**/sub", "!**/sub", "a/b", "!a/b",
]


class Context:
    """A folder that was filled, and what stands in it."""

    def __init__(self, root, random, random_id):
        self.root, self.random, self.random_id = root, random, random_id
        self.files, self.folders, self.links, self.archives = [], [], [], []
        self.ignores = False

    def fill(self, ignore=True):
        os.makedirs(self.root)
        self.folder("", 0)
        for _ in range(self.random.randrange(3)):
            self.archive()
        if ignore and self.random.random() < 0.45:
            self.ignores, count = True, self.random.randrange(1, 6)
            patterns = [self.random.choice(PATTERNS) for _ in range(count)]
            self.write(".dockerignore", "\n".join(patterns) + self.random.choice(["", "\n", "\r\n"]))
        return self

    def folder(self, path, depth):
        random = self.random
        for name in random.sample(NAMES, random.randrange(2, 6) if depth < 2 else random.randrange(0, 3)):
            inner = f"{path}/{name}" if path else name
            kind = random.random()
            if kind < 0.35 and depth < 3:
                os.mkdir(self.path(inner))
                self.folders.append(inner)
                self.folder(inner, depth + 1)
                os.chmod(self.path(inner), random.choice(FOLDER_MODES))
            elif kind < 0.50:
                os.symlink(self.link_target(path), self.path(inner))
                self.links.append(inner)
            elif kind < 0.57 and self.files:
                os.link(self.path(random.choice(self.files)), self.path(inner), follow_symlinks=False)
                self.files.append(inner)
            elif kind < 0.59:
                os.mkfifo(self.path(inner), 0o644)
                self.files.append(inner)
            else:
                self.write(inner, random.choice(["", "one\n", f"{inner}\n", "two\nlines\n", "x" * 5000]))
                os.chmod(self.path(inner), random.choice(FILE_MODES))
                self.files.append(inner)

    def link_target(self, path):
        up = "../" * (path.count("/") + 1 if path else 0)
        targets = ["a", "b", "sub", "/a", "/sub", up + "a", up + "b", up + "sub", ".", "..", "nowhere", "../../etc/passwd",
                   "/etc/passwd", "./a", "sub/a", "a/", "/", up + "d/../b"]
        return self.random.choice(targets)

    def archive(self):
        random = self.random
        name = random.choice(["g.tar", "h.tar.gz", "i.tgz", "j.bin", "sub.tar.xz", "k.tar.bz2"])
        if os.path.lexists(self.path(name)):
            return
        if random.random() < 0.15:
            self.write(name, "not an archive\n")
            self.files.append(name)
            return
        form = random.choice(["w", "w:gz", "w:xz", "w:bz2"])
        with tarfile.open(self.path(name), form, format=random.choice([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])) as out:
            for number in range(random.randrange(1, 6)):
                self.member(out, number)
        self.archives.append(name)
        self.files.append(name)

    def member(self, out, number):
        random = self.random
        name = random.choice(["t", "u/v", "u", "w/", "./t2", f"n{number}", "u/../y", "link", "Ünï"])
        info = tarfile.TarInfo(name.rstrip("/"))
        info.mtime, info.uid, info.gid = 1_500_000_000, random.choice([0, 0, 1000, 65534]), random.choice([0, 5])
        info.mode = random.choice(FILE_MODES)
        kind = random.random()
        if name.endswith("/") or name == "u":
            info.type, info.mode = tarfile.DIRTYPE, random.choice(FOLDER_MODES)
            out.addfile(info)
        elif kind < 0.15 or name == "link":
            info.type, info.linkname = tarfile.SYMTYPE, random.choice(["t", "/etc", "../t", "nowhere", "u"])
            out.addfile(info)
        elif kind < 0.25 and out.getmembers() and out.getmembers()[0].isfile():
            info.type, info.linkname = tarfile.LNKTYPE, out.getmembers()[0].name
            out.addfile(info)
        else:
            body = random.choice([b"", b"member\n", name.encode()])
            info.size = len(body)
            out.addfile(info, io.BytesIO(body))

    def write(self, path, text):
        with open(self.path(path), "w", encoding="utf-8") as out:
            out.write(text)

    def path(self, inner):
        return os.path.join(self.root, inner)

    def settle(self):
        """One time for all, of this case alone: docker takes a file of the same name, size and time for the one it has."""
        time = 1_600_000_000 + self.random_id
        for root, folders, files in os.walk(self.root, topdown=False):
            for name in folders + files:
                os.utime(os.path.join(root, name), (time, time), follow_symlinks=False)
        os.utime(self.root, (time, time))
