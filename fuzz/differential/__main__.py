"""Builds random Dockerfiles with rbuild and with docker, and compares what comes out, file by file.

    python3 fuzz/differential --rbuild PROGRAM --peers DIR --enter IN.SH --runner CONFORMANCE.PY [--seed N] [--minutes M]
                              [--count N] [--only SEED] [--keep FOLDER]

fuzz/README.md says where the peers and the runner come from. Exits with 1 when something differs.
"""
import argparse
import importlib.util
import os
import random as randomness
import shutil
import subprocess
import sys
import tempfile
import time

from contexts import Context
from dockerfiles import Maker
from engines import Docker, Rbuild
import words

FORGET_AFTER = 60
VERBOSE = "FUZZ_VERBOSE" in os.environ


class Case:
    """One context, one Dockerfile and the arguments of the build, all from one seed."""

    def __init__(self, seed, folder):
        random = randomness.Random(seed)
        self.seed, self.folder, self.context = seed, folder, os.path.join(folder, "ctx")
        context = Context(self.context, random, seed).fill()
        self.arguments = words.build_arguments(random)
        named = random.random() < 0.25
        if named:
            extra = Context(os.path.join(folder, "extra"), random, seed).fill(ignore=random.random() < 0.3)
            extra.settle()
            self.arguments += ["--build-context", f"extra={extra.root}"]
        self.dockerfile = Maker(context, named, random).make()
        path = os.path.join(folder, "Dockerfile") if random.random() < 0.3 else context.path("Dockerfile")
        if path.startswith(folder + "/Dockerfile"):
            self.arguments += ["-f", path]
        with open(path, "w", encoding="utf-8") as out:
            out.write(self.dockerfile)
        context.settle()


def describe(runner, archive, bases):
    return runner.describe(runner.Image(archive), bases)


def compare(runner, case, docker, rbuild, bases):
    """What differs, one line each; nothing where both fail."""
    theirs, ours, again = (os.path.join(case.folder, name) for name in ["docker.tar", "rbuild.tar", "again.tar"])
    (their_code, their_text), (our_code, our_text) = docker.build(case, theirs), rbuild.build(case, ours)
    if (their_code == 0) != (our_code == 0):
        return False, [f"docker: {last(their_text)}", f"rbuild: {last(our_text)}"]
    if their_code:
        return False, [] if not VERBOSE else print(f"seed {case.seed}: both: {last(their_text)}") or []
    want, got = describe(runner, theirs, bases), describe(runner, ours, bases)
    lines = runner.find_differences({}, want, got)
    code, text = rbuild.build(case, again)
    if code or runner.find_differences({}, got, describe(runner, again, bases)):
        lines.append(f"rbuild, the second time: {last(text)}")
    return True, lines


def last(text):
    lines = [line for line in text.splitlines() if "error" in line.lower()]
    return (lines or text.splitlines() or [""])[-1][:300]


def main():
    parser = argparse.ArgumentParser()
    for name in ["--rbuild", "--peers", "--enter", "--runner"]:
        parser.add_argument(name, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, nargs="*")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--count", type=int, default=10**9)
    parser.add_argument("--keep", default="target/fuzz/differential")
    options = parser.parse_args()
    spec = importlib.util.spec_from_file_location("conformance", options.runner)
    runner = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(runner)
    docker = Docker(os.path.abspath(options.peers), options.enter)
    work = tempfile.mkdtemp(prefix="fuzz-", dir=docker.share)
    archives = docker.make_bases(os.path.join(work, "bases"))
    rbuild = Rbuild(os.path.abspath(options.rbuild), tempfile.mkdtemp(prefix="rbuild-fuzz-"), archives)
    bases = {os.path.basename(path): runner.Image(path) for path in archives}
    counts = {"built": 0, "refused by both": 0, "different": 0}
    end = time.monotonic() + options.minutes * 60
    seeds = options.only or range(options.seed, options.seed + options.count)
    for number, seed in enumerate(seeds, 1):
        if time.monotonic() > end:
            break
        case = Case(seed, os.path.join(work, str(seed)))
        try:
            built, lines = compare(runner, case, docker, rbuild, bases)
        except subprocess.TimeoutExpired as error:
            built, lines = False, [f"no end: {error}"]
        if lines:
            counts["different"] += 1
            print(f"seed {seed}:", *lines[:8], sep="\n  ", flush=True)
            shutil.rmtree(os.path.join(options.keep, str(seed)), ignore_errors=True)
            shutil.move(case.folder, os.path.join(options.keep, str(seed)))
        else:
            counts["built" if built else "refused by both"] += 1
            shutil.rmtree(case.folder)
        if number % FORGET_AFTER == 0:
            docker.forget()
            rbuild.forget()
            print(f"-- {number} cases, seed {seed}: {counts}", flush=True)
    shutil.rmtree(work, ignore_errors=True)
    shutil.rmtree(rbuild.environment["RBUILD_ROOT"], ignore_errors=True)
    print(f"{sum(counts.values())} cases from seed {options.seed}: {counts}")
    return 1 if counts["different"] else 0


if __name__ == "__main__":
    sys.exit(main())
