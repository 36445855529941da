"""Runs one trusted or sandboxed command: with a time limit, bounded output, and no rest left behind."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

KEPT = 64 << 10  # bytes of output kept: the first and the last half
FLOOD = 64 << 20  # bytes of output after which a command is ended
LOOK = 0.2  # seconds between looks at the stop event
CUT = b"\n[... cut ...]\n"


class Stopped(Exception):
    """The grader is ending (the user pressed Ctrl-C)."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    status: int  # exit status, or minus the signal's number
    seconds: float
    timed_out: bool
    output: str  # stdout and stderr together
    flooded: bool = False  # it wrote more than FLOOD and was ended


def run(
    words: Sequence[str],
    *,
    seconds: float,
    env: Mapping[str, str],
    cwd: Path | None = None,
    stop: Event | None = None,
) -> Outcome:
    """Runs words until they end, or for seconds at most. Raises OSError where they cannot be started."""
    began = time.monotonic()
    child = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(env),
        cwd=cwd,
        start_new_session=True,
    )
    output = bytearray()
    try:
        why = listen(child, output, began + seconds, stop)
    finally:
        end_session(child)
    lasted = time.monotonic() - began
    text = to_text(bytes(output))
    return Outcome(child.returncode, lasted, why == "late", text, why == "flooded")


def listen(
    child: subprocess.Popen[bytes], output: bytearray, deadline: float, stop: Event | None
) -> str:
    """Collects output until the child has "ended", is "late", or has "flooded" us.

    Not until end-of-file: something that the child left behind may hold the pipe open."""
    assert child.stdout is not None
    os.set_blocking(child.stdout.fileno(), False)
    total = 0
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while True:
            ended = child.poll() is not None
            taken = drain(child.stdout.fileno(), output)
            total += taken or 0
            if ended:
                return "ended"
            if time.monotonic() > deadline:
                return "late"
            if total > FLOOD:
                return "flooded"
            if stop is not None and stop.is_set():
                raise Stopped()
            if taken is not None:
                selector.select(min(LOOK, max(deadline - time.monotonic(), 0.01)))
            else:
                time.sleep(0.005)


def drain(fd: int, output: bytearray) -> int | None:
    """Takes what is there, keeping head and tail: so many bytes, or None at the end of the stream."""
    taken = 0
    for _ in range(64):
        try:
            piece = os.read(fd, 1 << 16)
        except BlockingIOError:
            return taken
        if not piece:
            return taken or None
        taken += len(piece)
        output += piece
        if len(output) > 2 * KEPT:
            output[:] = output[: KEPT // 2] + CUT + output[-KEPT // 2 :]
    return taken


def to_text(output: bytes) -> str:
    if len(output) > KEPT + len(CUT):
        output = output[: KEPT // 2] + CUT + output[-KEPT // 2 :]
    return output.decode("utf-8", "replace")


def end_session(child: subprocess.Popen[bytes]) -> None:
    """Ends the child and all of its session; Check gives each test a process group of its own."""
    if child.poll() is None:
        for pid in session_members(child.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
    child.wait()
    if child.stdout is not None:
        child.stdout.close()


def session_members(session: int) -> list[int]:
    members = [session]
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            stat = Path("/proc", name, "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        fields = stat.rpartition(")")[2].split()  # the name before it may hold anything
        if len(fields) > 3 and int(fields[3]) == session:
            members.append(int(name))
    return members
