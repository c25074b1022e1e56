#!/usr/bin/env python3
"""Time from a saved file to the first output of the new container with `build --watch --run`.

watch.py RBUILD BUSYBOX.TAR.GZ [TIMES]
"""
import os, signal, statistics, subprocess, sys, tempfile, time

SERVES = "FROM busybox\nCOPY word /\nCMD echo $(cat /word); exec sleep 1000\n"
# The changed file, the new output, and the options of `run`.
CASES = {
    "fixtures/cat, another label": (
        "Dockerfile", 'FROM busybox\nLABEL n=%d\nWORKDIR /files\nENTRYPOINT ["cat"]\n', "-- /proc/uptime",
    ),
    "a file copied, program without handlers": ("word", "%d", ""),
    "the same with --init": ("word", "%d", "--init"),
}


def main():
    rbuild, base = map(os.path.abspath, sys.argv[1:3])
    times = int(sys.argv[3]) if len(sys.argv) > 3 else 12
    for case, (name, text, options) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            env = dict(os.environ, RBUILD_ROOT=os.path.join(folder, "store"))
            subprocess.run([rbuild, "load", "-qi", base], env=env, check=True, stdout=subprocess.DEVNULL)
            context = os.path.join(folder, "context")
            os.mkdir(context)
            save(context, "Dockerfile", SERVES)
            save(context, name, text % 0)
            words = [rbuild, "build", "--watch", "--run", options, "--progress", "none", context]
            watch = subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            watch.stdout.readline()
            took = []
            for number in range(1, times + 1):
                time.sleep(1)
                began = time.monotonic()
                save(context, name, text % number)
                watch.stdout.readline()
                took.append((time.monotonic() - began) * 1000)
            watch.send_signal(signal.SIGINT)
            watch.wait()
            print("%-40s median %4.0f ms, %.0f to %.0f" % (case, statistics.median(took), min(took), max(took)))


def save(folder, name, text):
    with open(os.path.join(folder, name), "w") as file:
        file.write(text)


main()
