"""The commands that come before the grader: tools/setup, tools/find-python and the root Makefile.

Nothing is installed: dpkg-query, apt-get and id are invented commands, first on PATH.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent.parent
SETUP = REPO / "tools/setup"
FIND_PYTHON = REPO / "tools/find-python"


@pytest.fixture
def bin_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


def script(folder: Path, name: str, text: str) -> None:
    file = folder / name
    file.write_text("#!/bin/sh\n" + text)
    file.chmod(0o755)


def run(words: list[str | Path], bin_folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    settings = {
        **os.environ,
        "PATH": f"{bin_folder}:/usr/bin:/bin",
        "TMPDIR": str(bin_folder.parent),
        "MAKEFLAGS": "",  # of the `make test` that may run us
        **env,
    }
    return subprocess.run(
        [str(w) for w in words], env=settings, capture_output=True, text=True, check=False, cwd=REPO
    )


def packages(section: str | None = None) -> list[str]:
    """The names in packages.txt, of one section or of all."""
    found, current = [], ""
    for line in (REPO / "tools/packages.txt").read_text().splitlines():
        words = line.split("#")[0].split()
        if words and words[0].startswith("["):
            current = words[0].strip("[]")
        elif words and section in (None, current):
            found.append(words[0])
    return found


def debian(folder: Path, lacks: list[str], user: int) -> None:
    """A Debian where all but some packages are installed; apt-get notes how it was called."""
    lines = "\n".join(f"ii  {name}" for name in packages() if name not in lacks)
    removed = "\n".join(f"rc  {name}" for name in lacks)  # configuration left: not installed
    script(
        folder, "dpkg-query", f"cat <<'END'\n{lines}\n{removed}\nEND\nexit {1 if lacks else 0}\n"
    )
    script(folder, "id", f"echo {user}\n")
    script(
        folder, "apt-get", f'echo "$DEBIAN_FRONTEND: $*" >>{folder}/apt.log\nexec {folder}/behave\n'
    )
    script(folder, "behave", "exit 0\n")


def test_packages_are_listed_with_a_reason() -> None:
    sections = [packages(name) for name in ("grade", "test", "peers")]
    assert sum(map(len, sections)) == len(packages()) > 20 and all(sections)
    for line in (REPO / "tools/packages.txt").read_text().splitlines():
        if line and line[0] not in "#[":
            assert line.split("#", 1)[1].strip(), line


@pytest.mark.parametrize("user", [0, 1000])
def test_all_installed_says_nothing_and_calls_nothing(bin_folder: Path, user: int) -> None:
    debian(bin_folder, [], user)
    ended = run([SETUP], bin_folder)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert not (bin_folder / "apt.log").exists()


def test_a_user_is_told_one_command(bin_folder: Path) -> None:
    debian(bin_folder, ["oclgrind", "black"], 1000)
    ended = run([SETUP], bin_folder)
    assert ended.returncode == 1 and ended.stdout == ""
    assert "    oclgrind - finds races" in ended.stderr
    command = (
        "sudo apt-get update && sudo apt-get install -y --no-install-recommends oclgrind black\n"
    )
    assert command in ended.stderr
    assert not (bin_folder / "apt.log").exists()


def test_grading_does_not_need_the_packages_of_the_tests(bin_folder: Path) -> None:
    debian(bin_folder, ["black", "clang-tidy"], 1000)
    assert run([SETUP, "grade"], bin_folder).returncode == 0
    assert run([SETUP, "test"], bin_folder).returncode == 1


def test_root_gets_them_installed(bin_folder: Path) -> None:
    debian(bin_folder, ["oclgrind", "black"], 0)
    script(
        bin_folder, "behave", 'echo "pmstatus:oclgrind:52.5:Unpacking" >&3 2>/dev/null\nexit 0\n'
    )
    ended = run([SETUP], bin_folder)
    assert ended.returncode == 0, ended.stderr
    update, install = (bin_folder / "apt.log").read_text().splitlines()
    assert update.startswith("noninteractive: ") and update.endswith(" update")
    assert " install --no-install-recommends " in install and install.endswith(" oclgrind black")
    assert "Installing 2 packages" in ended.stdout and "installing   50%" in ended.stdout
    assert ended.stdout.endswith("done\n")
    assert not list(bin_folder.parent.glob("course-setup.*"))


def test_no_network_is_explained(bin_folder: Path) -> None:
    debian(bin_folder, ["oclgrind"], 0)
    words = "E: Failed to fetch http://deb/oclgrind.deb  Temporary failure resolving 'deb'"
    script(bin_folder, "behave", f'echo "{words}"\nexit 100\n')
    ended = run([SETUP], bin_folder)
    assert ended.returncode == 1
    assert words in ended.stderr
    assert "is this machine connected to the network?" in ended.stderr
    assert "apt-get update && apt-get install -y --no-install-recommends oclgrind\n" in ended.stderr


def test_a_system_without_apt_gets_a_list(tmp_path: Path, bin_folder: Path) -> None:
    """PATH is one folder with what the script itself needs, and mpirun of what the course needs."""
    for tool in ("dirname", "sed", "sh", "mpirun"):
        (bin_folder / tool).symlink_to(f"/usr/bin/{tool}")
    ended = run(["/bin/sh", SETUP], bin_folder, PATH=str(bin_folder))
    assert ended.returncode == 1
    lines = [line.strip() for line in ended.stderr.splitlines()]
    assert "clang" in lines and "bwrap" in lines and "check (library and headers)" in lines
    assert "mpirun" not in lines
    assert "no apt-get" in ended.stderr


def test_peers_are_installed_when_asked_for_only(bin_folder: Path) -> None:
    debian(bin_folder, ["python3-mpi4py"], 0)
    assert run([SETUP], bin_folder).returncode == 0
    assert not (bin_folder / "apt.log").exists()
    assert run([SETUP, "peers"], bin_folder).returncode == 0
    asked = (bin_folder / "apt.log").read_text()
    assert "python3-mpi4py" in asked and "gcc" not in asked


def test_unknown_set_of_packages(bin_folder: Path) -> None:
    ended = run([SETUP, "everything"], bin_folder)
    assert ended.returncode == 2 and "tools/setup grade" in ended.stderr


def test_find_python_passes_over_one_without_modules(bin_folder: Path) -> None:
    script(bin_folder, "python3", "echo 'it lacks numpy' >&2; exit 1\n")
    ended = run([FIND_PYTHON], bin_folder)
    assert ended.returncode == 0, ended.stderr
    program = "import numpy, rich, jinja2, sys; sys.exit(sys.version_info < (3, 11))"
    subprocess.run([ended.stdout.strip(), "-c", program], check=True)


def test_find_python_says_why_there_is_none(bin_folder: Path) -> None:
    ended = run([FIND_PYTHON, "no_such_module"], bin_folder)
    assert ended.returncode == 1 and ended.stdout == ""
    assert "/usr/bin/python3: it lacks no_such_module" in ended.stderr
    assert "make setup" in ended.stderr


def test_find_python_refuses_an_old_one(bin_folder: Path) -> None:
    text = FIND_PYTHON.read_text().replace("(3, 11)", "(9, 99)")
    script(bin_folder, "find", text.split("\n", 1)[1])
    ended = run([bin_folder / "find"], bin_folder)
    assert ended.returncode == 1 and "it is Python 3." in ended.stderr


def test_make_alone_lists_the_targets(bin_folder: Path) -> None:
    ended = run(["make"], bin_folder)
    assert ended.returncode == 0
    for target in (
        "grade",
        "compare",
        "peers",
        "test",
        "test-long",
        "doctor",
        "setup",
        "format",
        "clean",
    ):
        assert f"  make {target} " in ended.stdout


def test_dependencies_do_not_name_the_course_folder(tmp_path: Path) -> None:
    """Else what was built is not built anew after the folder was moved or copied."""
    words = ["make", "-n", "-C", str(REPO / "labs/01-pool"), f"BUILD={tmp_path}", "given", "suite"]
    shown = subprocess.run(
        words, capture_output=True, text=True, env={**os.environ, "MAKEFLAGS": ""}
    )
    assert "-MT '$(BUILD)/given/01-pool/plain/main.o'" in shown.stdout
    assert f"-MT '{tmp_path}" not in shown.stdout and f"-MT {tmp_path}" not in shown.stdout


def test_make_grade_passes_paths_unharmed(tmp_path: Path, bin_folder: Path) -> None:
    debian(bin_folder, [], 1000)
    script(bin_folder, "python", 'printf "<%s>\\n" "$@"\n')
    python = f"PYTHON={bin_folder / 'python'}"
    ended = run(["make", "grade", python], bin_folder, OUT="/from/the/environment", JOBS="99")
    words = ["-m", "grader", "grade", "grader/examples", "--out", "results"]
    assert ended.stdout.splitlines() == [f"<{word}>" for word in words]

    given = ['SUBMISSIONS=my class; it\'s "2"', "OUT=a  b", "LABS=01,03", "JOBS=2"]
    ended = run(["make", "grade", python, *given], bin_folder)
    words = [*words[:3], 'my class; it\'s "2"', "--out", "a  b", "--labs", "01,03", "--jobs", "2"]
    assert ended.stdout.splitlines() == [f"<{word}>" for word in words]


def test_make_grade_stops_where_packages_are_missing(bin_folder: Path) -> None:
    debian(bin_folder, ["check"], 1000)
    ended = run(["make", "grade", "PYTHON=/bin/false"], bin_folder)
    assert ended.returncode == 2 and "apt-get install" in ended.stderr
