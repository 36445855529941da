"""Each fault that `make doctor` knows is provoked here, and the cure that it prints is read.

Most are provoked with invented commands first on PATH, which answer with the real ones' words; some with
the real kernel, where the rights to do so are there.
"""

from __future__ import annotations

import ast
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Mapping

import pytest

from grader import doctor
from grader.doctor import Finding, Machine

REPO = Path(doctor.__file__).resolve().parent.parent


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """This machine, with a PATH whose first folder is empty and the test's own."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "work").mkdir()
    hidden = {"OCL_ICD_VENDORS", "OCL_ICD_FILENAMES", "POCL_CACHE_DIR", "TMPDIR", "container"}
    env = {k: v for k, v in os.environ.items() if k not in hidden and "MPI_" not in k}
    env["PATH"] = f"{tmp_path / 'bin'}:/usr/bin:/bin"
    env["HOME"] = str(tmp_path)
    return Machine(env=env, work=tmp_path / "work", superuser=os.geteuid() == 0, cores=2)


def with_env(m: Machine, **names: str) -> Machine:
    return replace(m, env={**m.env, **names})


def without_commands(m: Machine) -> Machine:
    """PATH is one empty folder."""
    return with_env(m, PATH=m.env["PATH"].split(":")[0])


def fake(m: Machine, name: str, says: str, status: int) -> Machine:
    """A command of this name that says something and ends with a status."""
    file = Path(m.env["PATH"].split(":")[0]) / name
    file.write_text(f"#!/bin/sh\necho {shlex.quote(says)} >&2\nexit {status}\n")
    file.chmod(0o755)
    return m


def fake_compiler(m: Machine, name: str, program_says: str, status: int) -> Machine:
    """A compiler whose programs all say the same."""
    file = Path(m.env["PATH"].split(":")[0]) / name
    file.write_text(
        "#!/bin/sh\n"
        'while [ $# -gt 0 ]; do [ "$1" = -o ] && program=$2; shift; done\n'
        '[ -n "$program" ] || exit 1\n'
        "cat >\"$program\" <<'END'\n"
        f"#!/bin/sh\necho '{program_says}' >&2\nexit {status}\n"
        "END\n"
        'chmod +x "$program"\n'
    )
    file.chmod(0o755)
    return m


def fake_root(m: Machine, tmp_path: Path, **settings: str) -> Machine:
    """Another /, with /sys, /proc and these kernel settings (user__max_user_namespaces="0")."""
    root = tmp_path / "root"
    (root / "sys/devices/system/cpu").mkdir(parents=True)
    (root / "proc/self").mkdir(parents=True)
    (root / "etc").mkdir()
    (root / "etc/debian_version").write_text("12.11\n")
    (root / "proc/1").mkdir()
    (root / "proc/1/root").symlink_to(root)
    for name, value in settings.items():
        file = root / "proc/sys" / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(value + "\n")
    return replace(m, root=root)


def expect(finding: Finding, level: str, cure: str, text: str = "") -> None:
    assert finding.level == level, finding
    assert cure in finding.cure, finding
    assert text in finding.text, finding


def doctor_in(
    words: list[str], check: str = "sandbox", env: Mapping[str, str] | None = None
) -> str:
    """What the doctor says of one check, started behind these words; skips where they cannot run."""
    script = ["/usr/bin/python3", "-I", str(REPO / "grader/doctor.py"), check]
    if subprocess.run([*words, "/bin/true"], capture_output=True, check=False).returncode != 0:
        pytest.skip(f"{words[0]} may not do that here")
    ended = subprocess.run([*words, *script], env=env, capture_output=True, text=True, check=False)
    return ended.stdout


# ---- a machine without faults


@pytest.mark.parametrize("name", [name for name, _ in doctor.CHECKS])
def test_no_problem_here(machine: Machine, name: str) -> None:
    """The machine that runs these tests has everything, or the other tests of the project fail too."""
    finding = doctor.examine(machine, dict(doctor.CHECKS)[name])
    assert finding.level in ("ok", "note"), finding


# ---- nothing installed

PACKAGE_OF_CHECK = {
    "gcc": "gcc",
    "clang": "clang",
    "Check": "check",
    "OpenBLAS": "libopenblas-dev",
    "libseccomp": "libseccomp-dev",
    "AddressSanitizer": "gcc",
    "ThreadSanitizer": "libclang-rt-dev",
    "Archer": "libomp-dev",
    "Open MPI and root": "openmpi-bin",
    "Open MPI slots": "openmpi-bin",
    "Open MPI ranks": "libopenmpi-dev",
    "oclgrind": "oclgrind",
    "sandbox": "bubblewrap",
    "limits": "util-linux",
}


@pytest.mark.parametrize("name, package", PACKAGE_OF_CHECK.items())
def test_missing_command_names_its_package(machine: Machine, name: str, package: str) -> None:
    finding = dict(doctor.CHECKS)[name](without_commands(machine))
    expect(finding, "problem", "apt-get install")
    assert package in finding.cure.split()


def test_packages_of_cures_are_those_that_setup_installs(machine: Machine) -> None:
    listed = {
        line.split()[0] for line in (REPO / "tools/packages.txt").read_text().splitlines() if line
    }
    assert set(PACKAGE_OF_CHECK.values()) <= listed


def test_ordinary_user_is_told_to_use_sudo(machine: Machine) -> None:
    user = replace(without_commands(machine), superuser=False)
    assert doctor.check_gcc(user).cure.startswith("sudo apt-get install")
    root = replace(user, superuser=True)
    assert doctor.check_gcc(root).cure.startswith("apt-get install")


def test_another_system_is_not_told_to_use_apt(machine: Machine, tmp_path: Path) -> None:
    m = fake_root(without_commands(machine), tmp_path)
    (m.root / "etc/debian_version").unlink()
    expect(doctor.check_gcc(m), "problem", "your system's package manager")


# ---- Python and compilers


def test_python_on_path_without_the_modules(machine: Machine) -> None:
    m = fake(machine, "python3", "ModuleNotFoundError: No module named 'numpy'", 1)
    expect(doctor.check_python(m), "note", 'export PATH="/usr/bin:$PATH"', "cannot import numpy")


def test_no_python_with_the_modules(machine: Machine, tmp_path: Path) -> None:
    """find-python looks at /usr/bin/python3 in any case, so here it is one that finds none."""
    repo = tmp_path / "repo"
    (repo / "tools").mkdir(parents=True)
    text = (REPO / "tools/find-python").read_text().replace("/usr/bin/python3", "/nowhere/python3")
    (repo / "tools/find-python").write_text(text)
    m = replace(fake(machine, "python3", "it lacks numpy", 1), repo=repo)
    m = without_commands(m)
    expect(
        doctor.check_python(m),
        "problem",
        "python3-numpy python3-rich python3-jinja2",
        "lacks numpy",
    )


@pytest.mark.parametrize("name, version", [("gcc", "4.8.5"), ("clang", "9.0.1")])
def test_old_compiler(machine: Machine, name: str, version: str) -> None:
    file = Path(machine.env["PATH"].split(":")[0]) / name
    file.write_text(f"#!/bin/sh\necho {version}\n")
    file.chmod(0o755)
    finding = dict(doctor.CHECKS)[name](machine)
    expect(finding, "problem", f"apt-get install -y --no-install-recommends {name}-", version)


def test_compiler_that_does_not_run(machine: Machine) -> None:
    m = fake(machine, "gcc", "gcc: error while loading shared libraries: libmpc.so.3", 1)
    expect(doctor.check_gcc(m), "problem", "--reinstall gcc", "libmpc.so.3")


@pytest.mark.parametrize(
    "check, package",
    [
        (doctor.check_check, "check"),
        (doctor.check_openblas, "libopenblas-dev"),
        (doctor.check_seccomp, "libseccomp-dev"),
    ],
)
def test_missing_library(machine: Machine, check: doctor.Check, package: str) -> None:
    m = fake(machine, "gcc", "/usr/bin/ld: cannot find the library", 1)
    finding = check(m)
    expect(finding, "problem", "apt-get install")
    assert finding.cure.split()[-1] == package


def test_library_check_really_links(machine: Machine) -> None:
    finding = doctor.check_library(machine, "stdio.h", "-lno_such_library", "some-package")
    expect(finding, "problem", "some-package")
    finding = doctor.check_library(machine, "no_such_header.h", "-lm", "some-package")
    expect(finding, "problem", "some-package")


# ---- sanitizers


def test_memory_spread_too_far_for_tsan(machine: Machine) -> None:
    words = "FATAL: ThreadSanitizer: unexpected memory mapping 0x5d8f6d4b5000-0x5d8f6d4e9000"
    m = fake_compiler(machine, "clang", words, 66)
    expect(doctor.check_tsan(m), "problem", "sysctl -w vm.mmap_rnd_bits=28")


def test_race_reported_in_correct_program(machine: Machine) -> None:
    m = fake_compiler(machine, "clang", "WARNING: ThreadSanitizer: data race (pid=1)", 66)
    expect(doctor.check_tsan(m), "problem", "libomp-dev", "race in a correct program")


def test_tsan_is_blind_without_archer(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shows that Archer is what makes the check pass: without it the real clang reports a race."""
    monkeypatch.setattr(doctor, "archer_library", lambda m: None)
    m = with_env(machine, OMP_TOOL="disabled")
    expect(doctor.check_tsan(m), "problem", "libomp-dev", "race in a correct program")


