#!/usr/bin/env python3
"""Scaling of builds: nothing or one file changed, in contexts and Dockerfiles of increasing size.

growth.py RBUILD BASE_ARCHIVE [--largest 500000] [--runs 3]

BASE_ARCHIVE holds the image `busybox` (fixtures/busybox.tar.gz). Prints a table: the median of the wall time and of the
CPU time (user and system, all processes of the build) in milliseconds, and the peak memory in MB. Needs root or a user
namespace, and disk space for three times the largest context.
"""
import argparse, os, shutil, statistics, subprocess, sys, tempfile, time

parser = argparse.ArgumentParser()
parser.add_argument("rbuild")
parser.add_argument("base")
parser.add_argument("--largest", type=int, default=500_000)
parser.add_argument("--runs", type=int, default=3)
arguments = parser.parse_args()
rbuild = os.path.realpath(arguments.rbuild)
scratch = tempfile.mkdtemp(prefix="rbuild-growth-", dir=os.environ.get("TMPDIR", "/var/tmp"))
environment = dict(os.environ, RBUILD_ROOT=scratch + "/store")


def measure(*command):
    """Wall and CPU time in milliseconds, and the largest resident set in MB."""
    began = time.perf_counter()
    child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    wall = (time.perf_counter() - began) * 1000
    if status:
        sys.exit(said.decode(errors="replace"))
    return wall, (usage.ru_utime + usage.ru_stime) * 1000, usage.ru_maxrss / 1024


def build(context):
    return measure(rbuild, "build", "-q", "-t", "growth", context)


def row(name, runs):
    wall, processor, memory = (statistics.median(column) for column in zip(*runs))
    print(f"| {name} | {wall:.1f} | {processor:.1f} | {memory:.0f} |", flush=True)


def files(count):
    context = f"{scratch}/files{count}"
    for number in range(count):
        if number % 100 == 0:
            folder = f"{context}/d{number // 10000}/s{number // 100}"
            os.makedirs(folder)
        with open(f"{folder}/f{number % 100}.txt", "w") as file:
            file.write(f"content of {number}\n" * 20)
    with open(context + "/Dockerfile", "w") as file:
        file.write("FROM busybox\nCOPY . /src\n")
    time.sleep(0.2)
    row(f"{count} files, cold", [build(context)])
    row(f"{count} files, nothing changed", [build(context) for _ in range(arguments.runs)])
    # Files before the change are not read again: a change of the first one costs most, in the middle half as much.
    for name, changed in (("the first", 0), ("one in the middle", count // 2)):
        runs = []
        for number in range(arguments.runs):
            with open(f"{context}/d{changed // 10000}/s{changed // 100}/f{changed % 100}.txt", "w") as file:
                file.write(f"changed {number}\n")
            time.sleep(0.2)
            runs.append(build(context))
        row(f"{count} files, {name} changed", runs)
    shutil.rmtree(context)


def instructions(count):
    context = f"{scratch}/instructions{count}"
    os.makedirs(context)
    with open(context + "/a.txt", "w") as file:
        file.write("a\n")
    with open(context + "/Dockerfile", "w") as file:
        file.write("FROM busybox\n")
        for number in range(count - 2):
            file.write([f"ENV V{number}={number}\n", f"COPY a.txt /d{number}/\n", f"LABEL l{number}=x\n",
                        f"WORKDIR /w{number}\n"][number % 4])
        file.write("COPY a.txt /last\n")
    row(f"{count} instructions, cold", [build(context)])
    row(f"{count} instructions, nothing changed", [build(context) for _ in range(arguments.runs * 3)])


try:
    measure(rbuild, "load", "-i", arguments.base)
    print("| build | wall ms | processor ms | memory MB |\n|---|---|---|---|")
    for count in (10, 100, 500):
        instructions(count)
    for count in (1_000, 10_000, 100_000, 500_000):
        if count <= arguments.largest:
            files(count)
finally:
    shutil.rmtree(scratch, ignore_errors=True)
