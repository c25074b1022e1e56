#!/usr/bin/env python3
"""Cuts a machine's power while rbuild works, many times, and checks what is served afterwards.

power-loss.py RBUILD FOLDER [--cuts 30] [--seed N]

RBUILD is a static binary, FOLDER a place for the kernel and the disk (3 GB, sparse). Each round boots, works until the
power goes, boots again, and asks for everything that was there before anything is repaired. An answer is right, refused
(an error that says why) or wrong. What was said to be synced has to be there; everything else may be lost, but must be
possible to make again without a repair.
"""
import argparse, os, random, sys

from machine import Machine

BASE = os.path.join(os.path.dirname(__file__), "../../fixtures/busybox.tar.gz")

COMMON = """
build() { # NAME CONTENT
  mkdir -p /tmp/ctx
  printf 'FROM busybox\\nCOPY big content /\\nRUN cat /big /big > /twice && md5sum /big /twice /content > /sums\\n' > /tmp/ctx/Dockerfile
  echo "$1 $2" > /tmp/ctx/content
  yes "$1 $2" | head -c 3000000 > /tmp/ctx/big
  rbuild build -q --network none -t $1 /tmp/ctx
}
look() { # NAME
  rbuild run --rm --network none $1 sh -c 'md5sum -cs /sums && cat /content'
}
"""

# Prints DOING before and DONE after each action.
WORK = COMMON + """
[ -e /disk/store/store.db ] || { rbuild load -q -i /jobs/busybox.tar.gz; sync; }
echo BEGUN
number=$(date +%s)00000
while true; do
  number=$((number + 1)); name=app$(shuf -i 0-4 -n 1)
  case $(shuf -i 0-9 -n 1) in
  0|1|2|3) echo "DOING build $name $number"; build $name $number > /dev/null && echo "DONE build $name $number" ;;
  4) echo DOING load; rbuild load -q -i /jobs/busybox.tar.gz > /dev/null && echo DONE load ;;
  5) if rbuild image inspect $name > /dev/null 2>&1; then
       echo "DOING save $name"; rbuild save -o /disk/saved.tar $name && echo "DONE save $name"; fi ;;
  6) echo "DOING rmi $name"; rbuild rmi -f $name > /dev/null 2>&1; echo "DONE rmi $name" ;;
  7) echo DOING prune; rbuild builder prune -f > /dev/null; rbuild image prune -f > /dev/null; echo DONE prune ;;
  8) echo "DOING container"; rbuild rm -f box > /dev/null 2>&1
     rbuild run --name box --network none -v data:/data busybox sh -c 'echo x >> /data/log; echo box > /box' &&
     rbuild commit box committed > /dev/null; echo DONE container ;;
  9) sleep 1; sync; echo SYNCED; sleep 1 ;;
  esac
done
"""

VERIFY = COMMON + """
echo BEGUN
# The first command of a boot reports what was lost.
rbuild images --format '{{.Repository}}' > /tmp/images 2> /tmp/told || echo 'WRONG images cannot be listed'
cat /tmp/told
rbuild ps -a > /dev/null || echo 'WRONG containers cannot be listed'
rbuild volume ls > /dev/null || echo 'WRONG volumes cannot be listed'
rbuild system df > /dev/null || echo 'WRONG df'
for name in $(cat /tmp/images); do
  case $name in
  app*) if found=$(look $name 2> /tmp/said); then echo "HAS $found"; else echo "REFUSED $name $(tr '\\n' ' ' < /tmp/said)"; fi ;;
  esac
done
grep -qx busybox /tmp/images || rbuild load -q -i /jobs/busybox.tar.gz > /dev/null
rbuild run --rm --network none busybox true || echo 'WRONG busybox does not run'
for number in 0 1; do
  said=$(build app$number again 2>&1) || { echo "WRONG app$number cannot be built: $said"; continue; }
  found=$(look app$number 2>&1); [ "$found" = "app$number again" ] || echo "WRONG app$number has $found"
done
rbuild save -o /tmp/out.tar app0 app1 || echo 'WRONG cannot be saved'
rbuild load -q -i /tmp/out.tar > /dev/null || echo 'WRONG cannot be loaded'
rbuild rm -f box > /dev/null 2>&1
rbuild run --rm --network none -v data:/data busybox true || echo 'WRONG the volume cannot be used'
rbuild system check | sed 's/^/CHECK /'
rbuild system check --repair > /dev/null || echo 'WRONG it cannot be repaired'
said=$(rbuild system check); [ "$said" = 'The store is in order.' ] || echo "WRONG after the repair: $said"
for number in 0 1; do
  found=$(look app$number 2>&1); [ "$found" = "app$number again" ] || echo "WRONG after the repair app$number has $found"
done
sync
"""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("rbuild")
    parser.add_argument("folder")
    parser.add_argument("--cuts", type=int, default=30)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    arguments = parser.parse_args()
    dice = random.Random(arguments.seed)
    print("seed", arguments.seed)
    machine = Machine(arguments.folder, arguments.rbuild, {"work": WORK, "verify": VERIFY}, [BASE])
    machine.new_disk()
    totals = {"cuts": 0, "things done": 0, "there": 0, "lost": 0, "refused": 0, "told": 0, "wrong": 0, "left over": 0}
    for _ in range(arguments.cuts):
        machine.start("work")
        start = machine.said("BEGUN", 300)
        if not start or "BEGUN" not in start[-1]:
            sys.exit("\n".join(start) + "\nthe machine did not begin to work")
        said = machine.said(seconds=dice.choice([10, 30, 90]) * dice.random())
        machine.cut_power()
        found = machine.do("verify")
        totals["cuts"] += 1
        judge(said, found, totals)
        print(totals, flush=True)
    sys.exit(totals["wrong"] > 0)


def judge(said, found, totals):
    """Compares what was done with what exists."""
    done, synced, begun = {}, {}, set()
    for line in said:
        word, *rest = line.split(" ")
        if word == "SYNCED":
            synced = dict(done)
        elif word == "DOING" and rest[0] in ("build", "rmi"):
            begun.add(rest[1])
            # Any later state of it may have been written.
            synced.pop(rest[1], None)
        elif word == "DONE" and rest[0] == "build":
            done[rest[1]] = rest[2]
        elif word == "DONE" and rest[0] == "rmi":
            done.pop(rest[1], None)
        totals["things done"] += word == "DONE"
    there = {}
    for line in found:
        word, _, rest = line.partition(" ")
        if word == "HAS":
            name, number = rest.split(" ")
            there[name] = number
            totals["there"] += 1
        elif word == "warning:":
            totals["told"] += 1
        elif word in ("WRONG", "REFUSED", "FAULT"):
            print("  ", line)
            totals["refused" if word == "REFUSED" else "wrong"] += 1
        elif word == "CHECK" and "in order" not in line:
            print("  ", line)
            totals["left over"] += rest.startswith(("leftover", "damaged"))
    for name, number in synced.items():
        if there.get(name) != number:
            print(f"   WRONG {name} was synced with {number} and has {there.get(name)}")
            totals["wrong"] += 1
    totals["lost"] += sum(there.get(name) != number for name, number in done.items())


main()
