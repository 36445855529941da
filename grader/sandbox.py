"""The sandbox: the words that are put before a command so that it runs in bubblewrap.

Inside there is nothing but the system's /usr, a few files of /etc, /sys (hwloc and PoCL find no
cores without it), and the folders that are bound explicitly. No network but loopback, no other
process, no capability, no environment of ours. As root every job gets a user id of its own,
because RLIMIT_NPROC counts per user and does not hold for root.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from grader import cgroup, process
from grader.course import Trouble

WORK = "{work}"  # the suite replaces it by the folder of the test
FIRST_UID, UIDS = 60001, 900  # no Debian user has these
INSIDE_UID = "1000"
TMP_BYTES = 256 << 20
SHM_BYTES = 512 << 20

SYSTEM_LINKS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SYSTEM_ETC = ("ld.so.cache", "alternatives", "OpenCL", "openmpi")
OWN_ETC = {
    "passwd": f"student:x:{INSIDE_UID}:{INSIDE_UID}:student:/home/student:/bin/sh\n",
    "group": f"student:x:{INSIDE_UID}:\n",
    "hosts": "127.0.0.1 localhost lab\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/home/student",
    "TMPDIR": "/tmp",
    "LANG": "C.UTF-8",
    "USER": "student",
}


class NoSandbox(Trouble):
    """The sandbox cannot be had; the text names the missing protection and the cure."""


@dataclass(frozen=True)
class Bind:
    """A folder or file of ours that can be seen inside."""

    source: str
    target: str
    writable: bool = False


@dataclass(frozen=True)
class Sandbox:
    """How untrusted commands are started."""

    kind: str  # "bwrap", or "limits": no namespaces, only the limits of time, memory, processes
    etc: Path  # folder with OWN_ETC


# ---- preparing ----


def prepare(kind: str, folder: Path) -> Sandbox:
    """Makes the sandbox's own /etc files in folder."""
    etc = folder / "etc"
    etc.mkdir(parents=True, exist_ok=True)
    for name, content in OWN_ETC.items():
        (etc / name).write_text(content, encoding="ascii")
    return Sandbox(kind, etc)


def probe(sandbox: Sandbox) -> None:
    """Tries the sandbox once. Raises NoSandbox with what is missing and what to do."""
    for tool, package in (
        ("bwrap", "bubblewrap"),
        ("setpriv", "util-linux"),
        ("prlimit", "util-linux"),
    ):
        if shutil.which(tool) is None:
            raise NoSandbox(
                f"the program {tool} is missing. To install it: apt-get install {package}"
            )
    with claimed_uids(1) as uids:
        words = [*wrap(sandbox, uids[0], [], "/"), "/usr/bin/true"]
        outcome = process.run(words, seconds=20, env=os.environ)
    if outcome.status != 0:
        raise NoSandbox(explain(outcome.output))


def explain(complaint: str) -> str:
    """What bubblewrap could not do, and the cure."""
    first = (complaint.strip().splitlines() or ["no reason given"])[0]
    if (
        "Operation not permitted" in complaint
        or "ermission" in complaint
        or "namespace" in complaint
    ):
        return (
            "this machine does not let the grader make user namespaces, so student code could see and "
            f"change everything that you can ({first}). `make doctor` names the cure."
        )
    return f"bubblewrap does not start: {first}"


# ---- user ids ----


class claimed_uids:
    """User ids that no other grader on this machine uses now, one a job; None for each where there is
    no change of user: where we are not root, and without the sandbox (kind "limits"), which does it.

    A claim is an abstract Unix socket: the kernel drops it with the process, whatever ends it."""

    def __init__(self, count: int, kind: str = "bwrap") -> None:
        self.count = count
        self.kind = kind
        self.claims: dict[int, socket.socket] = {}

    def __enter__(self) -> list[int | None]:
        if os.geteuid() != 0 or self.kind == "limits":
            return [None] * self.count
        uids: list[int | None] = []
        for uid in range(FIRST_UID, FIRST_UID + UIDS):
            if len(uids) < self.count and self.claim(uid):
                uids.append(uid)
        if len(uids) < self.count:
            raise NoSandbox(
                f"all {UIDS} user ids for jobs are taken by other graders on this machine"
            )
        return uids

    def claim(self, uid: int) -> bool:
        name = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            name.bind(f"\0parallel-labs-grader-uid-{uid}")
        except OSError:
            name.close()
            return False
        self.claims[uid] = name
        cgroup.make(uid)
        return True

    def __exit__(self, *_: object) -> None:
        for uid, name in self.claims.items():
            cgroup.remove(uid)
            name.close()


# ---- the words ----


def wrap(
    sandbox: Sandbox,
    uid: int | None,
    binds: Sequence[Bind],
    chdir: str,
    env: Mapping[str, str] | None = None,
) -> list[str]:
    """The words before a command that put it into the sandbox; the command becomes process 1 there."""
    words = cgroup.words(uid)
    if uid is not None:
        words += ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--no-new-privs"]
    words += ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--as-pid-1"]
    words += ["--cap-drop", "ALL", "--uid", INSIDE_UID, "--gid", INSIDE_UID, "--hostname", "lab"]
    words += system_words(sandbox)
    for bind in binds:
        words += ["--bind" if bind.writable else "--ro-bind", bind.source, bind.target]
    words += ["--remount-ro", "/", "--chdir", chdir, "--clearenv"]
    for name, value in {**ENVIRONMENT, **(env or {})}.items():
        words += ["--setenv", name, value]
    return [*words, "--"]


def system_words(sandbox: Sandbox) -> list[str]:
    """The parts of the system that every command sees."""
    words = [
        "--ro-bind",
        "/usr",
        "/usr",
        "--ro-bind",
        "/sys",
        "/sys",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
    ]
    words += ["--size", str(SHM_BYTES), "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]
    words += ["--size", str(TMP_BYTES), "--tmpfs", "/tmp"]
    words += ["--size", str(TMP_BYTES), "--tmpfs", "/home", "--dir", "/home/student"]
    for place in SYSTEM_LINKS:
        if os.path.islink(place):
            words += ["--symlink", os.readlink(place), place]
        elif os.path.isdir(place):
            words += ["--ro-bind", place, place]
    words += [
        word for name in SYSTEM_ETC for word in ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")
    ]
    words += [
        word for name in OWN_ETC for word in ("--ro-bind", f"{sandbox.etc}/{name}", f"/etc/{name}")
    ]
    return words


def give(path: Path, uid: int | None) -> None:
    """Hands a folder to the user of a job."""
    if uid is not None:
        os.chown(path, uid, uid)
