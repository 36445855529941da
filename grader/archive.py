"""What is in a submission, seen the same way whether it is a folder or an archive.

Nothing here is trusted: no link is followed, no path leaves the submission, nothing is
unpacked, and only what intake asks for is read, in bounded pieces.
"""

from __future__ import annotations

import bz2
import errno
import io
import lzma
import os
import stat
import struct
import tarfile
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Protocol, cast

ARCHIVES = (".zip", ".tar.gz", ".tgz", ".tar", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")
FOREIGN = (".rar", ".7z", ".gz", ".xz", ".bz2", ".zst", ".lz", ".lzma", ".cab", ".iso")

MAX_ARCHIVE = 64 << 20  # bytes of an archive as handed in
MAX_UNPACKED = 128 << 20  # bytes of a tar once decompressed
MAX_DIRECTORY = 4 << 20  # bytes of a zip's table of contents
MAX_STREAMS = 1000  # that a compressed tar may be made of
MAX_HEADER = 64 << 10  # bytes of a tar before the content of one member
MAX_HEADERS = 16 << 20  # and of all of them
MAX_MEMBERS = 10_000
MAX_DEPTH = 6
CHUNK = 64 << 10

JUNK = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")


Reader = Callable[[int], bytes]


# The kernel's clock for files ticks every few ms: two changes in one tick leave the same times. And a write
# leaves the time of its beginning, also where its process is kept from the processor in the middle of it.
# So a file counts as unchanged only where its last change was longer ago than this when it was opened.
SETTLED = 0.1  # seconds


class Refused(Exception):
    """A submission, or a file of it, cannot be taken; the text is for the student."""


class Unsettled(Exception):
    """It cannot be told now what was handed in, which is not the student's fault: a file that is
    being written, a disk that fails."""


# What goes wrong with the machine, or was there a moment ago, rather than with the submission.
MACHINE = (
    errno.ENOENT,
    errno.EIO,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.ENOMEM,
    errno.EMFILE,
    errno.ENFILE,
    errno.ESTALE,
    errno.ETIMEDOUT,
)


def trouble(name: str, error: OSError) -> Refused | Unsettled:
    """What an error in reading something says of it."""
    said = f"{shown(name)} cannot be read: {error.strerror}"
    return Unsettled(said) if error.errno in MACHINE else Refused(said)


@dataclass(frozen=True)
class Entry:
    """One thing in a submission."""

    path: tuple[str, ...]
    kind: str  # "file", "folder", or what it is in words: "a symbolic link" ...
    read: Reader  # the whole content, at most so many bytes; raises Refused


@dataclass(frozen=True)
class Tree:
    """All entries of a submission, and what was left out of it because it was hostile."""

    entries: tuple[Entry, ...]
    left_out: tuple[str, ...]


# ---- names ----


def split_extension(name: str) -> tuple[str, str]:
    """("Alice", ".tar.gz") of "Alice.tar.gz"; the extension is "" where there is none of an archive."""
    for extension in sorted(ARCHIVES + FOREIGN, key=len, reverse=True):
        if name.lower().endswith(extension) and len(name) > len(extension):
            return name[: -len(extension)], name[-len(extension) :].lower()
    return name, ""


def safe_path(name: str) -> tuple[str, ...]:
    """A member's name as path components; Refused if it could lead out of the submission."""
    if name.startswith("/") or name[1:2] == ":":
        raise Refused(f"{shown(name)}: an absolute path")
    if "\\" in name:
        raise Refused(
            f"{shown(name)}: a path with backslashes; make the archive with forward slashes"
        )
    if "\0" in name:
        raise Refused(f"{shown(name)}: a path with a NUL in it")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts:
        raise Refused(f"{shown(name)}: a path that leads out of the archive")
    return parts


def shown(name: str) -> str:
    """A hostile name, short and printable."""
    printable = ascii(name)[1:-1]
    return printable if len(printable) <= 120 else printable[:100] + "..."


def is_junk(path: tuple[str, ...]) -> bool:
    return any(part in JUNK or part.startswith("._") for part in path)


# ---- reading one file, bounded ----


def size_in_words(size: int) -> str:
    return f"{size >> 20} MiB" if size % (1 << 20) == 0 else f"{size >> 10} KiB"


def read_bounded(file: IO[bytes], name: str, limit: int) -> bytes:
    """Everything in file, or Refused if that is more than limit bytes."""
    content = bytearray()
    while chunk := file.read(CHUNK):
        content += chunk
        if len(content) > limit:
            raise Refused(f"{shown(name)} is larger than {size_in_words(limit)}")
    return bytes(content)


def describe(mode: int) -> str:
    """What something on disk is, in words."""
    kinds = {
        stat.S_IFREG: "file",
        stat.S_IFDIR: "folder",
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "not a file")


def read_file(folder: int, name: str, limit: int) -> bytes:
    """Reads a regular file of an open folder without following a link or blocking on a pipe.

    A file that changes meanwhile is read again, a little later, and in the end Unsettled."""
    for pause in (0.0, SETTLED, SETTLED):
        time.sleep(pause)
        try:
            fd = os.open(
                name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder
            )
        except OSError as error:
            raise trouble(name, error) from error
        with os.fdopen(fd, "rb") as file:
            before, now = os.fstat(fd), time.time()
            if not stat.S_ISREG(before.st_mode):
                raise Refused(
                    f"{shown(name)} is {with_article(describe(before.st_mode))}, not a regular file"
                )
            content = read_bounded(file, name, limit)
            after = os.fstat(fd)
        settled = abs(now - before.st_ctime) > SETTLED
        if settled and unchanged(before, after) and len(content) == after.st_size:
            return content
    raise Unsettled(f"{shown(name)} changed while it was read; grade it again when it is at rest")


def with_article(kind: str) -> str:
    return f"a {kind}" if kind in ("file", "folder") else kind


def unchanged(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_size, before.st_mtime_ns, before.st_ctime_ns) == (
        after.st_size,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )


# ---- folders ----


@contextmanager
def open_folder(path: str, folder: int | None = None) -> Iterator[int]:
    """An open folder; a link in its place is refused."""
    try:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(path, flags, dir_fd=folder)
    except OSError as error:
        raise trouble(path, error) from error
    try:
        yield fd
    finally:
        os.close(fd)


def folder_tree(path: str) -> Tree:
    """What lies in a folder, down to MAX_DEPTH."""
    entries: list[Entry] = []
    left_out: list[str] = []
    pending: list[tuple[str, ...]] = [()]
    while pending:
        here = pending.pop()
        for name, kind in list_folder(path, here):
            place = (*here, name)
            entries.append(Entry(place, kind, folder_reader(path, place)))
            if len(entries) > MAX_MEMBERS:
                raise Refused(f"more than {MAX_MEMBERS} files and folders")
            if kind == "folder" and len(place) < MAX_DEPTH and not is_junk(place):
                pending.append(place)
    return Tree(tuple(entries), tuple(left_out))


def list_folder(top: str, place: tuple[str, ...]) -> list[tuple[str, str]]:
    """(name, kind) of what lies in top/place, sorted; nothing where it cannot be opened any more."""
    found: list[tuple[str, str]] = []
    try:
        with descend(top, place) as fd, os.scandir(fd) as scan:
            for item in scan:
                found.append((item.name, kind_of(item)))
                if len(found) > MAX_MEMBERS:
                    break
    except (OSError, Refused) as error:
        if isinstance(error, OSError) and error.errno in MACHINE:
            raise trouble("/".join(place) or "the folder", error) from error
        if not place:
            raise Refused("the folder cannot be read") from None
    return sorted(found)


def kind_of(item: os.DirEntry[str]) -> str:
    try:
        return describe(item.stat(follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return "gone by now"


@contextmanager
def descend(top: str, place: tuple[str, ...]) -> Iterator[int]:
    """The open folder top/place, reached without following a link below top."""
    with open_folder(top) as fd:
        if not place:
            yield fd
            return
        inner = os.open(
            place[0], os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd
        )
        for name in place[1:]:
            try:
                deeper = os.open(
                    name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=inner
                )
            finally:
                os.close(inner)
            inner = deeper
        try:
            yield inner
        finally:
            os.close(inner)


def folder_reader(top: str, place: tuple[str, ...]) -> Reader:
    def read(limit: int) -> bytes:
        try:
            with descend(top, place[:-1]) as fd:
                return read_file(fd, place[-1], limit)
        except OSError as error:
            raise trouble("/".join(place), error) from error

    return read


# ---- archives ----


@contextmanager
def archive_tree(folder: int, name: str) -> Iterator[Tree]:
    """What is in the archive called name in an open folder; its entries can be read inside the with."""
    extension = split_extension(name)[1]
    if extension in FOREIGN:
        raise Refused(
            f"{shown(name)}: this kind of archive is not opened here; hand in .zip or .tar.gz"
        )
    content = io.BytesIO(read_file(folder, name, MAX_ARCHIVE))
    try:
        if extension == ".zip":
            yield zip_tree(content)
        else:
            with unpacked(content, extension) as tar:
                yield tar_tree(tar)
    except Refused as error:
        raise Refused(f"{shown(name)}: {error}") from error


def collect(members: Iterator[tuple[str, str, Reader]]) -> Tree:
    """(name, kind, reader) of each member as a Tree, without those whose path leads out."""
    entries: list[Entry] = []
    left_out: list[str] = []
    for count, (name, kind, read) in enumerate(members):
        if count >= MAX_MEMBERS:
            raise Refused(f"it holds more than {MAX_MEMBERS} files")
        try:
            path = safe_path(name)
        except Refused as error:
            left_out.append(str(error))
            continue
        if path and not is_junk(path):
            entries.append(Entry(path, kind, read))
    return Tree(tuple(entries), tuple(left_out[:20]))


def zip_tree(content: io.BytesIO) -> Tree:
    check_zip_size(content.getbuffer())
    try:
        archive = zipfile.ZipFile(content)
    except Exception as error:  # zipfile raises whatever the bytes lead it to
        raise Refused(f"it cannot be read as a zip archive ({error})") from error
    return collect(zip_member(archive, info) for info in archive.infolist())


def check_zip_size(content: memoryview) -> None:
    """Refuses a table of contents that would fill the memory before zipfile has read it.

    zipfile takes the end record at the very end, or else the last in the tail, so look at both."""
    tail = bytes(content[-(65557 + 76) :])
    for at in (len(tail) - 22, tail.rfind(b"PK\5\6")):
        if at < 0 or tail[at : at + 4] != b"PK\5\6" or at + 22 > len(tail):
            continue
        (size,) = struct.unpack_from("<I", tail, at + 12)
        large = tail[max(at - 76, 0) : at]  # what stands there where sizes may need 64 bits
        if large[56:].startswith(b"PK\6\7") and large.startswith(b"PK\6\6"):
            (size,) = struct.unpack_from("<Q", large, 40)
        if size > MAX_DIRECTORY:
            raise Refused("its table of contents is too large")


def zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[str, str, Reader]:
    # orig_filename is what stands in the archive; zipfile cuts filename at a NUL.
    mode = info.external_attr >> 16
    kind = describe(mode) if stat.S_IFMT(mode) else "file"
    if info.is_dir():
        kind = "folder"

    def read(limit: int) -> bytes:
        name = info.filename
        if info.flag_bits & 1:
            raise Refused(f"{shown(name)} is encrypted; hand in an archive without a password")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Refused(
                f"{shown(name)} is compressed in a way that is not opened here; use plain zip"
            )
        return reading(name, limit, lambda: archive.open(info))

    return info.orig_filename, kind, read


def reading(name: str, limit: int, opener: Callable[[], IO[bytes] | None]) -> bytes:
    """Reads a member; whatever hostile bytes make the archive module raise becomes Refused."""
    try:
        file = opener()
        if file is None:
            raise Refused(f"{shown(name)} is not a regular file")
        with file:
            return read_bounded(file, name, limit)
    except Refused:
        raise
    except Exception as error:
        raise Refused(f"{shown(name)} cannot be read from the archive: {error}") from error


@contextmanager
def unpacked(content: io.BytesIO, extension: str) -> Iterator[IO[bytes]]:
    """The decompressed tar in a temporary file, so that a bomb fills neither memory nor disk."""
    with tempfile.TemporaryFile() as spool:
        total = 0
        for chunk in decompressed(content, extension):
            total += len(chunk)
            if total > MAX_UNPACKED:
                raise Refused(f"it unpacks to more than {MAX_UNPACKED >> 20} MiB")
            spool.write(chunk)
        spool.seek(0)
        yield spool


def decompressed(content: io.BytesIO, extension: str) -> Iterator[bytes]:
    try:
        if extension.endswith("gz"):
            yield from inflated(content)
        elif extension.endswith("xz"):
            yield from expanded(content, lambda: lzma.LZMADecompressor(memlimit=MAX_UNPACKED))
        elif extension.endswith("bz2"):
            yield from expanded(content, lambda: bz2.BZ2Decompressor())
        else:
            while chunk := content.read(CHUNK):
                yield chunk
    except (OSError, EOFError, ValueError, lzma.LZMAError) as error:
        raise Refused(f"it cannot be decompressed ({error})") from error
    except Exception as error:  # zlib.error and what else hostile bytes lead to
        if isinstance(error, Refused):
            raise
        raise Refused(f"it cannot be decompressed ({error})") from error


Machine = bz2.BZ2Decompressor | lzma.LZMADecompressor


def expanded(content: io.BytesIO, make: Callable[[], Machine]) -> Iterator[bytes]:
    """What one stream of bz2 or xz after the other holds, as parallel compressors write them."""
    rest = content.read(CHUNK)
    for _ in range(MAX_STREAMS):
        machine = make()
        while not machine.eof:
            if machine.needs_input and not rest:
                raise EOFError("it ends too early")
            yield machine.decompress(rest if machine.needs_input else b"", CHUNK)
            rest = content.read(CHUNK) if machine.needs_input and not machine.eof else b""
        rest = (machine.unused_data or content.read(CHUNK)).lstrip(b"\0") or content.read(CHUNK)
        if not rest:
            return
    raise Refused(f"it is compressed in more than {MAX_STREAMS} pieces")


def inflated(content: io.BytesIO) -> Iterator[bytes]:
    """The same for gzip. Not with its own module, whose headers are read byte by byte."""
    rest = content.read(CHUNK)
    for _ in range(MAX_STREAMS):
        machine = zlib.decompressobj(zlib.MAX_WBITS | 16)
        while not machine.eof:
            if not rest:
                raise EOFError("it ends too early")
            yield machine.decompress(rest, CHUNK)
            rest = machine.unconsumed_tail or machine.unused_data or content.read(CHUNK)
        rest = rest.lstrip(b"\0") or content.read(CHUNK)
        if not rest:
            return
    raise Refused(f"it is compressed in more than {MAX_STREAMS} pieces")


class Metered:
    """A tar that gives only so many bytes to whoever looks for its next member.

    Names of any length, sparse maps and the like stand before a member, and tarfile reads all of it:
    a small archive could keep the grader busy for minutes and fill its memory."""

    def __init__(self, spool: IO[bytes]) -> None:
        self.spool = spool
        self.left, self.total = MAX_HEADER, MAX_HEADERS

    def read(self, size: int = -1) -> bytes:
        data = self.spool.read(size if 0 <= size <= self.left else self.left + 1)
        self.left -= len(data)
        self.total -= len(data)
        if self.left < 0 or self.total < 0:
            raise Refused("it says too much about its files; hand in plain files, with short names")
        return data

    def seek(self, place: int, whence: int = 0) -> int:
        return self.spool.seek(place, whence)

    def tell(self) -> int:
        return self.spool.tell()


def tar_tree(spool: IO[bytes]) -> Tree:
    metered = Metered(spool)
    try:
        archive = tarfile.open(fileobj=cast(IO[bytes], metered), mode="r:")
        return collect(tar_members(archive, metered))
    except Refused:
        raise
    except Exception as error:  # tarfile raises whatever the bytes lead it to
        raise Refused(f"it cannot be read as a tar archive ({error})") from error


def tar_members(archive: tarfile.TarFile, metered: Metered) -> Iterator[tuple[str, str, Reader]]:
    while True:
        metered.left = MAX_HEADER
        if (info := archive.next()) is None:
            return
        yield info.name, tar_kind(info), tar_reader(archive, metered, info)


def tar_kind(info: tarfile.TarInfo) -> str:
    if info.isreg() and not info.issparse():
        return "file"
    if info.isdir():
        return "folder"
    if info.issym():
        return "a symbolic link"
    if info.islnk():
        return "a hard link"
    return "a device" if info.isdev() else "not a regular file"


def tar_reader(archive: tarfile.TarFile, metered: Metered, info: tarfile.TarInfo) -> Reader:
    def read(limit: int) -> bytes:
        metered.left = metered.total = limit + CHUNK
        return reading(info.name, limit, lambda: archive.extractfile(info))

    return read