def test_leak_search_forbidden(machine: Machine, tmp_path: Path) -> None:
    words = "==7==LeakSanitizer has encountered a fatal error."
    m = fake_compiler(machine, "gcc", words, 1)
    expect(
        doctor.check_asan(fake_root(m, tmp_path, kernel__yama__ptrace_scope="3")),
        "problem",
        "sysctl -w kernel.yama.ptrace_scope=1",
    )
    expect(doctor.no_leak_search(replace(m, root=tmp_path)), "problem", "--cap-add SYS_PTRACE")


def test_sanitizer_library_missing(machine: Machine) -> None:
    words = "ld: cannot find libclang_rt.tsan-x86_64.a"
    expect(doctor.check_tsan(fake(machine, "clang", words, 1)), "problem", "libclang-rt-dev", words)


def test_archer_missing(machine: Machine, tmp_path: Path) -> None:
    file = Path(machine.env["PATH"].split(":")[0]) / "clang"
    file.write_text(f"#!/bin/sh\necho {tmp_path}/lib/clang/14\n")
    file.chmod(0o755)
    expect(doctor.check_archer(machine), "problem", "libomp-dev")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/libarcher.so").touch()
    assert doctor.check_archer(machine).level == "ok"


# ---- Open MPI


def test_mpi_refuses_root(machine: Machine) -> None:
    m = fake(machine, "mpirun", "mpirun has detected an attempt to run as root.", 1)
    expect(
        doctor.check_mpi_root(m),
        "note",
        "export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1",
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is refused")
def test_real_mpi_refuses_root_and_the_cure_cures(machine: Machine) -> None:
    finding = doctor.check_mpi_root(machine)
    assert finding.level == "note", finding
    assert doctor.check_mpi_root(with_exports(machine, finding.cure)).level == "ok"


def with_exports(m: Machine, command: str) -> Machine:
    """The machine after `export A=1 B=2` was typed."""
    words = command.split()
    assert words[0] == "export"
    return with_env(m, **dict(word.split("=", 1) for word in words[1:]))


def test_real_mpi_has_too_few_slots_and_the_cure_cures(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "MOST_RANKS", len(os.sched_getaffinity(0)) + 1)
    finding = doctor.check_mpi_slots(machine)
    expect(finding, "note", "OMPI_MCA_rmaps_base_oversubscribe=1", "not enough slots")
    assert doctor.check_mpi_slots(with_exports(machine, finding.cure)).level == "ok"


MPI_CHECKS = [doctor.check_mpi_root, doctor.check_mpi_slots, doctor.check_mpi]


@pytest.mark.parametrize("check", MPI_CHECKS)
def test_loopback_is_down(machine: Machine, check: doctor.Check) -> None:
    m = fake(machine, "mpirun", "pmix_ifinit: unable to find network interfaces.", 1)
    expect(check(fake(m, "ip", "", 0)), "problem", "ip link set lo up", "lo is down")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a network of its own")
def test_real_loopback_is_down(machine: Machine) -> None:
    m = fake(machine, "ip", "", 0)
    printed = doctor_in(["unshare", "--net"], "Open MPI ranks", env=m.env)
    assert "cure: ip link set lo up" in printed


def test_loopback_is_down_and_ip_is_missing(machine: Machine) -> None:
    m = fake(machine, "mpirun", "pmix_ifinit: unable to find network interfaces.", 1)
    finding = doctor.check_mpi_root(without_commands(m))
    expect(finding, "problem", "iproute2 && ")


def test_mpi_looks_for_ssh(machine: Machine) -> None:
    m = fake(machine, "mpirun", "The value of the MCA parameter plm_rsh_agent: ssh : rsh", 1)
    expect(doctor.check_mpi(m), "problem", "export OMPI_MCA_plm_rsh_agent=false")


def test_mpi_ranks_do_not_meet(machine: Machine) -> None:
    words = "The user-provided time limit for job execution has been reached: Timeout: 20 seconds"
    m = fake(machine, "mpirun", words, 110)
    expect(doctor.check_mpi(m), "problem", "oob_tcp_if_include=lo")


def test_mpi_silent_without_sys(machine: Machine, tmp_path: Path) -> None:
    m = fake_root(fake(machine, "mpirun", "", 1), tmp_path)
    shutil.rmtree(m.root / "sys")
    expect(doctor.check_mpi(m), "problem", "mount -t sysfs", "/sys")


def test_mpi_fails_otherwise(machine: Machine) -> None:
    m = fake(machine, "mpirun", "mpirun: symbol lookup error: undefined symbol: opal_init", 1)
    expect(doctor.check_mpi(m), "problem", "--reinstall openmpi-bin", "opal_init")


# ---- OpenCL


@pytest.mark.parametrize("name", ["OCL_ICD_VENDORS", "OPENCL_VENDOR_PATH"])
def test_no_icd_where_the_environment_points(machine: Machine, tmp_path: Path, name: str) -> None:
    empty = tmp_path / "vendors"
    empty.mkdir()
    finding = doctor.check_opencl(with_env(machine, **{name: str(empty)}))
    expect(finding, "problem", f"unset {name}", "-1001")


def test_no_icd_installed(machine: Machine) -> None:
    expect(doctor.no_driver(machine), "problem", "pocl-opencl-icd", "-1001")


PROBE_ENDS = {
    "no loader": "ocl-icd-libopencl1",
    "clGetPlatformIDs: error -1001": "pocl-opencl-icd",
    "no device": "pocl-opencl-icd",
    "clEnqueueNDRangeKernel: error -5": "--reinstall pocl-opencl-icd",
}


@pytest.mark.parametrize("words, cure", PROBE_ENDS.items())
def test_opencl_probe_fails(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, words: str, cure: str
) -> None:
    monkeypatch.setattr(doctor, "OPENCL_PROBE", f"import sys; sys.exit({words!r})")
    expect(doctor.check_opencl(machine), "problem", cure)


def test_opencl_without_sys(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "OPENCL_PROBE", "import sys; sys.exit('no device')")
    m = fake_root(machine, tmp_path)
    shutil.rmtree(m.root / "sys")
    expect(doctor.check_opencl(m), "problem", "mount -t sysfs", "/sys")


def test_oclgrind_broken(machine: Machine) -> None:
    m = fake(machine, "oclgrind", "oclgrind: liboclgrind-rt.so: cannot open", 1)
    expect(doctor.check_oclgrind(m), "problem", "install -y --no-install-recommends oclgrind")


# ---- the sandbox

NO_NAMESPACE = (
    "bwrap: No permissions to create new namespace, likely because the kernel does not allow "
    "non-privileged user namespaces."
)
KERNEL_SETTINGS = [
    ("user__max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=10000"),
    ("kernel__unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
    (
        "kernel__apparmor_restrict_unprivileged_userns",
        "1",
        "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
]


@pytest.fixture
def no_namespaces(machine: Machine, tmp_path: Path) -> Machine:
    """bwrap fails with the kernel's words; setpriv does what it is told without changing the user."""
    tool = Path(machine.env["PATH"].split(":")[0]) / "setpriv"
    tool.write_text('#!/bin/sh\nwhile [ "${1#/}" = "$1" ]; do shift; done\nexec "$@"\n')
    tool.chmod(0o755)
    return fake_root(fake(machine, "bwrap", NO_NAMESPACE, 1), tmp_path)


@pytest.mark.parametrize("name, value, cure", KERNEL_SETTINGS)
@pytest.mark.parametrize("superuser", [False, True])
def test_kernel_setting_forbids_namespaces(
    no_namespaces: Machine, tmp_path: Path, name: str, value: str, cure: str, superuser: bool
) -> None:
    file = no_namespaces.root / "proc/sys" / name.replace("__", "/")
    file.parent.mkdir(parents=True)
    file.write_text(value + "\n")
    m = replace(no_namespaces, superuser=superuser)
    finding = doctor.check_sandbox(m)
    expect(finding, "problem", cure)
    assert finding.cure.startswith("sysctl" if superuser else "sudo sysctl")


def test_container_forbids_namespaces(no_namespaces: Machine) -> None:
    (no_namespaces.root / ".dockerenv").touch()
    expect(
        doctor.check_sandbox(no_namespaces),
        "problem",
        "docker run --security-opt seccomp=unconfined",
    )


def test_chroot_forbids_namespaces(no_namespaces: Machine, tmp_path: Path) -> None:
    link = no_namespaces.root / "proc/1/root"
    link.unlink()
    link.symlink_to(tmp_path)  # the first process has another root
    expect(doctor.check_sandbox(no_namespaces), "problem", "systemd-nspawn", "chroot")


def test_chroot_seen_by_an_ordinary_user(no_namespaces: Machine) -> None:
    (no_namespaces.root / "proc/1/root").unlink()
    mounts = no_namespaces.root / "proc/self/mountinfo"
    mounts.write_text("22 28 0:21 / /proc rw - proc proc rw\n")
    assert doctor.in_chroot(no_namespaces)
    mounts.write_text("28 1 254:0 / / rw - ext4 /dev/vda rw\n")
    assert not doctor.in_chroot(no_namespaces)


def test_proc_not_mounted(no_namespaces: Machine) -> None:
    shutil.rmtree(no_namespaces.root / "proc")
    expect(doctor.check_sandbox(no_namespaces), "problem", "mount -t proc proc /proc")


def test_bubblewrap_fails_otherwise(no_namespaces: Machine) -> None:
    expect(
        doctor.check_sandbox(no_namespaces), "problem", "--reinstall bubblewrap", "No permissions"
    )


def test_root_cannot_become_another_user(machine: Machine) -> None:
    m = fake(machine, "setpriv", "setpriv: setresuid failed: Invalid argument", 1)
    finding = doctor.check_sandbox(replace(m, superuser=True))
    expect(finding, "problem", "podman run --uidmap", "cannot become another user")


def test_real_kernel_without_user_namespaces() -> None:
    """An ordinary user, in a user namespace of our own in which no further one may be made."""
    ordinary = ["unshare", "--user", "--map-user", "1234", "--keep-caps"]
    switch_off = (
        "echo 0 >/proc/sys/user/max_user_namespaces || exit 1; "
        'exec setpriv --ambient-caps -all --inh-caps -all "$@"'
    )
    printed = doctor_in([*ordinary, "sh", "-c", switch_off, "sh"])
    assert "cure: sudo sysctl -w user.max_user_namespaces=10000" in printed


def test_real_root_with_one_user_id() -> None:
    """Root of a user namespace that knows no other user, as in a container without more ids."""
    assert "cure: podman run --uidmap" in doctor_in(["unshare", "--user", "--map-root-user"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may chroot")
def test_real_chroot(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)  # an ordinary user will have it as /
    folders = ["usr", "etc", "proc", "sys", "dev", "tmp", str(REPO).lstrip("/")]
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    for link in ("bin", "lib", "lib64", "sbin"):
        (tmp_path / link).symlink_to(f"usr/{link}")
    mounts = " && ".join(f"mount --rbind '/{folder}' '{tmp_path}/{folder}'" for folder in folders)
    enter = f'{mounts} && exec chroot {tmp_path} "$@"'
    printed = doctor_in(["unshare", "--mount", "sh", "-c", enter, "sh"])
    assert "user namespaces cannot be made inside a chroot" in printed


def test_setpriv_or_prlimit_broken(machine: Machine) -> None:
    m = fake(machine, "prlimit", "prlimit: not allowed", 1)
    expect(doctor.check_limits(m), "problem", "util-linux", "prlimit")


# ---- folders, memory, processors


def test_sys_missing(machine: Machine, tmp_path: Path) -> None:
    m = fake_root(machine, tmp_path)
    assert doctor.check_sys(m).level == "ok"
    shutil.rmtree(m.root / "sys")
    expect(doctor.check_sys(m), "problem", "mount -t sysfs -o ro sysfs /sys")


def test_shm_missing_or_small(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    m = fake_root(machine, tmp_path)
    expect(doctor.check_shm(m), "problem", "mount -t tmpfs", "missing")
    (m.root / "dev/shm").mkdir(parents=True)
    assert doctor.check_shm(m).level == "ok"
    monkeypatch.setattr(doctor, "free_bytes", lambda folder: 8 << 20)
    expect(doctor.check_shm(m), "problem", "remount,size=1G /dev/shm", "8 MiB")


def test_shm_unwritable(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    m = fake_root(machine, tmp_path)
    (m.root / "dev/shm").mkdir(parents=True)
    monkeypatch.setattr(doctor, "can_write", lambda folder: False)
    expect(doctor.check_shm(m), "problem", "chmod 1777 /dev/shm")


def test_tmpdir_unwritable_or_long(machine: Machine, tmp_path: Path) -> None:
    gone = with_env(machine, TMPDIR=str(tmp_path / "gone"))
    expect(doctor.check_tmpdir(gone), "problem", "export TMPDIR=/tmp", "cannot be written to")
    long = tmp_path / ("x" * 60)
    long.mkdir()
    expect(
        doctor.check_tmpdir(with_env(machine, TMPDIR=str(long))), "problem", "export TMPDIR=/tmp"
    )


@pytest.mark.parametrize("home", ["", "/dev/null", "/proc", "/no/such/folder"])
def test_home_unwritable(machine: Machine, tmp_path: Path, home: str) -> None:
    m = with_env(machine, HOME=home)
    expect(doctor.check_home(m), "problem", 'export HOME="$(mktemp -d)"')
    assert doctor.check_home(with_env(m, POCL_CACHE_DIR=str(tmp_path))).level == "ok"


def test_disk_full(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "free_bytes", lambda folder: 100 << 20)
    expect(doctor.check_disk(machine), "problem", "clean", "100 MiB")


def test_one_core(machine: Machine) -> None:
    alone = replace(machine, cores=1, all_cores=1)
    expect(doctor.check_cores(alone), "note", "docker run --cpus=2")
    expect(doctor.check_cores(replace(alone, all_cores=8)), "note", "taskset -pc 0-7 $$")
    assert doctor.check_cores(replace(alone, cores=2)).level == "ok"


# ---- what a person sees


def run_doctor(**env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", str(REPO / "grader/doctor.py")],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_bare_machine_end_to_end(tmp_path: Path) -> None:
    """Every command is missing: every line is still printed, and the exit status says so."""
    (tmp_path / "vendors").mkdir()
    ended = run_doctor(
        PATH=str(tmp_path),
        HOME="/dev/null",
        OCL_ICD_VENDORS=str(tmp_path / "vendors"),
        TMPDIR="/tmp",
    )
    assert ended.returncode == 1, ended.stderr
    lines = ended.stdout.splitlines()
    assert [line[9:27].strip() for line in lines if not line.startswith(" ")][:-1] == [
        name for name, _ in doctor.CHECKS
    ]
    assert sum(line.startswith("PROBLEM") for line in lines) == len(PACKAGE_OF_CHECK) + 2
    assert all(
        following.startswith("         cure: ")
        for line, following in zip(lines, lines[1:])
        if line.startswith(("PROBLEM", "NOTE"))
    )
    assert "this check broke" not in ended.stdout
    assert "\033" not in ended.stdout
    assert "16 problems" in lines[-1]


def test_exit_status_and_colours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "CHECKS", (("thing", lambda m: doctor.note("odd", "do this")),))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert doctor.main([]) == 0  # a note is no problem
    assert "\033[33mNOTE" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    assert doctor.main([]) == 0
    assert "\033" not in capsys.readouterr().out
    monkeypatch.setattr(doctor, "CHECKS", (("thing", lambda m: doctor.problem("bad", "do this")),))
    assert doctor.main([]) == 1
    assert "cure: do this" in capsys.readouterr().out


def test_a_check_that_breaks_is_a_problem(machine: Machine) -> None:
    def broken(m: Machine) -> Finding:
        raise ValueError("surprise")

    expect(doctor.examine(machine, broken), "problem", "report", "surprise")


def test_a_command_that_hangs_is_ended(machine: Machine) -> None:
    """Also when a process that it started holds the output open."""
    ended = doctor.call(machine, ["sh", "-c", "sleep 100 & sleep 100"], seconds=0.2)
    assert ended.status == 124


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        doctor.main(["--help"])
    assert left.value.code == 0
    assert "Example: python3 grader/doctor.py" in capsys.readouterr().out


def test_unknown_check_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        doctor.main(["sandbox", "sandwich"])
    assert left.value.code == 2
    assert "there is no check 'sandwich'" in capsys.readouterr().err


def test_runs_with_old_python_and_no_modules() -> None:
    """Python 3.8 can read it, and it imports nothing beyond Python's own library."""
    source = (REPO / "grader/doctor.py").read_text()
    tree = ast.parse(source, feature_version=(3, 8))
    imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    imported |= {str(n.module) for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names
