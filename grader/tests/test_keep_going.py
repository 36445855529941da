"""The grader goes on: killed, without room, without the right to write, beside another, with broken parts.

What has to hold after each of these: a result is there whole or not at all, the next run takes up
the rest, what was graded is not graded again, and nothing stays behind.
"""

from __future__ import annotations

import errno
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from grader import archive, build, check, intake, pipeline, report, screen
from grader.course import Limits, default_root
from grader.tests.helpers import make_lab, write_tree
from grader.tests.test_grade import COMPILES_NOT, DEFINES_NOTHING, LAB, run_grade, sandbox_kind

ROOT = default_root()
SKELETON = (ROOT / "labs" / LAB / "pool.c").read_text()
SOLUTION = (ROOT / "solutions" / LAB / "pool.c").read_text()
HANGS = DEFINES_NOTHING + (
    '#include "pool.h"\n#include <unistd.h>\n'
    "struct pool *pool_create(int n) { (void)n; if (fork() == 0) setsid(); for (;;) sleep(1); }\n"
    "int pool_map(struct pool *p, task_fn t, const void *in, size_t is, void *out, size_t os,\n"
    "             size_t n, size_t c)\n"
    "{ (void)p; (void)t; (void)in; (void)is; (void)out; (void)os; (void)n; (void)c; return 0; }\n"
    "int pool_destroy(struct pool *p) { (void)p; return 0; }\n"
)
IS_ROOT = os.geteuid() == 0


@dataclass(frozen=True)
class Place:
    """A class, where its results go, and a temporary folder that only our graders use."""

    top: Path
    group: Path
    out: Path
    tmp: Path
    words: tuple[str, ...]  # the grader's command line


@pytest.fixture
def place() -> Iterator[Place]:
    """Below /tmp itself: pytest's own folders are closed to other users."""
    top = Path(tempfile.mkdtemp(prefix="keep-going-", dir="/tmp"))
    top.chmod(0o755)
    kind = sandbox_kind(top / "probe")
    group, out, tmp = top / "class", top / "results", top / "tmp"
    group.mkdir()
    tmp.mkdir()
    words = [sys.executable, "-m", "grader", "grade", str(group), "--out", str(out)]
    words += ["--labs", "1", "--jobs", "2", *(["--sandbox", "limits"] if kind == "limits" else [])]
    yield Place(top, group, out, tmp, tuple(words))
    shutil.rmtree(top)


def some_students(place: Place) -> None:
    """Six that are graded in a moment."""
    sources = [COMPILES_NOT, DEFINES_NOTHING, SKELETON, COMPILES_NOT, SKELETON]
    files = {f"S{n}/{LAB}/pool.c": f"{text}/* {n} */\n" for n, text in enumerate(sources)}
    write_tree(place.group, {**files, f"S5/{LAB}/": ""})


