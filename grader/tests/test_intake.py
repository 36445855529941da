"""intake.py and archive.py: what is taken from folders and archives, and what never is."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from grader import archive, intake
from grader.course import Lab
from grader.intake import Submission
from grader.tests.helpers import make_lab, open_descriptors, write_tree

LAB = make_lab()
OTHER = make_lab("07-opencl", ("dmv.c", "dmv.cl"))
GOOD = "int pool_map;\n"


def take(group: Path, name: str = "Alice", labs: tuple[Lab, ...] = (LAB,)) -> Submission:
    """The first lab of the one student called name."""
    students = [student for student in intake.survey(group).students if student.name == name]
    assert len(students) == 1
    before = open_descriptors()
    submission = intake.take(group, students[0], labs, group.parent / "copies")[0]
    assert open_descriptors() == before
    return submission


def content(submission: Submission) -> str:
    assert submission.missing == "" and submission.refused == ""
    return (submission.folder / "pool.c").read_text()


def make_zip(file: Path, members: dict[str, str]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as pack:
        for name, text in members.items():
            pack.writestr(name, text)
    return file


def make_tar(file: Path, members: list[tuple[str, str, bytes]], mode: str = "w:gz") -> Path:
    """Members are (name, link target or "", content); a type other than a file comes as "type:target"."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, mode) as pack:
        for name, target, data in members:
            info = tarfile.TarInfo(name)
            kind, _, link = target.partition(":")
            info.type = {
                "sym": tarfile.SYMTYPE,
                "hard": tarfile.LNKTYPE,
                "fifo": tarfile.FIFOTYPE,
            }.get(kind, tarfile.REGTYPE)
            info.linkname = link
            info.size = len(data) if info.type == tarfile.REGTYPE else 0
            pack.addfile(info, io.BytesIO(data))
    return file


# ---- where submissions are found ----


@pytest.mark.parametrize(
    "place", ["Alice/01-pool", "Alice/01", "Alice/1", "Alice/work of Alice/01-pool"]
)
def test_folders(tmp_path: Path, place: str) -> None:
    write_tree(tmp_path / "class", {f"{place}/pool.c": GOOD, f"{place}/main.c": "not taken"})
    submission = take(tmp_path / "class")
    assert content(submission) == GOOD
    assert os.listdir(submission.folder) == ["pool.c"]


@pytest.mark.parametrize("top", ["", "Alice/", "__top__/"])
@pytest.mark.parametrize("lab", ["01-pool", "01", "1"])
def test_zip(tmp_path: Path, top: str, lab: str) -> None:
    members = {f"{top}{lab}/pool.c": GOOD, "__MACOSX/01-pool/._pool.c": "junk", ".DS_Store": "junk"}
    make_zip(tmp_path / "class/Alice.zip", members)
    assert content(take(tmp_path / "class")) == GOOD


@pytest.mark.parametrize(
    ("ending", "mode"),
    [("tar", "w"), ("tar.gz", "w:gz"), ("tgz", "w:gz"), ("tar.bz2", "w:bz2"), ("tar.xz", "w:xz")],
)
def test_tar(tmp_path: Path, ending: str, mode: str) -> None:
    make_tar(
        tmp_path / f"class/Alice.{ending}", [("./top/01-pool/pool.c", "", GOOD.encode())], mode
    )
    assert content(take(tmp_path / "class")) == GOOD


def test_an_archive_in_the_folder_that_a_learning_platform_exports(tmp_path: Path) -> None:
    name = "Jane Doe_123456_assignsubmission_file_"
    make_zip(tmp_path / "class" / name / "my work.zip", {"01-pool/pool.c": GOOD})
    submission = take(tmp_path / "class", name)
    assert content(submission) == GOOD
    assert submission.disk == "Jane%20Doe_123456_assignsubmission_file_"


def test_the_copy_is_a_copy_and_the_hash_is_of_names_and_contents(tmp_path: Path) -> None:
    write_tree(
        tmp_path / "class",
        {"Alice/01/pool.c": GOOD, "Bob/01/pool.c": GOOD, "Carol/01/pool.c": "other"},
    )
    group = intake.survey(tmp_path / "class")
    taken = [intake.take(group.folder, s, [LAB], tmp_path / s.disk)[0] for s in group.students]
    assert taken[0].sha256 == taken[1].sha256 != taken[2].sha256
    assert (taken[0].folder / "pool.c").stat().st_nlink == 1
    assert (taken[0].folder / "pool.c").stat().st_ino != (
        tmp_path / "class/Alice/01/pool.c"
    ).stat().st_ino


