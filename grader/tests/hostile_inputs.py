"""Submissions that cannot be kept in a repository: links, devices, pipes, bombs, and archives
with names that climb, clash or are no text. Each is made by a function here.
"""

from __future__ import annotations

import bz2
import gzip
import io
import os
import socket
import struct
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LAB = "01-pool"
FILE = f"{LAB}/pool.c"
MIB = 1 << 20


@dataclass(frozen=True)
class Hostile:
    """One student whose submission is no submission."""

    name: str  # the student's name, as the grader shows it
    make: Callable[[Path], None]  # puts it into the class folder
    status: str  # missing, graded (and worth nothing), or ungradable where a person has to choose
    says: str = ""  # words in the message of the first test


def inputs(solution: bytes) -> list[Hostile]:
    """All of them; solution is a pool.c that would earn full marks."""
    return [
        *in_place_of_the_file(),
        *contents(solution),
        *zips(solution),
        *tars(solution),
        *students(),
    ]


# ---- something else where the file should be ----


def place_of(classroom: Path, student: str, name: str = "pool.c") -> Path:
    folder = classroom / student / LAB
    folder.mkdir(parents=True)
    return folder / name


def in_place_of_the_file() -> list[Hostile]:
    def device(path: Path) -> None:
        if os.geteuid() == 0:
            os.mknod(path, 0o020666, os.makedev(1, 5))  # /dev/zero
        else:
            path.symlink_to("/dev/zero")

    def bound(path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as end:
            here = os.open(path.parent, os.O_RDONLY)
            try:
                end.bind(f"/proc/self/fd/{here}/{path.name}")
            finally:
                os.close(here)

    kinds: dict[str, tuple[Callable[[Path], object], str]] = {
        "pipe": (os.mkfifo, "named pipe"),
        "folder": (Path.mkdir, "folder"),
        "device": (device, "not a regular file"),
        "socket": (bound, "socket"),
        "link": (lambda path: path.symlink_to("/etc/passwd"), "symbolic link"),
        "link-to-nothing": (lambda path: path.symlink_to("/nowhere"), "symbolic link"),
        "link-to-honest": (
            lambda path: path.symlink_to("../../honest.a/01-pool/pool.c"),
            "symbolic link",
        ),
    }

    def maker(name: str, make: Callable[[Path], object]) -> Callable[[Path], None]:
        def put(classroom: Path) -> None:
            make(place_of(classroom, f"place.{name}"))

        return put

    return [
        Hostile(f"place.{name}", maker(name, make), "missing", words)
        for name, (make, words) in kinds.items()
    ]


# ---- a file with odd contents ----


def contents(solution: bytes) -> list[Hostile]:
    odd: dict[str, tuple[bytes, str, str]] = {
        "empty": (b"", "graded", "does not define"),
        "nul-bytes": (b"\0" * 5000, "graded", ""),
        "nul-inside": (solution + b"\0\0int x = ;\n", "graded", ""),
        "binary": (bytes(range(256)) * 400, "graded", ""),
        "elf": (Path("/bin/true").read_bytes(), "graded", ""),
        "utf-16": (solution.decode().encode("utf-16"), "graded", ""),
        "one-long-line": (b"int a" + b"=1,b" * 100_000, "graded", ""),
        "too-large": (solution + b"/" * (50 * MIB), "missing", "larger than"),
        "deep-brackets": (b"int x = " + b"(" * 200_000, "graded", ""),
    }

    def maker(name: str, content: bytes) -> Callable[[Path], None]:
        def put(classroom: Path) -> None:
            place_of(classroom, f"content.{name}").write_bytes(content)

        return put

    def wrong_case(classroom: Path) -> None:
        place_of(classroom, "content.wrong-case", "Pool.C").write_bytes(solution)

    return [
        *(
            Hostile(f"content.{name}", maker(name, content), status, words)
            for name, (content, status, words) in odd.items()
        ),
        Hostile("content.wrong-case", wrong_case, "missing", "the name has to be pool.c"),
    ]


# ---- archives ----


def zip_of(members: list[tuple[str | zipfile.ZipInfo, bytes]]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return content.getvalue()


def link_member(name: str, target: bytes) -> tuple[zipfile.ZipInfo, bytes]:
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o120777 << 16
    return info, target


def encrypted(solution: bytes) -> bytes:
    """A zip whose only member has the flag of an encrypted one, in both of its headers."""
    content = bytearray(zip_of([(FILE, solution)]))
    for mark, flags_at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = content.find(mark) + flags_at
        content[at : at + 2] = struct.pack("<H", struct.unpack("<H", content[at : at + 2])[0] | 1)
    return bytes(content)


def renamed(content: bytes, old: bytes, new: bytes) -> bytes:
    """The archive with another name of the same length in it, which zipfile would not write."""
    assert len(old) == len(new)
    return content.replace(old, new)


def zips(solution: bytes) -> list[Hostile]:
    plain = zip_of([(FILE, solution)])
    made: dict[str, tuple[bytes, str]] = {
        "climbs": (
            zip_of([(f"../honest.a/{FILE}", solution), (f"../../{FILE}", solution)]),
            "leads out",
        ),
        "absolute": (zip_of([("/tmp/attackmark", b"x"), (f"/{FILE}", solution)]), "absolute"),
        "backslashes": (zip_of([(f"..\\..\\{LAB}\\pool.c", solution)]), ""),
        "twice": (zip_of([(FILE, solution), (FILE, b"int x;")]), "more than once"),
        "two-places": (zip_of([(FILE, solution), ("1/pool.c", solution)]), "more than once"),
        "bomb": (zip_of([(FILE, b"/" * (300 * MIB))]), "larger than"),
        "many": (
            zip_of([*((f"{LAB}/{n}", b"") for n in range(20_000)), (FILE, solution)]),
            "more than",
        ),
        "encrypted": (encrypted(solution), "encrypted"),
        "link": (zip_of([link_member(FILE, b"/etc/passwd")]), "symbolic link"),
        "link-folder": (
            zip_of([link_member(LAB, b"../honest.a/01-pool")]),
            "symbolic link",
        ),
        "nul-in-name": (renamed(plain, b"01-pool/pool.c", b"01-pool/pool\0c"), ""),
        "no-text-in-name": (renamed(plain, b"01-pool/pool.c", b"\xff\xfe-pool/pool.c"), ""),
        "cut": (plain[: len(plain) // 2], ""),
        "noise": (os.urandom(10_000), ""),
        "empty": (b"", ""),
        "in-a-zip": (zip_of([(f"{LAB}.zip", plain)]), ""),
        "other-letters": (zip_of([(f"{LAB}/p\u043e\u043el.c", solution)]), "the folder has only"),
        "two-names": (
            renamed(plain[: len(plain) // 2], b"01-pool/pool.c", b"01-pool/loop.c")
            + plain[len(plain) // 2 :],
            "cannot be read",
        ),
        "wrong-sum": (
            plain.replace(struct.pack("<I", zip_crc(plain)), b"\1\2\3\4"),
            "cannot be read",
        ),
    }

    def maker(name: str, content: bytes) -> Callable[[Path], None]:
        def put(classroom: Path) -> None:
            (classroom / f"zip.{name}.zip").write_bytes(content)

        return put

    def pipe(classroom: Path) -> None:
        os.mkfifo(classroom / "zip.pipe.zip")

    def foreign(classroom: Path) -> None:
        (classroom / "zip.foreign.rar").write_bytes(b"Rar!\x1a\x07\x01\x00" + bytes(100))

    return [
        *(
            Hostile(f"zip.{name}", maker(name, content), "missing", words)
            for name, (content, words) in made.items()
        ),
        Hostile("zip.pipe", pipe, "missing", "named pipe"),
        Hostile("zip.foreign", foreign, "missing", "not opened here"),
    ]


def zip_crc(content: bytes) -> int:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.infolist()[0].CRC


def tar_of(members: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return content.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def tars(solution: bytes) -> list[Hostile]:
    made: dict[str, tuple[bytes, str]] = {
        "climbs": (tar_of([(member(f"../../{FILE}"), solution)]), "leads out"),
        "link": (tar_of([(member(FILE, tarfile.SYMTYPE, "/etc/passwd"), b"")]), "symbolic link"),
        "hard-link": (tar_of([(member(FILE, tarfile.LNKTYPE, "/etc/passwd"), b"")]), "hard link"),
        "device": (tar_of([(member(FILE, tarfile.CHRTYPE), b"")]), "device"),
        "link-then-file": (
            tar_of(
                [
                    (member(LAB, tarfile.SYMTYPE, "/tmp"), b""),
                    (member(f"{LAB}/attackmark"), b"x"),
                ]
            ),
            "",
        ),
        "bomb": (tar_of([(member("zeros"), bytes(200 * MIB)), (member(FILE), solution)]), "MiB"),
        "cut": (tar_of([(member(FILE), solution)])[:900], ""),
    }

    made |= costly_tars(solution)

    def maker(name: str, content: bytes) -> Callable[[Path], None]:
        kind = "bz2" if content.startswith(b"BZh") else "gz"

        def put(classroom: Path) -> None:
            (classroom / f"tar.{name}.tar.{kind}").write_bytes(content)

        return put

    return [
        Hostile(f"tar.{name}", maker(name, content), "missing", words)
        for name, (content, words) in made.items()
    ]


def costly_tars(solution: bytes) -> dict[str, tuple[bytes, str]]:
    """Small archives whose reading would take minutes, or gigabytes, with Python's own modules."""

    def block(content: bytes) -> bytes:
        return content + bytes(-len(content) % 512)

    def part(name: str, kind: bytes, content: bytes) -> bytes:
        info = member(name, kind)
        info.size = len(content)
        return info.tobuf(tarfile.USTAR_FORMAT) + block(content)

    def record(key: str, value: str) -> bytes:
        length = len(f" {key}={value}\n")
        digits = len(str(length + len(str(length))))
        return f"{length + digits} {key}={value}\n".encode()

    def packed(*parts: bytes) -> bytes:
        return gzip.compress(b"".join(parts) + bytes(1024), 1)

    plain = part(FILE, tarfile.REGTYPE, solution)
    count = 2_000_000
    sparse = {"major": "1", "minor": "0", "name": FILE, "realsize": "9"}
    facts = b"".join(record(f"GNU.sparse.{key}", value) for key, value in sparse.items())
    places = f"{count}\n".encode() + b"1\n" * (2 * count)
    names = b"".join(record(f"key{n}", "value") for n in range(200_000))
    long = gzip.compress(plain + bytes(1024))
    says = "says too much about its files"
    return {
        "sparse-map": (
            packed(part("x", tarfile.XHDTYPE, facts), part("a", tarfile.REGTYPE, places)),
            says,
        ),
        "many-facts": (packed(part("x", tarfile.XHDTYPE, names), plain), says),
        "many-headers": (
            packed(part("x", tarfile.XHDTYPE, record("a", "b")) * 20_000, plain),
            says,
        ),
        "long-name": (packed(part("x", tarfile.GNUTYPE_LONGNAME, b"a" * (5 * MIB)), plain), says),
        "digits": (
            packed(part("x", tarfile.XHDTYPE, b"1" * (2 * MIB)), plain),
            says,
        ),
        "renamed": (
            packed(part("x", tarfile.XHDTYPE, record("path", f"../../{FILE}")), plain),
            "leads out",
        ),
        "pieces": (gzip.compress(b"") * 200_000, "pieces"),
        "pieces-bz2": (bz2.compress(b"") * 200_000, "pieces"),
        "name-of-the-gz": (
            long[:3] + b"\x08" + long[4:10] + b"n" * (20 * MIB),
            "cannot be decompressed",
        ),
    }


# ---- students with odd names, and a student who is somebody else ----


def students() -> list[Hostile]:
    def folder(name: bytes) -> Callable[[Path], None]:
        def put(classroom: Path) -> None:
            os.makedirs(os.fsencode(classroom) + b"/" + name + b"/" + LAB.encode())

        return put

    def link(classroom: Path) -> None:
        (classroom / "student.link").symlink_to("honest.a")

    def link_to_root(classroom: Path) -> None:
        (classroom / "student.root").symlink_to("/")

    def twice(classroom: Path) -> None:
        (classroom / "student.twice" / LAB).mkdir(parents=True)
        (classroom / "student.twice.zip").write_bytes(zip_of([(FILE, b"int x;")]))

    long = "n" * 255
    names = {
        "=HYPERLINK(1)": b"=HYPERLINK(1)",
        "-rf": b"-rf",
        "grades.csv": b"grades.csv",
        "new\nline": b"new\nline",
        "\\xff\\xfe": b"\xff\xfe",
        "\x1b[2J": b"\x1b[2J",
        "$(touch attackmark)": b"$(touch attackmark)",
        'a","100\n=1+1': b'a","100\n=1+1',
        "\u202egpj.exe": "\u202egpj.exe".encode(),
        "\x85\x9b2J\u2028": "\x85\x9b2J\u2028".encode(),
        "<script>alert(1)<": b"<script>alert(1)<",
        "e\u0301": "e\u0301".encode(),
        "\xe9": "\xe9".encode(),
        long: long.encode(),
    }
    return [
        *(Hostile(shown, folder(name), "missing") for shown, name in names.items()),
        Hostile("student.link", link, "missing"),
        Hostile("student.root", link_to_root, "missing"),
        Hostile("student.twice", twice, "ungradable", "there twice"),
    ]