def start(place: Place, before: Sequence[str] = (), **more: Any) -> subprocess.Popen[str]:
    env = {**os.environ, "TMPDIR": str(place.tmp), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen(
        [*before, *place.words],
        cwd=more.pop("cwd", ROOT),
        env={**env, **more.pop("env", {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **more,
    )


def finish(place: Place, before: Sequence[str] = (), **more: Any) -> tuple[int, str]:
    grader = start(place, before, **more)
    said = grader.communicate(timeout=120)[0]
    return grader.returncode, said


def marks(out: Path) -> dict[str, tuple[str, float | None]]:
    """Status and score of every result; one that is not whole fails here."""
    found = {}
    for file in out.glob("*/*.json"):
        result = report.read_result(file)
        assert result is not None, f"{file} is not whole: {file.read_bytes()!r}"
        assert result.student == file.parent.name
        found[result.student] = (result.status, result.score)
    return found


def identities(out: Path) -> dict[str, tuple[int, int]]:
    """What changes when a result is written again."""
    return {
        file.parent.name: (file.stat().st_ino, file.stat().st_mtime_ns)
        for file in out.glob("*/*.json")
    }


def holders(place: Place) -> list[str]:
    """The processes (other than ours) that mention the place: in their words, folder or mounts."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "mountinfo", "environ"):
            try:
                if place.top.name.encode() in (process / name).read_bytes():
                    found.append(f"{process.name} {(process / 'cmdline').read_bytes()!r}")
                    break
            except OSError:
                continue
    return found


def is_probe(file: Path) -> bool:
    """Python's tempfile tries a folder out with a file of such a name, which stays if it is killed in between."""
    return (
        re.fullmatch("[a-z0-9_]{8}", file.name) is not None
        and file.is_file()
        and file.stat().st_size <= 4
    )


def nothing_is_left(place: Place) -> None:
    assert wait_for(lambda: not holders(place)), holders(place)
    rest = [
        file.name for file in place.tmp.iterdir() if "turns" not in file.name and not is_probe(file)
    ]
    assert rest == [], "temporary folders are left"
    assert not list(place.out.glob("**/.tmp-*"))


def wait_for(true: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


# ---- killed ----


@pytest.fixture(scope="module")
def usual_seconds() -> float:
    """How long the grader takes for the six on this machine, now."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "grader", "list"], cwd=ROOT, stdout=subprocess.DEVNULL)
    return 1.0 + 2 * (time.monotonic() - began)


OFTEN = [0, *(pytest.param(number, marks=pytest.mark.long) for number in range(1, 5))]


@pytest.mark.parametrize("number", OFTEN)
def test_killed_again_and_again_it_grades_everything_once(
    place: Place, number: int, usual_seconds: float
) -> None:
    some_students(place)
    moments = random.Random(f"{os.getpid()} {number}")
    done: dict[str, tuple[int, int]] = {}
    for attempt in range(40):
        grader = start(place)
        ended = wait_for(
            lambda: grader.poll() is not None,
            moments.uniform(0.1, usual_seconds * (1 + attempt / 8)),
        )
        if ended:
            break
        grader.send_signal(signal.SIGKILL)
        grader.communicate()
        marks(place.out)
        now = identities(place.out)
        assert {name: now.get(name) for name in done} == done, f"graded twice or lost ({attempt})"
        done = now
    said = grader.communicate()[0] if ended else finish(place)[1]
    assert f"{6 - len(done)} graded now, {len(done)} unchanged" in said, said
    assert marks(place.out) == {
        **{f"S{n}": ("graded", 0) for n in range(5)},
        "S5": ("missing", 0),
    }
    assert {name: identities(place.out)[name] for name in done} == done
    assert (place.out / "grades.csv").read_text().count("\n") == 7
    nothing_is_left(place)


def test_killed_while_a_students_program_hangs_nothing_of_that_runs_on(place: Place) -> None:
    write_tree(place.group, {f"S/{LAB}/pool.c": HANGS})
    grader = start(place)
    runs = [b"/plain/pool\0", b"reaper"]
    try:
        assert wait_for(lambda: all(any_process(place, words) for words in runs), 60)
        assert not list(place.out.glob("*/*.json"))
    finally:
        grader.kill()
        grader.communicate()
    assert wait_for(lambda: not holders(place)), holders(place)
    write_tree(place.group, {f"S/{LAB}/pool.c": COMPILES_NOT})
    assert finish(place)[0] == 0
    assert marks(place.out) == {"S": ("graded", 0)}
    nothing_is_left(place)


def any_process(place: Place, words: bytes) -> bool:
    return any(words in line.encode() or words in eval_words(line) for line in holders(place))


def eval_words(line: str) -> bytes:
    """The command line in a line of holders, as it was."""
    return line.partition(" ")[2][2:-1].encode().replace(b"\\x00", b"\0")


def test_a_compiler_that_is_killed_leaves_no_half_object_for_the_next_run(place: Place) -> None:
    """Ctrl-C while our own parts are built must not spoil build/ for ever."""
    words = ["make", "-s", "-C", str(ROOT / "labs" / LAB), f"LAB={LAB}", f"BUILD={place.top}/build"]
    words += [f"PYTHON={sys.executable}", "-j2", "given", "suite"]
    for moment in (0.3, 0.6, 1.0):
        making = subprocess.Popen(words, start_new_session=True, stderr=subprocess.DEVNULL)
        time.sleep(moment)
        os.killpg(making.pid, signal.SIGKILL)
        making.wait()
    subprocess.run(words, check=True)
    suite = place.top / "build" / "suites" / "check_pool"
    assert subprocess.run([suite, "--list"], stdout=subprocess.DEVNULL).returncode == 0


# ---- no room, no right to write ----

needs_mounts = pytest.mark.skipif(
    not IS_ROOT
    or subprocess.run(
        ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], stderr=subprocess.DEVNULL
    ).returncode
    != 0,
    reason="only root, with the right to mount, can make a small or read-only file system",
)


def small_disk(folder: Path, size: str) -> list[str]:
    """The words before a command that put a disk of that size at folder, for that command only."""
    script = f'mount -t tmpfs -o size={size},mode=755 none "$0" && exec "$@"'
    return ["unshare", "-m", "sh", "-c", script, str(folder)]


def full_disk(folder: Path) -> list[str]:
    script = 'mount -t tmpfs -o size=64k none "$0" && head -c 64k /dev/zero >"$0/rest" && exec "$@"'
    return ["unshare", "-m", "sh", "-c", script, str(folder)]


def read_only(folder: Path) -> list[str]:
    script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    return ["unshare", "-m", "sh", "-c", script, str(folder)]


@needs_mounts
def test_a_disk_that_gets_full_is_told_and_the_rest_is_graded_when_there_is_room(
    place: Place,
) -> None:
    some_students(place)
    place.out.mkdir()
    for part in ("first", "second"):
        (place.top / part).mkdir()
    grader = 'grader() { "$@"; echo "status $?"; }; out=$0; top=${0%/*}; '
    script = grader + (
        'mount -t tmpfs -o size=40k none "$out"; grader "$@"; cp -a "$out/." "$top/first"; '
        'mount -o remount,size=4m "$out"; grader "$@"; cp -a "$out/." "$top/second"'
    )
    status, said = finish(place, ["unshare", "-m", "sh", "-c", script, str(place.out)])
    assert status == 0
    assert "status 2" in said, said
    first, second = said.split("status 2\n")
    assert f"results cannot be written to {place.out}: No space left on device" in first
    assert "Make room" in first and "Traceback" not in first
    before, after = place.top / "first", place.top / "second"
    assert 1 <= len(marks(before)) < 6 and not list(before.glob("**/.tmp-*"))
    assert "status 0" in second and len(marks(after)) == 6
    assert f"{6 - len(marks(before))} graded now, {len(marks(before))} unchanged" in second
    kept = {name: then[1] for name, then in identities(before).items()}
    assert {name: identities(after)[name][1] for name in kept} == kept
    nothing_is_left(place)


@needs_mounts
def test_a_disk_that_is_full_is_told_before_anything_is_graded(place: Place) -> None:
    some_students(place)
    place.out.mkdir()
    status, said = finish(place, full_disk(place.out))
    assert status == 2 and said.count("\n") == 1
    assert f"results cannot be written to {place.out}: No space left on device" in said


@needs_mounts
@pytest.mark.parametrize("size", ["256k", "3m", "8m", "24m"])
def test_a_full_temporary_folder_takes_no_marks(place: Place, size: str) -> None:
    write_tree(place.group, {f"S/{LAB}/pool.c": SOLUTION})
    status, said = finish(place, small_disk(place.tmp, size))
    assert status in (1, 2) and "Traceback" not in said
    assert marks(place.out) in ({}, {"S": ("ungradable", None)}), said
    assert str(place.tmp) in said or "room" in (place.out / f"S/{LAB}.log").read_text()


@needs_mounts
def test_results_that_cannot_be_written_are_told_first(place: Place) -> None:
    some_students(place)
    place.out.mkdir()
    status, said = finish(place, read_only(place.out))
    assert status == 2 and said.count("\n") == 1
    assert f"results cannot be written to {place.out}: Read-only file system" in said
    assert "--out" in said
    assert list(place.out.iterdir()) == []


@needs_mounts
def test_submissions_and_course_may_be_read_only(place: Place) -> None:
    some_students(place)
    before = {file: file.stat().st_mtime_ns for file in place.group.rglob("*")}
    status, said = finish(place, [*read_only(place.group), *read_only(ROOT)])
    assert status == 0, said
    assert len(marks(place.out)) == 6
    assert before == {file: file.stat().st_mtime_ns for file in place.group.rglob("*")}
    nothing_is_left(place)


@pytest.mark.skipif(not IS_ROOT, reason="only root can become another user")
def test_an_ordinary_user_grades_with_a_course_that_is_not_his(place: Place) -> None:
    some_students(place)
    course = place.top / "course"
    for part in ("common", "labs", "solutions", "tools"):
        shutil.copytree(ROOT / part, course / part)
    left_out = shutil.ignore_patterns("tests", "examples", "__pycache__")
    shutil.copytree(ROOT / "grader", course / "grader", ignore=left_out)
    for folder in (place.tmp, place.top):
        os.chown(folder, 54321, 54321)
    who = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", "env", "-u", "HOME"]
    status, said = finish(place, who, cwd=course)
    if "user namespaces" in said:
        pytest.skip(said.strip())
    assert status == 0, said
    assert set(marks(place.out).values()) == {("graded", 0), ("missing", 0)}
    assert (place.out / "grades.csv").stat().st_uid == 54321
    assert not (course / "build").exists()
    nothing_is_left(place)


# ---- side by side, and while things change ----


def test_two_graders_on_one_folder_share_the_work(place: Place) -> None:
    some_students(place)
    graders = [start(place) for _ in range(2)]
    said = [grader.communicate(timeout=120)[0] for grader in graders]
    assert [grader.returncode for grader in graders] == [0, 0], said
    counts = [re.search(r"(\d+) graded now, (\d+) unchanged", text) for text in said]
    assert sorted(found.groups() for found in counts if found) == [("0", "6"), ("6", "0")]
    assert "another grader writes to" in "".join(said)
    assert len(marks(place.out)) == 6
    nothing_is_left(place)


@dataclass(frozen=True)
class Editing:
    """A thread that writes now one text, now the other, into the same file, with rests between: short ones for a
    second, then one that is long enough to read it."""

    file: Path
    texts: tuple[bytes, bytes]
    stop: threading.Event

    def run(self) -> None:
        moments = random.Random(7)
        fd = os.open(self.file, os.O_WRONLY)
        for turn in range(1, 1 << 30):
            for write in range(moments.randrange(1, 40)):
                os.pwrite(fd, self.texts[(turn + write) % 2], 0)
            if self.stop.wait(0.8 if turn % 25 == 0 else moments.choice((0, 0.001, 0.05, 0.1))):
                break
        os.close(fd)


def test_a_file_that_is_rewritten_is_taken_whole_or_not_at_all(tmp_path: Path) -> None:
    texts = (b"a" * 500_000, b"b" * 500_000)
    file = write_tree(tmp_path, {f"class/S/{LAB}/pool.c": texts[0].decode()})
    file = file / f"class/S/{LAB}/pool.c"
    editing = Editing(file, texts, threading.Event())
    thread = threading.Thread(target=editing.run)
    thread.start()
    taken, refused = 0, 0
    try:
        student = intake.survey(tmp_path / "class").students[0]
        end = time.monotonic() + 5
        while time.monotonic() < end:
            into = tmp_path / f"{taken + refused}"
            submission = intake.take(
                tmp_path / "class", student, [make_lab(limits=Limits())], into
            )[0]
            assert submission.missing == ""
            if submission.refused:
                refused += 1
                assert "changed while it was read" in submission.refused
            else:
                taken += 1
                assert (submission.folder / "pool.c").read_bytes() in texts
                shutil.rmtree(into)
    finally:
        editing.stop.set()
        thread.join()
    assert taken > 0 and refused > 0


def test_files_that_come_and_go_stop_nothing(tmp_path: Path) -> None:
    group = write_tree(tmp_path / "class", {f"S/{LAB}/pool.c": "", f"T/{LAB}/pool.c": COMPILES_NOT})
    stop = threading.Event()
    thread = threading.Thread(target=come_and_go, args=(group / "S", stop))
    thread.start()
    try:
        for n in range(3):
            status, _ = run_grade(group, tmp_path / f"results{n}")
            found = marks(tmp_path / f"results{n}")
            assert found["T"] == ("graded", 0)
            assert found.get("S", ("gone", 0))[0] in ("graded", "missing", "ungradable", "gone")
            assert status == (1 if found.get("S", ("", 0))[1] is None else 0)
    finally:
        stop.set()
        thread.join()


def come_and_go(student: Path, stop: threading.Event) -> None:
    turn = 0
    while not stop.is_set():
        turn += 1
        folder = student / LAB
        shutil.rmtree(student, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("pool.c", *(f"{turn}-{n}" for n in range(20))):
            (folder / name).write_text(COMPILES_NOT)


def test_a_disk_that_cannot_be_read_is_not_the_students_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = write_tree(tmp_path / "class", {f"S/{LAB}/pool.c": COMPILES_NOT})

    def fails(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(archive, "read_bounded", fails)
    assert run_grade(group, tmp_path / "results")[0] == 1
    assert marks(tmp_path / "results") == {"S": ("ungradable", None)}
    monkeypatch.undo()
    assert run_grade(group, tmp_path / "results")[0] == 0


# ---- broken parts ----


@pytest.mark.parametrize(
    ("module", "name", "error"),
    [
        (intake, "take", RecursionError("too deep")),
        (build, "compile_objects", MemoryError("no memory")),
        (screen, "screen", KeyError("a symbol")),
        (pipeline, "check", RuntimeError("out of luck")),
        (pipeline, "make_folders", OSError(errno.EMFILE, "Too many open files")),
        (check, "read_log", UnicodeError("no text")),
        (report, "to_json", ValueError("no number")),
    ],
)
def test_an_error_in_any_stage_costs_one_submission_nothing_and_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, error: Exception
) -> None:
    files = {f"{student}/{LAB}/pool.c": f"{SKELETON}/* {student} */" for student in "ABC"}
    group, out = write_tree(tmp_path / "class", files), tmp_path / "results"
    real, calls = getattr(module, name), iter(range(1000))

    def fails(*words: Any, **more: Any) -> Any:
        if next(calls) == 1:
            raise error
        return real(*words, **more)

    monkeypatch.setattr(module, name, fails)
    status, said = run_grade(group, out)
    found = marks(out)
    assert status == 1, said
    assert sorted(found.values(), key=str) == [("graded", 0), ("graded", 0), ("ungradable", None)]
    failed = next(student for student, (status, _) in found.items() if status == "ungradable")
    assert "Traceback" in (out / failed / f"{LAB}.log").read_text()
    assert json.loads((out / failed / f"{LAB}.json").read_text())["score"] is None

    before = identities(out)
    monkeypatch.undo()
    assert run_grade(group, out)[0] == 0
    after = identities(out)
    assert {student for student in before if before[student] != after[student]} == {failed}
    assert not (out / failed / f"{LAB}.log").exists()
