#!/usr/bin/env python3
"""Containers' limits on a machine with cgroup v2 only and an older kernel, with rbuild's own runtime, and with runc and
crun if they are installed.

cgroups.py RBUILD FOLDER

RBUILD is a binary, FOLDER a place for the kernel and the disk. Prints for each check whether it passed.
"""
import os, shutil, sys

from machine import Machine

BASE = os.path.join(os.path.dirname(__file__), "../../fixtures/busybox.tar.gz")

START = r"""
echo
rbuild load -q -i /jobs/busybox.tar.gz > /dev/null
is() { # NAME WANTED FOUND
  case "$3" in $2) echo "RIGHT $runtime: $1" ;; *) echo "WRONG $runtime: $1: $3" ;; esac
}
# The CPU time of the container, in microseconds.
use() { cat /sys/fs/cgroup/rbuild/*/cpu.stat | sed -n 's/usage_usec //p' | sort -n | tail -1; }
"""

# For rbuild's own runtime and for each other installed one.
LIMITS = r"""
run="rbuild run --rm --network none --runtime $runtime"
is 'memory.max' 67108864 "$($run -m 64m busybox cat /sys/fs/cgroup/memory.max)"
is 'cpu.max' '50000 100000' "$($run --cpus 0.5 busybox cat /sys/fs/cgroup/cpu.max)"
is 'pids.max' 20 "$($run --pids-limit 20 busybox cat /sys/fs/cgroup/pids.max)"
is 'cpuset' 1 "$($run --cpuset-cpus 1 busybox cat /sys/fs/cgroup/cpuset.cpus)"
is 'cpu weight' '[1-9]*' "$($run --cpu-shares 512 busybox cat /sys/fs/cgroup/cpu.weight)"
is 'memory reservation' 33554432 "$($run --memory-reservation 32m busybox cat /sys/fs/cgroup/memory.low)"
is 'a device' 'brw*' "$($run --device /dev/vda:/dev/given busybox sh -c 'head -c 1 /dev/given > /dev/null && ls -l /dev/given')"
is 'no other device' '*ermi*' "$($run --cap-add MKNOD busybox sh -c 'mknod /d b 254 0 && head -c 1 /d' 2>&1)"
mounts='mkdir /mnt && mount -t tmpfs n /mnt && mknod /mnt/d b 254 0'
is 'the right to mount opens no device' '*ermi*' "$($run --cap-add SYS_ADMIN busybox sh -c "$mounts && head -c 1 /mnt/d" 2>&1)"
is 'with limits neither' '*ermi*' "$($run -m 64m --cap-add SYS_ADMIN busybox sh -c "$mounts && head -c 1 /mnt/d" 2>&1)"
is 'limits beside devices' 67108864 "$($run -m 64m --device /dev/vda:/dev/given busybox cat /sys/fs/cgroup/memory.max)"
is 'a rule' 512 "$($run --device-cgroup-rule 'b 254:0 r' busybox sh -c 'mknod /d b 254 0 && head -c 512 /d | wc -c')"
is 'a rule for reading' '*ermi*' "$($run --device-cgroup-rule 'b 254:0 r' busybox sh -c 'mknod /d b 254 0 && dd of=/d count=0 </dev/null' 2>&1)"
is 'null all the same' null "$($run --cap-add SYS_ADMIN --device /dev/vda:/dev/given busybox sh -c 'echo > /dev/null && echo null')"
rbuild run --name eats --network none --runtime $runtime -m 32m busybox sh -c 'x=aaaaaaaaaaaaaaaa; while true; do x=$x$x; done'
is 'killed by memory' 137 $?
is 'says so' 'true 137' "$(rbuild inspect --format '{{.State.OOMKilled}} {{.State.ExitCode}}' eats)"
rbuild rm eats > /dev/null
said=$($run --pids-limit 20 busybox sh -c 'i=0; while [ $i -lt 60 ]; do sleep 5 & i=$((i+1)); done; wait' 2>&1)
is 'forks end' '*ork*' "$said"
rbuild create --name box --network none --runtime $runtime -m 64m --cpus 0.5 --pids-limit 20 busybox sh -c 'while true; do :; done' > /dev/null
is 'created' created "$(rbuild inspect --format '{{.State.Status}}' box)"
rbuild start box > /dev/null
sleep 2
is 'stats' '*%*64MiB*' "$(rbuild stats --no-stream --format '{{.CPUPerc}} {{.MemUsage}} {{.PIDs}}' box)"
before=$(use); sleep 2; after=$(use); spent=$(( (after - before) / 10000 ))
[ $spent -gt 40 ] && [ $spent -lt 160 ] && echo "RIGHT $runtime: half a processor ($spent of 200)" || echo "WRONG $runtime: half a processor: $spent of 200"
is 'exec is limited too' '67108864 7' "$(rbuild exec -u 7 box sh -c 'echo $(cat /sys/fs/cgroup/memory.max) $(id -u)' 2>&1)"
rbuild exec box no-such-program 2> /dev/null
is 'exec of nothing' 127 $?
rbuild pause box > /dev/null
before=$(use); sleep 1; after=$(use)
[ $((after - before)) -lt 20000 ] && echo "RIGHT $runtime: paused" || echo "WRONG $runtime: paused: $((after - before))"
is 'paused state' paused "$(rbuild inspect --format '{{.State.Status}}' box)"
rbuild unpause box > /dev/null
is 'running state' running "$(rbuild inspect --format '{{.State.Status}}' box)"
rbuild update -m 96m --memory-swap 96m --pids-limit 30 --cpus 1 box > /dev/null
is 'updated' '100663296 30 100000 100000' "$(rbuild exec box sh -c 'cd /sys/fs/cgroup; echo $(cat memory.max pids.max cpu.max)')"
is 'top' '*while true*' "$(rbuild top box)"
rbuild stop -t 0 box > /dev/null
is 'stopped' 'exited 137' "$(rbuild inspect --format '{{.State.Status}} {{.State.ExitCode}}' box)"
rbuild start box > /dev/null
is 'limited again' 100663296 "$(rbuild exec box cat /sys/fs/cgroup/memory.max)"
rbuild rm -f box > /dev/null
is 'nothing is left' '' "$(find /sys/fs/cgroup/rbuild -mindepth 1 -type d)"
"""

