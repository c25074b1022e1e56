#!/usr/bin/env python3
"""Containers on a machine that has AppArmor: rbuild's profile is loaded, and confines them.

apparmor.py RBUILD FOLDER

RBUILD is a binary, FOLDER a place for the kernel and the disk. Needs the package apparmor in addition to those of
machine.py. Prints for each check whether it passed.
"""
import os, sys

from machine import Machine

BASE = os.path.join(os.path.dirname(__file__), "../../fixtures/busybox.tar.gz")
PARSER = "/usr/sbin/apparmor_parser"
ABI = "/etc/apparmor.d/abi/3.0"

JOB = r"""
echo
mv /bin/apparmor_parser /root/
mount -t securityfs securityfs /sys/kernel/security
is() { # NAME WANTED FOUND
  case "$3" in $2) echo "RIGHT $1" ;; *) echo "WRONG $1: $3" ;; esac
}
rbuild load -q -i /jobs/busybox.tar.gz > /dev/null
run="rbuild run --rm --network none"
shown='cat /proc/self/attr/current'
is 'AppArmor is on' Y "$(cat /sys/module/apparmor/parameters/enabled)"
is 'info knows it' '*name=apparmor*' "$(rbuild info)"

# Without AppArmor's parser: there is a warning, and the container runs.
is 'no parser: a warning' '*without AppArmor*not installed*unconfined*' "$($run busybox $shown 2>&1)"
printf 'FROM busybox\nRUN cat /proc/self/attr/current > /label\nRUN true\n' > /tmp/Dockerfile
mkdir -p /tmp/ctx; mv /tmp/Dockerfile /tmp/ctx
said=$(rbuild build --progress plain --network none /tmp/ctx 2>&1)
is 'no parser: a build says it once' 1 "$(echo "$said" | grep -c 'without AppArmor')"
$run --security-opt apparmor=rbuild-default busybox true 2> /tmp/error
is 'no parser: asked for by name' '125 *cannot load the AppArmor profile*' "$? $(cat /tmp/error)"
$run --security-opt apparmor=unconfined busybox true 2> /tmp/error
is 'no parser: unconfined asks for nothing' '0 ' "$? $(cat /tmp/error)"
mv /root/apparmor_parser /bin/
mkdir -p /etc/apparmor.d/abi && cp /jobs/3.0 /etc/apparmor.d/abi/

is 'the profile is applied' 'rbuild-default (enforce)' "$($run busybox $shown 2>&1)"
is 'and loaded' '*rbuild-default (enforce)*' "$(cat /sys/kernel/security/apparmor/profiles)"
before=$(ls /sys/kernel/security/apparmor/policy/profiles)
is 'a second time nothing is loaded' "$before" "$($run busybox true; ls /sys/kernel/security/apparmor/policy/profiles)"
is 'unconfined' unconfined "$($run --security-opt apparmor=unconfined busybox $shown)"
is 'privileged' unconfined "$($run --privileged busybox $shown)"
$run --security-opt apparmor=no-such-profile busybox true 2> /tmp/error
is 'a profile that is not there' '125 *no-such-profile*' "$? $(cat /tmp/error)"
printf 'profile other flags=(attach_disconnected) { file, deny /proc/version r, network, capability, signal, }\n' | apparmor_parser -Kr
is 'a profile by its name' 'other (enforce)' "$($run --security-opt apparmor=other busybox $shown)"

# What is denied, although the file itself and its mount would allow it.
shows="$run --security-opt systempaths=unconfined"
is 'sysrq-trigger' '*ermission denied*' "$($shows busybox sh -c 'echo h > /proc/sysrq-trigger' 2>&1)"
is 'sysrq-trigger without it' '' "$($shows --security-opt apparmor=unconfined busybox sh -c 'echo h > /proc/sysrq-trigger' 2>&1)"
is 'core_pattern' '*ermission denied*' "$($shows busybox sh -c 'echo x > /proc/sys/kernel/core_pattern' 2>&1)"
is 'core_pattern of the host' core "$(cat /proc/sys/kernel/core_pattern)"
is 'vm' '*ermission denied*' "$($shows busybox sh -c 'echo 1 > /proc/sys/vm/drop_caches' 2>&1)"
is 'kcore' '*ermission denied*' "$($shows busybox sh -c 'head -c 1 /proc/kcore' 2>&1)"
is 'security' '*ermission denied*' "$($shows -v /sys/kernel/security:/sys/kernel/security busybox cat /sys/kernel/security/apparmor/profiles 2>&1)"
is 'mount' '*ermission denied*' "$($run --cap-add ALL busybox mount -t tmpfs x /tmp 2>&1)"
is 'AF_ALG' 'errno 13' "$($run --security-opt seccomp=unconfined -v /bin:/t busybox /t/probe socket 38)"
is 'AF_ALG of a 32-bit program, past seccomp' 'errno 13' "$($run -v /bin:/t busybox /t/probe socket32 38)"

# What an ordinary container may do.
is 'a shell and its files' 'ok 7' "$($run busybox sh -c 'mkdir /a && echo ok > /a/b && chown 7 /a/b && echo $(cat /a/b) $(stat -c %u /a/b)')"
is 'signals' '143' "$($run busybox sh -c 'sleep 100 & kill $!; wait $!; echo $?')"
is 'ptrace within' done "$($run -v /bin:/t busybox /t/probe trace-child)"
is 'shm' 1 "$($run --sysctl kernel.shmmax=1000000 busybox sh -c 'echo 1 > /dev/shm/x; cat /dev/shm/x')"
rbuild run -d --name cc --network none --init busybox sh -c 'trap "exit 5" TERM; while true; do sleep 1; done' > /dev/null
is 'the small init has it' '1 rbuild-default (enforce)' "$(rbuild exec cc sh -c 'echo $(cat /proc/1/comm | grep -c rbuild) $(cat /proc/1/attr/current)')"
is 'exec has it' 'rbuild-default (enforce)' "$(rbuild exec cc $shown)"
is 'exec --privileged has none' unconfined "$(rbuild exec --privileged cc $shown)"
is 'exec sees the others' '*sleep*' "$(rbuild exec cc ps)"
is 'exec signals the others' '0' "$(rbuild exec cc sh -c 'kill -0 1; echo $?')"
trap=$(rbuild exec cc ps | grep '[t]rap' | sed 's/^ *//; s/ .*//' | tail -1)
is 'exec reads their state' '*PATH*' "$(rbuild exec cc cat /proc/$trap/environ | tr '\0' '\n')"
is 'inspect' rbuild-default "$(rbuild inspect -f '{{.AppArmorProfile}}' cc)"
rbuild stop -t 20 cc > /dev/null
is 'stop' 5 "$(rbuild inspect -f '{{.State.ExitCode}}' cc)"
rbuild start cc > /dev/null
rbuild kill cc > /dev/null
rbuild rm -f cc > /dev/null
is 'no process of the host can be traced' 'errno 1*' "$($run --pid host --cap-add SYS_PTRACE -v /bin:/t busybox /t/probe trace 1)"

# Builds.
rbuild build -q --no-cache --network none -t labelled /tmp/ctx > /dev/null
is 'steps have it' 'rbuild-default (enforce)' "$($run labelled cat /label)"
printf 'FROM busybox\nRUN --security=insecure cat /proc/self/attr/current > /label\n' > /tmp/ctx/Dockerfile
rbuild build -q --network none --allow security.insecure -t insecure /tmp/ctx > /dev/null
is 'insecure steps do not' unconfined "$($run insecure cat /label)"

# With remapped users.
is 'userns=remap' '0 rbuild-default (enforce)' "$($run --userns=remap:100000:65536 busybox sh -c "echo \$(id -u) \$($shown)")"
$run --userns=remap:100000:65536 --tmpfs /t busybox sh -c 'touch /t/x /x && stat -c %u /x' > /tmp/said
is 'userns=remap on this kernel' '0 0' "$? $(cat /tmp/said)"
# A kernel without socket scopes: containers on the host's network work, with a warning.
is 'landlock' '*Landlock:*' "$(rbuild info | grep Landlock)"
is 'host network' ok "$(rbuild run --rm --network host busybox echo ok)"
"""


def main():
    rbuild, folder = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    probe = f"{folder}/probe"
    source = os.path.join(os.path.dirname(__file__), "../isolation/probe.c")
    if os.system(f"cc -static -no-pie -O1 -o {probe} {source}"):
        sys.exit("the probe can't be compiled")
    small = f"{folder}/rbuild"
    if os.system(f"strip -o {small} {rbuild}"):
        sys.exit("rbuild can't be stripped")
    # Its libraries come with it, if it has any.
    machine = Machine(folder, small, {"apparmor": JOB}, [BASE, ABI], [PARSER, probe, small])
    machine.new_disk()
    said = machine.do("apparmor", seconds=1500)
    told = [line for line in said if line.startswith(("RIGHT", "WRONG", "FAULT"))]
    print("\n".join(told))
    sys.exit(any(not line.startswith("RIGHT") for line in told))


main()