def test_all_files_of_a_lab_are_needed(tmp_path: Path) -> None:
    write_tree(tmp_path / "class", {"Alice/07-opencl/dmv.c": "", "Alice/07-opencl/notes.txt": ""})
    submission = take(tmp_path / "class", labs=(OTHER,))
    assert submission.missing == "07-opencl/dmv.cl is missing: the folder has only dmv.c, notes.txt"


def test_a_student_may_be_called_anything(tmp_path: Path) -> None:
    name = b"\xff\n../x"[:3] + b"=cmd"
    (tmp_path / "class").mkdir()
    os.mkdir(os.fsencode(tmp_path / "class") + b"/" + name)
    student = intake.survey(tmp_path / "class").students[0]
    assert student.name == "\\xff\n.=cmd"
    assert student.disk == "%FF%0A.%3Dcmd"


def test_loose_files_are_no_students_and_are_told(tmp_path: Path) -> None:
    write_tree(tmp_path / "class", {"README.txt": "", ".DS_Store": "", "Alice/": ""})
    group = intake.survey(tmp_path / "class")
    assert [student.name for student in group.students] == ["Alice"]
    assert group.warnings == ("not a student's folder or archive, left alone: README.txt",)


# ---- what is refused ----


@pytest.mark.parametrize("second", ["Alice.zip", "Alice.tar.gz"])
def test_the_same_student_twice_is_refused_naming_both(tmp_path: Path, second: str) -> None:
    write_tree(
        tmp_path / "class", {"Alice/01-pool/pool.c": GOOD, second: "", "alice/01/pool.c": GOOD}
    )
    submission = take(tmp_path / "class")
    assert "the same student is there twice: Alice and " + second in submission.refused
    assert content(take(tmp_path / "class", "alice")) == GOOD


def test_two_files_for_one_place_are_refused_naming_both(tmp_path: Path) -> None:
    write_tree(tmp_path / "class", {"Alice/01-pool/pool.c": GOOD, "Alice/01/pool.c": GOOD})
    missing = take(tmp_path / "class").missing
    assert "01-pool/pool.c and 01/pool.c" in missing and "two files for one place" in missing


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_an_archive_repeats_is_refused(tmp_path: Path) -> None:
    (tmp_path / "class").mkdir()
    with zipfile.ZipFile(tmp_path / "class/Alice.zip", "w") as pack:
        pack.writestr("01-pool/pool.c", GOOD)
        pack.writestr("01-pool//pool.c", "other")
    assert "twice in the archive" in take(tmp_path / "class").missing


@pytest.mark.parametrize(
    "name",
    [
        "../01-pool/pool.c",
        "/01-pool/pool.c",
        "01-pool\\pool.c",
        "C:/01-pool/pool.c",
        "01-pool/../01-pool/pool.c",
    ],
)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_no_path_leaves_the_archive(tmp_path: Path, name: str, kind: str) -> None:
    if kind == "zip":
        make_zip(tmp_path / "class/Alice.zip", {name: GOOD})
    else:
        make_tar(tmp_path / "class/Alice.tar", [(name, "", GOOD.encode())], "w")
    submission = take(tmp_path / "class")
    assert "left out" in submission.missing
    assert submission.flags and submission.flags[0].startswith("left out: ")
    assert not (tmp_path / "01-pool").exists()


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("sym:/etc/passwd", "a symbolic link"),
        ("hard:01-pool/other.c", "a hard link"),
        ("fifo:", "a device"),
    ],
)
def test_links_and_devices_in_an_archive_are_refused(
    tmp_path: Path, target: str, what: str
) -> None:
    make_tar(
        tmp_path / "class/Alice.tar.gz",
        [("01-pool/other.c", "", b"x"), ("01-pool/pool.c", target, b"")],
    )
    assert take(tmp_path / "class").missing == f"01-pool/pool.c is {what}, not a regular file"


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "class").mkdir()
    info = zipfile.ZipInfo("01-pool/pool.c")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "class/Alice.zip", "w") as pack:
        pack.writestr(info, "/etc/passwd")
    assert "is a symbolic link" in take(tmp_path / "class").missing


