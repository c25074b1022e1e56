#!/usr/bin/env python3
"""Enters a step that failed before the machine restarted, after a reboot and after a power loss.

reboot.py RBUILD FOLDER [--rounds 3]

RBUILD is a static binary, FOLDER a place for the kernel and the disk, as for power-loss.py. What was synced has to
exist; after a power loss the rest may be refused, but must not be partial.
"""
import argparse, os, sys, time

from machine import Machine

BASE = os.path.join(os.path.dirname(__file__), "../../fixtures/busybox.tar.gz")

FAIL = """
rbuild image inspect busybox > /dev/null 2>&1 || rbuild load -q -i /jobs/busybox.tar.gz
mkdir -p /tmp/ctx
echo $(date +%s%N) > /tmp/ctx/number
printf 'FROM busybox\\nCOPY number /number\\nRUN cat /number > /below\\nENV KEPT=yes\\nWORKDIR /src\\n' > /tmp/ctx/Dockerfile
echo 'RUN cat /number > left && for i in 1 2 3 4 5 6 7 8; do cat /bin/busybox >> big; done; md5sum big > sum; exit 7' >> /tmp/ctx/Dockerfile
rbuild build --network none --progress plain /tmp/ctx > /tmp/said 2>&1
"""
# Waits for the background sync.
SYNCED = """
for i in $(seq 300); do ls /disk/store/debug/*/boot > /dev/null 2>&1 || break; sleep 1; done
sync
"""
LEAVE = FAIL + """
rbuild debug -- sh -c 'echo changed > changed' || echo WRONG it cannot be entered before either
cp /tmp/ctx/number /disk/number
""" + SYNCED
# The power is cut at this output.
CUT = FAIL + """
cp /tmp/ctx/number /disk/number; WAIT
echo FAILED; sleep 1000
"""
LOOK = """
rbuild builds ls 2>&1 | sed 's/^/LISTED /'
said=$(rbuild debug -- sh -c 'pwd; echo $KEPT; md5sum -c sum; cat left /below; cat changed' 2>&1); code=$?
echo "$said" | sed 's/^/SAID /'
number=$(cat /disk/number)
case "$said" in
*error:*) echo "REFUSED" ;;
/src*yes*big:*OK*$number*$number*) echo "THERE"; rbuild debug --retry > /dev/null 2>&1; [ $? = 7 ] || echo 'WRONG --retry' ;;
*) echo "WRONG code $code" ;;
esac
rbuild system check | sed 's/^/CHECK /'
rbuild system prune -af > /dev/null 2>&1
said=$(rbuild debug -- true 2>&1) && echo WRONG it is entered after a prune
echo "PRUNED $said"
rbuild builds logs > /tmp/log 2>&1 || true
sed 's/^/LOG /' /tmp/log | head -3
"""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("rbuild")
    parser.add_argument("folder")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    jobs = {"leave": LEAVE, "cut": CUT.replace("WAIT", ""), "synced": CUT.replace("WAIT", SYNCED), "look": LOOK}
    machine = Machine(arguments.folder, arguments.rbuild, jobs, [BASE])
    machine.new_disk()
    wrong = 0
    for number in range(arguments.rounds):
        for job in ("leave", "synced", "cut"):
            if job == "leave":
                machine.do(job)
            else:
                machine.start(job, 2048)
                machine.said("FAILED", 600)
                time.sleep(number * 2)
                machine.cut_power()
            found = machine.do("look")
            is_there = "THERE" in found
            faults = [line for line in found if line.startswith(("WRONG", "FAULT"))]
            if job != "cut" and not is_there:
                faults.append("WRONG what was on the disk is not there")
            print(job, "there" if is_there else "refused", *faults, flush=True)
            print(*("   " + line for line in found if "lost when" in line or line.startswith(("PRUNED", "CHECK")) or faults), sep="\n", flush=True)
            wrong += len(faults)
    sys.exit(wrong > 0)


main()
