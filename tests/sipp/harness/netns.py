# SPDX-License-Identifier: BSD-3-Clause
"""Network namespaces, and processes in them, that vanish by themselves.

A namespace here has no name: it lives as long as a file descriptor of this process does, and takes its interfaces with it.
A child asks the kernel to be killed when this process ends. So nothing is left behind, whichever way a run ends, and two
runs never meet. To look inside one from outside: nsenter --net=/proc/PID/fd/FD (Namespace.path)."""
import contextlib
import ctypes
import os
import subprocess
import threading

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


class Failed(Exception):
    """A command of the test bed itself did not work."""


class Namespace:
    def __init__(self, label):
        self.label = label
        made = []

        def make():
            try:
                _check(_libc.unshare(CLONE_NEWNET), "unshare")
                made.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
            except OSError as error:
                made.append(error)

        # A thread of its own, so that this one stays where it is.
        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        if isinstance(made[0], OSError):
            raise made[0]
        self.fd = made[0]
        self.run("ip", "link", "set", "lo", "up")

    @property
    def path(self):
        return f"/proc/{os.getpid()}/fd/{self.fd}"

    @contextlib.contextmanager
    def entered(self):
        """The calling thread is in the namespace; sockets and children made meanwhile stay in it."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _check(_libc.setns(self.fd, CLONE_NEWNET), "setns")
            yield
        finally:
            _check(_libc.setns(home, CLONE_NEWNET), "setns")
            os.close(home)

    def run(self, *command, check=True, text=None):
        with self.entered():
            done = subprocess.run(command, input=text, capture_output=True, text=True)
        if check and done.returncode != 0:
            raise Failed(f"{self.label}: {' '.join(command)}: {(done.stderr or done.stdout).strip()}")
        return done

    def ip(self, lines):
        """Several ip commands in one process."""
        self.run("ip", "-batch", "-", text=lines)

    def read(self, key):
        """A setting below /proc/sys, as the namespace has it."""
        with self.entered(), open("/proc/sys/" + key, encoding="ascii") as file:
            return file.read().strip()

    def sysctl(self, **values):
        """key with dots written as __; missing keys are passed over (a kernel without IPv6)."""
        with self.entered():
            for key, value in values.items():
                with contextlib.suppress(FileNotFoundError), \
                        open("/proc/sys/" + key.replace("__", "/"), "w", encoding="ascii") as file:
                    file.write(str(value))

    def spawn(self, command, cpus=None, **popen):
        """A child in this namespace that dies with us. Call from the main thread: the kernel ties its end to the thread's."""
        wrap = ["setpriv", "--pdeathsig", "KILL"]
        if cpus is not None:
            wrap += ["taskset", "-c", ",".join(str(cpu) for cpu in sorted(cpus))]
        with self.entered():
            return subprocess.Popen(wrap + list(command), stdin=subprocess.DEVNULL, **popen)

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Here(Namespace):
    """Where this process is already: for peers at addresses that the machine has."""

    def __init__(self):
        self.label, self.fd = "here", -1

    @contextlib.contextmanager
    def entered(self):
        yield


def end(process, grace=2.0):
    """Asks a child to end, then makes it."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Host:
    """A namespace with its addresses: {interface: (IPv4, IPv6)}."""

    def __init__(self, label, addresses):
        self.ns = Namespace(label)
        self.label = label
        self.addresses = addresses
        self.ns.sysctl(net__ipv4__icmp_ratelimit=0, net__ipv6__icmp__ratelimit=0)

    def address(self, v6=False, segment=0):
        return self.addresses[f"eth{segment}"][1 if v6 else 0]


class Network:
    """caller, t1, t2, t3 and dut on two layer-2 segments, each a bridge in a namespace of its own (`sw`), where every frame
    to and from dut can be seen with one clock, whatever driver dut uses.

    Segment 0: 192.0.2.0/24, 2001:db8:1::/64: all. Segment 1: 198.51.100.0/24, 2001:db8:2::/64: t1, t2, t3, dut.
    dut's ends, edge0 and edge1, carry no address: the daemon's TAP twins do."""

    PREFIXES = (("192.0.2.", "2001:db8:1::"), ("198.51.100.", "2001:db8:2::"))
    DUT = 10

    def __init__(self):
        self.switch = Namespace("sw")
        self.switch.ip("".join(f"link add br{s} type bridge forward_delay 0 stp_state 0 mcast_snooping 0\n"
                               f"link set br{s} up\n" for s in (0, 1)))
        self.switch.sysctl(net__ipv6__conf__all__disable_ipv6=1)
        # Where br_netfilter is loaded, the bridge would take broken IP packets away before they reach the daemon.
        self.switch.sysctl(**{f"net__bridge__bridge-nf-call-{one}": 0 for one in ("iptables", "ip6tables", "arptables")})
        self.dut = Namespace("dut")
        for segment in (0, 1):
            self._plug(self.dut, "dut", f"edge{segment}", segment)
        self.hosts = {name: self._host(name, number, segments) for name, number, segments in
                      (("caller", 1, (0,)), ("t1", 11, (0, 1)), ("t2", 12, (0, 1)), ("t3", 13, (0, 1)))}

    def _plug(self, namespace, label, interface, segment):
        port = f"{label}-{segment}"
        self.switch.ip(f"link add {port} type veth peer name {interface} netns {namespace.path}\n"
                       f"link set {port} master br{segment} up\n")
        namespace.ip(f"link set {interface} up\n")
        # A veth sender leaves checksums to be done by hardware that is not there; the daemon verifies them. A VLAN tag likewise
        # goes beside the frame, where XDP does not see it, unless the sender is told to write it in.
        namespace.run("ethtool", "-K", interface, "tx", "off")
        self.switch.run("ethtool", "-K", port, "txvlan", "off")

    def _host(self, label, number, segments):
        host = Host(label, {f"eth{s}": (f"{self.PREFIXES[s][0]}{number}", f"{self.PREFIXES[s][1]}{number}")
                            for s in segments})
        for segment in segments:
            self._plug(host.ns, label, f"eth{segment}", segment)
            v4, v6 = host.addresses[f"eth{segment}"]
            host.ns.ip(f"addr add {v4}/24 dev eth{segment}\naddr add {v6}/64 dev eth{segment} nodad\n")
        return host

    def listener(self, v6=False, segment=0):
        return f"{self.PREFIXES[segment][1 if v6 else 0]}{self.DUT}"

    def __getitem__(self, name):
        return self.hosts[name]

    def forget_neighbours(self):
        """A new daemon may have a new MAC address."""
        for host in self.hosts.values():
            host.ns.run("ip", "neigh", "flush", "all")
        self.switch.run("bridge", "fdb", "flush", "dev", "br0", check=False)

    def close(self):
        for host in self.hosts.values():
            host.ns.close()
        self.dut.close()
        self.switch.close()