def test_an_encrypted_zip_is_told_so(tmp_path: Path) -> None:
    file = make_zip(tmp_path / "class/Alice.zip", {"01-pool/pool.c": GOOD})
    content = bytearray(file.read_bytes())
    content[6] |= 1  # the flag in the local header ...
    content[content.index(b"PK\1\2") + 8] |= 1  # ... and in the table of contents
    file.write_bytes(content)
    assert "is encrypted; hand in an archive without a password" in take(tmp_path / "class").missing


def test_a_zip_bomb_stops_at_the_limit(tmp_path: Path) -> None:
    make_zip(tmp_path / "class/Alice.zip", {"01-pool/pool.c": "x" * (50 << 20)})
    assert "01-pool/pool.c is larger than 64 KiB" in take(tmp_path / "class").missing


@pytest.mark.parametrize(("ending", "pack"), [("tar.gz", gzip.compress), ("tar.bz2", bz2.compress)])
def test_a_tar_bomb_stops_at_the_limit(
    tmp_path: Path, ending: str, pack: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_UNPACKED", 1 << 20)
    (tmp_path / "class").mkdir()
    assert callable(pack)
    (tmp_path / f"class/Alice.{ending}").write_bytes(pack(bytes(8 << 20)))
    assert "unpacks to more than 1 MiB" in take(tmp_path / "class").missing


def test_a_huge_table_of_contents_is_refused_before_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "class").mkdir()
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 65535, 65535, 100 << 20, 0, 0)
    (tmp_path / "class/Alice.zip").write_bytes(bytes(1000) + end)
    assert "table of contents is too large" in take(tmp_path / "class").missing


def test_a_zip_with_64_bit_sizes_is_read(tmp_path: Path) -> None:
    """As `zip -` writes it, who does not know the sizes when it begins."""
    whole = make_zip(tmp_path / "class/Alice.zip", {"01-pool/pool.c": "int x;"}).read_bytes()
    at = whole.index(b"PK\5\6")
    count, size, offset = struct.unpack_from("<H2I", whole, at + 10)
    record = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, offset)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, at, 1)
    (tmp_path / "class/Alice.zip").write_bytes(whole[:at] + record + locator + whole[at:])
    assert not take(tmp_path / "class").missing


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_MEMBERS", 10)
    make_zip(tmp_path / "class/Alice.zip", {f"{n}.c": "" for n in range(20)})
    assert "more than 10 files" in take(tmp_path / "class").missing


@pytest.mark.parametrize("ending", ["zip", "tar", "tar.gz", "tar.xz", "tar.bz2"])
@pytest.mark.parametrize(
    "content", [b"", b"PK\3\4" + bytes(100), os.urandom(3000), b"\x1f\x8b" + bytes(50)]
)
def test_broken_archives_are_refused_in_words(tmp_path: Path, ending: str, content: bytes) -> None:
    (tmp_path / "class").mkdir()
    (tmp_path / f"class/Alice.{ending}").write_bytes(content)
    submission = take(tmp_path / "class")
    assert submission.missing != ""