BUILDS = r"""
runtime=rbuild
run="rbuild run --rm --network none"
is 'version' '*Cgroup Version: 2*' "$(rbuild info)"
is 'device guard' '*program of a cgroup of version 2*' "$(rbuild info)"
mkdir -p /tmp/ctx; printf 'FROM busybox\nRUN cat /proc/self/cgroup > /c; test -r /sys/fs/cgroup/cgroup.procs\n' > /tmp/ctx/Dockerfile
is 'build' 'sha256:*' "$(rbuild build -q --network none -m 64m /tmp/ctx 2>&1)"
{ echo FROM busybox; i=0; while [ $i -lt 130 ]; do echo "COPY f /d$i/"; i=$((i+1)); done; echo 'RUN ls / | grep -c ^d > /count'; } > /tmp/ctx/Dockerfile; echo f > /tmp/ctx/f
is '130 layers' 'sha256:*' "$(rbuild build -q --network none -t many /tmp/ctx 2>&1)"
is 'all are seen' 131 "$($run many cat /count)"
"""


def main():
    rbuild, folder = sys.argv[1:]
    others = [path for name in ("runc", "crun") if (path := shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin"))]
    runtimes = " ".join(["rbuild", *map(os.path.basename, others)])
    job = f"{START}\nfor runtime in {runtimes}; do\n{LIMITS}\ndone\n{BUILDS}"
    machine = Machine(folder, rbuild, {"cgroups": job}, [BASE], others)
    machine.new_disk()
    said = machine.do("cgroups")
    told = [line for line in said if line.startswith(("RIGHT", "WRONG", "FAULT"))]
    print("\n".join(told))
    sys.exit(any(not line.startswith("RIGHT") for line in told))


main()
