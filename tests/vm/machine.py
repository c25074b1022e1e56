"""A virtual machine whose power can be cut: a Debian kernel, busybox, a static rbuild, and one ext4 disk.

Used by the scripts beside it. Needs Debian, root, and the packages qemu-system-x86, busybox-static, cpio, kmod,
e2fsprogs; for arm64 qemu-system-arm instead of the first, and a tree of packages, as `.ci/arm64` makes it. A boot takes
five seconds.
"""
import glob, os, queue, re, subprocess, sys, threading, time

MODULES = ["virtio_pci", "virtio_blk", "virtio_net", "overlay", "bridge", "veth", "tun", "nf_tables", "nft_chain_nat",
           "nft_masq", "nft_nat", "nft_ct", "nft_fib_inet"]

QEMU = {
    "x86_64": ["qemu-system-x86_64", "-cpu", "max", "-nodefaults"],
    "aarch64": ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72"],
}
CONSOLE = {"x86_64": "ttyS0", "aarch64": "ttyAMA0"}

INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
# pivot_root does not work on the initial root: containers need another one.
mkdir -p /proc /new
mount -t proc proc /proc
mount -t tmpfs -o mode=755 root /new
cd / && for entry in *; do case $entry in dev|proc|new) ;; *) cp -a $entry /new/ ;; esac; done
exec switch_root /new /second
"""

SECOND = """#!/bin/sh
export PATH=/bin
mkdir -p /proc /sys /dev /tmp /disk /etc /root /run
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts pts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t cgroup2 cgroup /sys/fs/cgroup
echo 'root:x:0:0:root:/root:/bin/sh' > /etc/passwd
echo 'root:x:0:' > /etc/group
for module in MODULES; do modprobe $module; done
ip link set lo up
mount -t ext4 /dev/vda /disk || echo 'FAULT the disk cannot be mounted'
export RBUILD_ROOT=/disk/store HOME=/root
job=$(sed 's/.*job=\\([^ ]*\\).*/\\1/' /proc/cmdline)
# In a separate shell, so that init does not end with it.
sh /jobs/$job < /dev/null
echo "ENDED $job $?"
umount /disk
poweroff -f
"""


class Machine:
    def __init__(self, folder, rbuild, jobs, files=(), programs=(), tree=None):
        """`jobs` are the scripts that it can run, by name; `files` are put into /jobs beside them, `programs` into /bin.

        `tree` is a folder with what Debian's packages for arm64 have, and the package of a kernel: the machine is of that kind
        then. Otherwise all comes from this machine.
        """
        self.architecture = "aarch64" if tree else "x86_64"
        self.folder = folder = os.path.abspath(folder)
        self.disk = f"{folder}/disk.img"
        os.makedirs(folder, exist_ok=True)
        self.kernel, modules = kernel(folder, tree)
        self.archive = initramfs(folder, rbuild, modules, jobs, files, programs, tree)
        self.process = None

    def new_disk(self, megabytes=3000):
        with open(self.disk, "wb") as file:
            file.truncate(megabytes << 20)
        run("mke2fs", "-q", "-t", "ext4", "-F", self.disk)

    def start(self, job, memory=1024):
        """Boots and starts the job; `lines` then has its output."""
        # Emulated: if this is itself a virtual machine, /dev/kvm may exist but not work.
        self.process = subprocess.Popen(
            [*QEMU[self.architecture], "-accel", "tcg,thread=multi", "-m", str(memory), "-smp", "2", "-display", "none",
             "-monitor", "none", "-no-reboot", "-serial", "stdio", "-kernel", self.kernel, "-initrd", self.archive,
             "-append", f"console={CONSOLE[self.architecture]} loglevel=0 panic=-1 cgroup_no_v1=all job={job}",
             "-drive", f"file={self.disk},format=raw,if=virtio",
             # The host is 10.0.2.2 in it.
             "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, args=(self.process.stdout, self.lines), daemon=True).start()

    @staticmethod
    def _read(pipe, lines):
        for line in pipe:
            # The BIOS clears the screen.
            lines.put(re.sub("\x1b(\\[[?0-9;]*[A-Za-z]|c)", "", line.decode(errors="replace")).rstrip())
        lines.put(None)

    def said(self, until=None, seconds=600):
        """The lines up to one that starts with `until`, or to the end, or until the time is over."""
        end, found = time.monotonic() + seconds, []
        while (left := end - time.monotonic()) > 0:
            try:
                line = self.lines.get(timeout=left)
            except queue.Empty:
                break
            if line is None:
                break
            found.append(line)
            if until and until in line:
                break
        return found

    def cut_power(self):
        self.process.kill()
        self.process.wait()

    def do(self, job, seconds=600):
        """The whole output of the job."""
        self.start(job)
        found = self.said(seconds=seconds)
        if self.process.poll() is None:
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.cut_power()
        if not any(line.startswith(f"ENDED {job}") for line in found):
            sys.exit("\n".join(found[-40:]) + f"\nthe job {job} did not end")
        return found


def run(*command, **more):
    subprocess.run(command, check=True, **more)


def kernel(folder, tree):
    """Debian's kernel for virtual machines and the folder of its modules; downloaded once, or from the tree's package."""
    place = f"{folder}/kernel"
    if tree and not os.path.exists(place):
        run("dpkg-deb", "-x", *glob.glob(f"{tree}/linux-image-*.deb"), place)
    if not glob.glob(f"{place}/boot/vmlinuz-*"):
        names = subprocess.run(["apt-cache", "search", "^linux-image-6.*-cloud-amd64-unsigned$"],
                               check=True, capture_output=True, text=True).stdout.split("\n")
        newest = sorted(name.split(" ")[0] for name in names if name)[-1]
        run("apt-get", "download", "-qq", newest, cwd=folder)
        run("dpkg-deb", "-x", glob.glob(f"{folder}/{newest}_*.deb")[0], place)
    image = glob.glob(f"{place}/boot/vmlinuz-*")[0]
    version = os.path.basename(image).removeprefix("vmlinuz-")
    if not os.path.exists(f"{place}/lib"):
        os.symlink("usr/lib", f"{place}/lib")
    modules = f"{place}/lib/modules/{version}"
    # Newer kernels' modules are compressed, which busybox's modprobe does not support.
    run("find", modules, "-name", "*.ko.xz", "-exec", "unxz", "-q", "{}", "+")
    run("depmod", "-b", place, version)
    return image, modules


def initramfs(folder, rbuild, modules, jobs, files, programs, tree):
    root = f"{folder}/root"
    run("rm", "-rf", root)
    if tree:
        # The folders of / are in /usr.
        run("cp", "-a", "--no-target-directory", f"{tree}/usr", root)
        os.symlink(".", f"{root}/usr")
    target = f"{root}/lib/modules/{os.path.basename(modules)}"
    for path in (f"{root}/bin", f"{root}/lib64", f"{root}/jobs", target):
        os.makedirs(path, exist_ok=True)
    if tree:
        run("cp", rbuild, f"{root}/bin/rbuild")
    else:
        run("cp", "/bin/busybox", f"{root}/bin/busybox")
        run("strip", "-o", f"{root}/bin/rbuild", rbuild)
    for program in (rbuild, *programs):
        if program != rbuild:
            run("cp", "-L", program, f"{root}/bin/")
        if tree:
            continue
        listed = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
        for library in re.findall(r"(/lib\S+|/usr/lib\S+) \(", listed):
            place = root + library.replace("/usr/lib", "/lib")
            os.makedirs(os.path.dirname(place), exist_ok=True)
            run("cp", "-L", library, place)
    dependencies = dict(line.split(":", 1) for line in open(f"{modules}/modules.dep").read().splitlines())
    by_name = {os.path.basename(path).removesuffix(".ko").replace("-", "_"): path for path in dependencies}
    wanted = [by_name[name] for name in MODULES if name in by_name]
    with open(f"{target}/modules.dep", "w") as listing:
        done = set()
        while wanted:
            path = wanted.pop()
            if path not in done:
                done.add(path)
                wanted += dependencies[path].split()
                os.makedirs(os.path.dirname(f"{target}/{path}"), exist_ok=True)
                run("cp", f"{modules}/{path}", f"{target}/{path}")
                listing.write(f"{path}:{dependencies[path]}\n")
    for name, text in {**{f"jobs/{name}": text for name, text in jobs.items()}, "init": INIT,
                       "second": SECOND.replace("MODULES", " ".join(MODULES))}.items():
        with open(f"{root}/{name}", "w") as file:
            file.write(text)
        os.chmod(f"{root}/{name}", 0o755)
    for file in files:
        run("cp", "-r", file, f"{root}/jobs/")
    archive = f"{folder}/initramfs.cpio"
    run("sh", "-c", f"cd {root} && find . | cpio -o -H newc --quiet > {archive}")
    return archive
