"""Programs under measurement: what a run took, thread by thread; captures made for it; instructions counted."""
import contextlib
import fcntl
import os
import re
import subprocess
import tempfile
import time

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(os.path.dirname(here))
build = os.path.join(root, os.environ.get("BUILD", "build"))
corpus = os.environ.get("PCAP_CORPUS") or os.path.join(os.path.dirname(root), "shared", "data")
SNIFFER, SIM = os.path.join(build, "pkt-sniffer"), os.path.join(build, "feed-sim")
work = tempfile.mkdtemp(prefix="bench-")


class Skip(Exception):
    """This figure cannot be taken here: what is missing."""


class Said:
    """What pkt-sniffer said on standard error."""

    def __init__(self, text):
        self.said = text

    def ledger(self, stage):
        """(entered, left) of a stage, from the accounts that it prints at its end."""
        found = re.search(r"^%s +\w+ +(\d+) +(\d+) " % stage, self.said, re.M)
        if not found:
            raise RuntimeError("no stage %s in: %s" % (stage, self.said[-800:]))
        return int(found[1]), int(found[2])


class Run(Said):
    """A program from start to end: seconds, ns of CPU of the process and of each thread, standard error."""

    def __init__(self, *command, timeout=300, **options):
        super().__init__("")
        self.command, self.threads = command, {}
        self.said_file = tempfile.TemporaryFile("w+", dir=work)
        options.setdefault("stdout", subprocess.DEVNULL)
        self.begin, self.timeout = time.monotonic(), timeout
        self.process = subprocess.Popen(command, stderr=self.said_file, **options)

    def sample(self):
        """Threads that are gone keep what they had when last seen."""
        folder = "/proc/%d/task" % self.process.pid
        with contextlib.suppress(OSError):
            for task in os.listdir(folder):
                with contextlib.suppress(OSError), open("%s/%s/comm" % (folder, task)) as name, \
                        open("%s/%s/schedstat" % (folder, task)) as stat:
                    self.threads[int(task)] = (name.read().strip(), int(stat.read().split()[0]))

    def wait(self):
        while True:
            self.sample()
            pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > self.begin + self.timeout:
                self.process.kill()
            time.sleep(.004)
        self.seconds = time.monotonic() - self.begin
        self.cpu_ns = (usage.ru_utime + usage.ru_stime) * 1e9
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.said_file.seek(0)
        self.said = self.said_file.read()
        self.said_file.close()
        if self.process.returncode:
            raise RuntimeError("%s: exit status %d: %s" % (" ".join(self.command), self.process.returncode, self.said[-800:]))
        return self

    def workers_ns(self):
        """CPU of each worker thread of pkt-sniffer: those that are neither the first nor a library's nor a sink's."""
        return [ns for tid, (name, ns) in self.threads.items()
                if tid != self.process.pid and (name == "pkt-sniffer" or name.startswith("worker"))]


def run(*command, **options):
    return Run(*command, **options).wait()


def output(*command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300, check=False, **options)
    if done.returncode:
        raise RuntimeError("%s: exit status %d: %s" % (" ".join(command), done.returncode, done.stderr[-800:]))
    return done.stdout


def ways(*command, **env):
    """What a program built on bench.h prints: name -> values, one a round."""
    lines = output(*command, env=dict(os.environ, **env)).splitlines()
    return {name: [float(v) for v in values.split()] for name, values in (line.split("\t") for line in lines if "\t" in line)}


def instructions(function, *command, **env):
    """Instructions inside a function of a program, and what the program printed."""
    done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no",
                           "--toggle-collect=" + function, *command], env=dict(os.environ, **env), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=600, check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        raise RuntimeError("%s under callgrind: %s" % (" ".join(command), done.stderr[-800:]))
    return int(found[1]), done.stdout, done.stderr


class Cme:
    """One line of the CME capture, so that no packet is a copy, and the --feed that names it."""

    def __init__(self, most):
        self.all = os.path.join(corpus, "market", "cme-mdp3-sbe-v1.6.pcapng")
        if not os.path.exists(self.all):
            raise Skip("no CME capture below PCAP_CORPUS")
        said = run(SNIFFER, "-r", self.all, "-o", "null:").said
        found = re.search(r"--feed (cme_mdp3@([0-9.]+):(\d+)\S*line=A\S*)", said)
        self.feed, group, port = found[1], found[2], found[3]
        self.file = os.path.join(work, "cme.pcap")
        subprocess.run(["tcpdump", "-q", "-r", self.all, "--time-stamp-precision=nano", "-c", str(most), "-w", self.file,
                        "dst host %s and udp dst port %s" % (group, port)], check=True, stderr=subprocess.DEVNULL, timeout=60)

    def sniffer(self, rounds, *sinks):
        return (SNIFFER, "-r", self.file, "--feed", self.feed, "--loop", str(rounds), *sinks)


@contextlib.contextmanager
def huge_pages(pages):
    """EAL arguments for memory: huge pages if there are some or the machine gives them, else pages of 4 KiB."""
    path, spare = "/proc/sys/vm/nr_hugepages", 32
    with contextlib.suppress(OSError), open(path) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # they are the machine's
        before = int(lock.read())
        try:
            with open(path, "w") as file:
                file.write(str(before + pages + spare))
        except OSError:
            pass
        try:
            with open("/proc/meminfo") as file:
                free = int(re.search(r"HugePages_Free: +(\d+)", file.read())[1])
            if free >= pages + spare:
                yield ("--in-memory", "-m", str(2 * pages)), "huge pages"
                return
        finally:
            with contextlib.suppress(OSError), open(path, "w") as file:
                file.write(str(before))
    yield ("--no-huge", "-m", str(2 * pages)), "4 KiB pages"


@contextlib.contextmanager
def kafka():
    """A broker of this run's own."""
    script, env = os.path.join(root, "deploy", "kafka-local.sh"), dict(os.environ, KAFKA_PORT="29692")
    try:
        started = subprocess.run([script, "start"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300, check=True)
    except (OSError, subprocess.SubprocessError) as why:
        raise Skip("no broker: %s" % why)
    try:
        yield started.stdout.split()[-1]
    finally:
        subprocess.run([script, "stop"], env=env, stdout=subprocess.DEVNULL, timeout=60, check=False)


class Wire:
    """A veth pair, wire0 in one network namespace and wire1 in another; left and right run a program there."""

    def __init__(self):
        self.names = ["bench-%s-%d" % (end, os.getpid()) for end in ("left", "right")]
        self.left, self.right = (("nsenter", "--net=/run/netns/" + name) for name in self.names)


@contextlib.contextmanager
def wire():
    w = Wire()
    try:
        for name in w.names:
            output("ip", "netns", "add", name)
        output("ip", "link", "add", "wire0", "netns", w.names[0], "type", "veth", "peer", "name", "wire1", "netns", w.names[1])
        for end, interface in (w.left, "wire0"), (w.right, "wire1"):
            output(*end, "ip", "link", "set", interface, "up")
        yield w
    finally:
        for name in w.names:
            subprocess.run(["ip", "netns", "delete", name], stderr=subprocess.DEVNULL, check=False)