@pytest.mark.parametrize("ending", ["zip", "tar.gz", "tar.xz"])
def test_a_truncated_archive_never_gives_half_a_file(tmp_path: Path, ending: str) -> None:
    whole = tmp_path / f"whole.{ending}"
    text = "".join(f"int value_{n};\n" for n in range(2000))
    if ending == "zip":
        make_zip(whole, {"01-pool/pool.c": text})
    else:
        make_tar(whole, [("01-pool/pool.c", "", text.encode())], "w:" + ending.removeprefix("tar."))
    content = whole.read_bytes()
    for part in (10, len(content) // 2, len(content) - 5):
        group = tmp_path / str(part)
        group.mkdir()
        (group / f"Alice.{ending}").write_bytes(content[:part])
        student = intake.survey(group).students[0]
        submission = intake.take(group, student, [LAB], tmp_path / f"copies-{part}")[0]
        assert submission.missing or (submission.folder / "pool.c").read_text() == text


def test_an_archive_of_another_kind_is_told_what_to_hand_in(tmp_path: Path) -> None:
    write_tree(tmp_path / "class", {"Alice.rar": "Rar!"})
    assert "hand in .zip or .tar.gz" in take(tmp_path / "class").missing


def test_archives_in_an_archive_are_not_opened(tmp_path: Path) -> None:
    inner = make_zip(tmp_path / "inner.zip", {"01-pool/pool.c": GOOD})
    (tmp_path / "class").mkdir()
    with zipfile.ZipFile(tmp_path / "class/Alice.zip", "w") as pack:
        pack.write(inner, "inner.zip")
    assert "no folder 01-pool, only inner.zip" in take(tmp_path / "class").missing


# ---- what lies in place of a file ----


def test_what_is_there_instead_of_the_file_is_told(tmp_path: Path) -> None:
    group = write_tree(
        tmp_path / "class",
        {
            "a-case/01-pool/Pool.c": "",
            "b-place/pool.c": "",
            "c-empty/01-pool/": "",
            "d-folder/01-pool/pool.c/": "",
            "e-other/02-views/views.c": "",
            "f-large/01-pool/pool.c": "x" * (65 << 10),
            "g-none/": "",
            "h-link/01-pool/": "",
            "i-labs-link/": "",
            "j-pipe/01-pool/": "",
        },
    )
    (group / "h-link/01-pool/pool.c").symlink_to("/etc/passwd")
    (group / "i-labs-link/01-pool").symlink_to("/etc")
    os.mkfifo(group / "j-pipe/01-pool/pool.c")
    words = {
        "a-case": "there is 01-pool/Pool.c, but the name has to be pool.c",
        "b-place": "a file of that name is at pool.c, it belongs at 01-pool/pool.c",
        "c-empty": "the folder is empty",
        "d-folder": "01-pool/pool.c is a folder, not a regular file",
        "e-other": "there is no folder 01-pool, only 02-views",
        "f-large": "pool.c is larger than 64 KiB",
        "g-none": "nothing is there",
        "h-link": "01-pool/pool.c is a symbolic link, not a regular file",
        "i-labs-link": "01-pool is a symbolic link, not a folder",
        "j-pipe": "01-pool/pool.c is a named pipe, not a regular file",
    }
    for student in intake.survey(group).students:
        submission = intake.take(group, student, [LAB], tmp_path / student.disk)[0]
        assert words.pop(student.name) in submission.missing
        assert not submission.folder.exists()
    assert not words


def test_a_student_who_is_a_link_is_not_followed(tmp_path: Path) -> None:
    write_tree(tmp_path, {"elsewhere/01-pool/pool.c": GOOD, "class/": ""})
    (tmp_path / "class/Alice").symlink_to(tmp_path / "elsewhere")
    assert take(tmp_path / "class").missing != ""


def test_a_file_that_keeps_changing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_tree(tmp_path / "class", {"Alice/01-pool/pool.c": GOOD}) / "Alice/01-pool/pool.c"
    read = archive.read_bounded
    times: list[str] = []

    def meddle(source: io.BytesIO, name: str, limit: int) -> bytes:
        content = read(source, name, limit)
        times.append(name)
        with file.open("a") as growing:
            growing.write("more\n")
        return content

    monkeypatch.setattr(archive, "read_bounded", meddle)
    submission = take(tmp_path / "class")
    assert submission.missing == ""
    assert submission.refused.startswith("pool.c changed while it was read")
    assert len(times) == 3


def test_check_takes_the_lab_folder_itself_a_students_folder_and_an_archive(tmp_path: Path) -> None:
    write_tree(
        tmp_path,
        {
            "solutions/01-pool/pool.c": GOOD,
            "Alice/01/pool.c": GOOD,
            "here/pool.c": GOOD,
            "not/x": "",
        },
    )
    make_zip(tmp_path / "Bob.zip", {"01-pool/pool.c": GOOD})
    for number, place in enumerate(("solutions/01-pool", "Alice", "here", "Bob.zip")):
        assert content(intake.take_one(LAB, tmp_path / place, tmp_path / str(number))) == GOOD
    assert "missing" in intake.take_one(LAB, tmp_path / "not", tmp_path / "9").missing
