"""Looks for the faults of a machine that make the labs or the grader fail in puzzling ways.

Each check prints one line, OK or what is wrong, and under it the one command that cures it. It runs
with any Python from 3.8 on and without third-party modules, since lacking those is one of the faults.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Mapping, Sequence

MODULES = ("numpy", "rich", "jinja2")
MOST_RANKS = 5  # the largest launch of labs 03 to 05
LONGEST_TMPDIR = 50  # Open MPI adds about 50 characters, and a Unix socket's path ends at 107
LEAST_SHM = 32 << 20  # bytes of /dev/shm: five ranks take 4 MiB each, and some to spare
LEAST_DISK = 1 << 30  # bytes for builds and results of a class
LEAST_GCC = 10
LEAST_CLANG = 14
MISSING = 256  # a status that no command can end with
PROBE_USER = "61234"  # any ordinary user id: as root, the sandbox is entered as one

# What the course sets when it starts ranks itself (common/run.c), so that a probe meets the same mpirun.
MPI_SETTINGS = {
    "OMPI_MCA_pml": "ob1",
    "OMPI_MCA_btl": "self,vader",
    "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
    "OMPI_MCA_plm_rsh_agent": "false",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}
MPI_AS_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


@dataclass(frozen=True)
class Machine:
    """What a check may look at. Tests give an invented one."""

    env: Mapping[str, str]
    work: Path  # an empty folder for what a check builds
    root: Path = Path("/")  # under which proc, sys and dev/shm are looked for
    repo: Path = Path(__file__).resolve().parent.parent
    superuser: bool = False
    cores: int = 1  # that this process may run on
    all_cores: int = 1  # that the machine has


@dataclass(frozen=True)
class Finding:
    """What a check found. A note is a fault that the grader works around and a person by hand does not."""

    level: str  # "ok", "note" or "problem"
    text: str
    cure: str = ""


@dataclass(frozen=True)
class Ended:
    """How a command ended: MISSING if it is not there, 124 if it did not end in time."""

    status: int
    text: str


def ok(text: str) -> Finding:
    return Finding("ok", text)


def note(text: str, cure: str) -> Finding:
    return Finding("note", text, cure)


def problem(text: str, cure: str) -> Finding:
    return Finding("problem", text, cure)


Check = Callable[[Machine], Finding]

# ---- helpers of the checks


def as_root(m: Machine, command: str) -> str:
    return command if m.superuser else "sudo " + command


def install(m: Machine, *packages: str) -> str:
    """The command that installs Debian packages, or what to do where there is no apt-get."""
    names = " ".join(packages)
    if (m.root / "etc/debian_version").exists():
        return as_root(m, f"apt-get install -y --no-install-recommends {names}")
    return f"install what Debian calls {names} with your system's package manager"


def which(m: Machine, command: str) -> str | None:
    return shutil.which(command, path=m.env.get("PATH", os.defpath))


def call(
    m: Machine,
    words: Sequence[str],
    env: Mapping[str, str] | None = None,
    seconds: float = 30,
    cwd: Path | None = None,
) -> Ended:
    """Runs a command with the machine's environment and env on top; its output goes through a file, so
    that a process that it leaves behind cannot make us wait for the end of a pipe."""
    settings = {**m.env, "LC_ALL": "C.UTF-8", "TMPDIR": str(m.work), **(env or {})}
    with tempfile.TemporaryFile(dir=m.work) as output:
        try:
            process = subprocess.Popen(
                list(words),
                env=settings,
                cwd=cwd or m.work,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            return Ended(MISSING, f"{words[0]}: {error.strerror}")
        try:
            status = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            status = 124
        output.seek(0)
        return Ended(status, output.read().decode(errors="replace"))


def last_words(ended: Ended) -> str:
    """The last line that says something, for a fault that no check knows by name."""
    lines = [line.strip() for line in ended.text.splitlines() if re.search(r"\w", line)]
    words = lines[-1] if lines else "it said nothing"
    return f"{words} (status {ended.status})"


def build(m: Machine, compiler: str, name: str, source: str, *flags: str) -> tuple[Path, Ended]:
    """Compiles and links one C file. The program's path, and how the compiler ended."""
    program = m.work / name
    file = m.work / f"{name}.c"
    file.write_text(source)
    words = [compiler, "-g", "-o", str(program), str(file), *flags]
    return program, call(m, words)


def can_write(folder: Path) -> bool:
    """Tries it: for root, permission bits say nothing about a read-only file system."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def size_text(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count // 2**20} MiB"


def setting(m: Machine, name: str) -> str | None:
    """A kernel setting as sysctl names it, None where the kernel does not have it."""
    try:
        return (m.root / "proc/sys" / name.replace(".", "/")).read_text().strip()
    except OSError:
        return None


# ---- Python and compilers


def check_python(m: Machine) -> Finding:
    found = call(m, ["/bin/sh", str(m.repo / "tools/find-python")])
    if found.status != 0:
        listed = found.text.strip().splitlines()[:-1]
        return problem(
            " ".join(" ".join(listed).split()),
            install(m, "python3", *(f"python3-{name}" for name in MODULES)),
        )
    path = found.text.strip()
    imports = call(m, ["python3", "-c", f"import {', '.join(MODULES)}"], cwd=Path("/"))
    if imports.status == 0:
        return ok(path)
    return note(
        f"make uses {path}, but the python3 on your PATH ({which(m, 'python3') or 'none'}) cannot "
        f"import {', '.join(MODULES)}",
        f'export PATH="{Path(path).parent}:$PATH"',
    )


def check_compiler(m: Machine, name: str, flag: str, least: int) -> Finding:
    answer = call(m, [name, flag])
    if answer.status == MISSING:
        return problem(f"{name} is not installed", install(m, name, "libc6-dev"))
    number = re.match(r"\d+", answer.text)
    if answer.status != 0 or not number:
        return problem(
            f"{name} does not run: {last_words(answer)}", install(m, "--reinstall", name)
        )
    version = answer.text.strip()
    if int(number.group()) < least:
        return problem(
            f"{name} is {version}, the course needs {least} or newer", install(m, f"{name}-{least}")
        )
    return ok(version)


def check_gcc(m: Machine) -> Finding:
    return check_compiler(m, "gcc", "-dumpfullversion", LEAST_GCC)


def check_clang(m: Machine) -> Finding:
    return check_compiler(m, "clang", "-dumpversion", LEAST_CLANG)


def check_library(m: Machine, header: str, flag: str, package: str) -> Finding:
    """The header is there and the library links."""
    source = f"#include <{header}>\nint main(void) {{ return 0; }}\n"
    name = "link-" + package
    _, built = build(m, "gcc", name, source, "-Wl,--no-as-needed", flag)
    if built.status == 0:
        return ok(f"{header} and {flag}")
    if built.status == MISSING:
        return problem("cannot be tried without gcc", install(m, "gcc", "libc6-dev", package))
    return problem(f"a program with {header} and {flag} does not build", install(m, package))


def check_check(m: Machine) -> Finding:
    return check_library(m, "check.h", "-lcheck", "check")


def check_openblas(m: Machine) -> Finding:
    return check_library(m, "cblas.h", "-lopenblas", "libopenblas-dev")


def check_seccomp(m: Machine) -> Finding:
    return check_library(m, "seccomp.h", "-lseccomp", "libseccomp-dev")


# ---- sanitizers

COUNT_THREADS = """
#include <omp.h>
#include <stdio.h>
int main(void)
{
    long sum = 0;
#pragma omp parallel for reduction(+ : sum) num_threads(4)
    for (long i = 0; i < 1000; i++)
        sum += i;
    printf("sum %ld\\n", sum);
    return 0;
}
"""


def archer_library(m: Machine) -> Path | None:
    """Beside clang's own libraries: <prefix>/lib/clang/<version> is the folder that clang names."""
    answer = call(m, ["clang", "-print-resource-dir"])
    if answer.status != 0:
        return None
    library = Path(answer.text.strip()).parent.parent / "libarcher.so"
    return library if library.exists() else None


def check_archer(m: Machine) -> Finding:
    library = archer_library(m)
    if library is None:
        return problem(
            "libarcher.so is not beside clang: ThreadSanitizer would report races in correct OpenMP",
            install(m, "clang", "libomp-dev"),
        )
    return ok(str(library))


def no_leak_search(m: Machine) -> Finding:
    """LeakSanitizer watches its own process as a debugger does, which can be forbidden."""
    cure = "docker run --cap-add SYS_PTRACE IMAGE  (start the container with this option)"
    if (setting(m, "kernel.yama.ptrace_scope") or "0") > "1":
        cure = as_root(m, "sysctl -w kernel.yama.ptrace_scope=1")
    return problem("the search for leaks cannot watch its own process here", cure)


def check_sanitizer(m: Machine, compiler: str, name: str, flags: Sequence[str]) -> Finding:
    """A correct OpenMP program builds, runs and is not blamed."""
    program, built = build(m, compiler, name, COUNT_THREADS, f"-fsanitize={name}", *flags)
    if built.status != 0:
        return problem(
            f"{compiler} -fsanitize={name} does not build: {last_words(built)}",
            install(m, "gcc", "clang", "libclang-rt-dev", "libomp-dev"),
        )
    archer = archer_library(m) if name == "thread" else None
    env = {"TSAN_OPTIONS": "ignore_noninstrumented_modules=1"}
    if archer:
        env["OMP_TOOL_LIBRARIES"] = str(archer)
    ran = call(m, [str(program)], env=env)
    if "unexpected memory mapping" in ran.text or "memory layout is incompatible" in ran.text:
        return problem(
            "the kernel spreads memory more than the sanitizer can follow (unexpected memory mapping)",
            as_root(m, "sysctl -w vm.mmap_rnd_bits=28"),
        )
    if "LeakSanitizer has encountered a fatal error" in ran.text:
        return no_leak_search(m)
    if "data race" in ran.text:
        return problem("it reports a race in a correct program", install(m, "libomp-dev"))
    if ran.status != 0 or "sum 499500" not in ran.text:
        return problem(
            f"a correct program fails under it: {last_words(ran)}",
            install(m, "--reinstall", "gcc", "libclang-rt-dev", "libomp-dev"),
        )
    return ok(f"{compiler} -fsanitize={name}")


def check_asan(m: Machine) -> Finding:
    return check_sanitizer(m, "gcc", "address", ["-fopenmp"])


def check_tsan(m: Machine) -> Finding:
    return check_sanitizer(m, "clang", "thread", ["-fopenmp"])


# ---- Open MPI

SUM_RANKS = """
#include <mpi.h>
#include <stdio.h>
int main(int argc, char **argv)
{
    int rank, sum;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    rank++;
    MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    if (rank == 1)
        printf("sum %d\\n", sum);
    return MPI_Finalize();
}
"""


def exports(settings: Mapping[str, str]) -> str:
    return "export " + " ".join(f"{name}={shlex.quote(value)}" for name, value in settings.items())


def why_no_mpi(m: Machine, ran: Ended) -> Finding:
    """Tells the reasons apart for which mpirun fails, other than that it refuses."""
    if ran.status == MISSING:
        return problem("mpirun is not installed", install(m, "openmpi-bin", "libopenmpi-dev"))
    if "unable to find network interfaces" in ran.text:
        cure = as_root(m, "ip link set lo up")
        if not which(m, "ip"):
            cure = f"{install(m, 'iproute2')} && {cure}"
        return problem("the network interface lo is down, ranks start through it", cure)
    if not (m.root / "sys/devices/system/cpu").is_dir():
        return problem("mpirun fails because /sys is not mounted", mount_sys(m))
    if re.search(r"\b(ssh|rsh)\b", ran.text):
        return problem("mpirun looks for ssh", exports({"OMPI_MCA_plm_rsh_agent": "false"}))
    if ran.status == 124 or "timeout" in ran.text.lower():
        interface = {"OMPI_MCA_oob_tcp_if_include": "lo", "OMPI_MCA_btl_tcp_if_include": "lo"}
        return problem("ranks do not find each other in time", exports(interface))
    return problem(
        f"mpirun fails: {last_words(ran)}",
        install(m, "--reinstall", "openmpi-bin", "libopenmpi-dev"),
    )


def check_mpi_root(m: Machine) -> Finding:
    ran = call(m, ["mpirun", "-n", "1", "true"])
    if "attempt to run as root" in ran.text:
        return note("mpirun refuses root; make allows it by itself", exports(MPI_AS_ROOT))
    return ok("mpirun starts for this user") if ran.status == 0 else why_no_mpi(m, ran)


def check_mpi_slots(m: Machine) -> Finding:
    ran = call(m, ["mpirun", "-n", str(MOST_RANKS), "true"], env=MPI_AS_ROOT)
    if "not enough slots" in ran.text:
        return note(
            f"mpirun refuses {MOST_RANKS} ranks on {m.cores} core(s) (not enough slots); "
            "make allows it by itself",
            exports({k: v for k, v in MPI_SETTINGS.items() if "rmaps" in k}),
        )
    return ok(f"{MOST_RANKS} ranks are allowed") if ran.status == 0 else why_no_mpi(m, ran)


def check_mpi(m: Machine) -> Finding:
    program, built = build(m, "mpicc", "ranks", SUM_RANKS)
    if built.status != 0:
        return problem(
            f"mpicc does not build: {last_words(built)}", install(m, "gcc", "libopenmpi-dev")
        )
    words = ["mpirun", "--timeout", "20", "-n", "2", str(program)]
    ran = call(m, words, env={**MPI_SETTINGS, **MPI_AS_ROOT})
    if ran.status == 0 and "sum 3" in ran.text:
        return ok("2 ranks agree on a sum")
    return why_no_mpi(m, ran)


# ---- OpenCL

# In a process of its own: once a process has talked to PoCL, its forked children can hang.
OPENCL_PROBE = r"""
import ctypes as c, sys

def need(code, what):
    if code != 0:
        sys.exit("%s: error %d" % (what, code))

try:
    cl = c.CDLL("libOpenCL.so.1")
except OSError:
    sys.exit("no loader")
for name in ("clCreateContext", "clCreateCommandQueue", "clCreateProgramWithSource", "clCreateKernel",
             "clCreateBuffer"):
    getattr(cl, name).restype = c.c_void_p
p, ref, n, rc = c.c_void_p, c.byref, c.c_uint(0), c.c_int(0)
need(cl.clGetPlatformIDs(0, None, ref(n)), "clGetPlatformIDs")
platforms = (p * n.value)()
need(cl.clGetPlatformIDs(n, platforms, None), "clGetPlatformIDs")
device = p()
for platform in platforms:
    if cl.clGetDeviceIDs(p(platform), c.c_ulong(0xFFFFFFFF), 1, ref(device), ref(n)) == 0 and n.value:
        break
else:
    sys.exit("no device")
name = c.create_string_buffer(256)
need(cl.clGetDeviceInfo(device, 0x102B, c.c_size_t(256), name, None), "clGetDeviceInfo")
context = p(cl.clCreateContext(None, 1, ref(device), None, None, ref(rc)))
need(rc.value, "clCreateContext")
queue = p(cl.clCreateCommandQueue(context, device, c.c_ulong(0), ref(rc)))
need(rc.value, "clCreateCommandQueue")
source = c.c_char_p(b"__kernel void answer(__global int *out) { out[0] = 42; }")
program = p(cl.clCreateProgramWithSource(context, 1, ref(source), None, ref(rc)))
need(rc.value, "clCreateProgramWithSource")
need(cl.clBuildProgram(program, 1, ref(device), None, None, None), "clBuildProgram")
kernel = p(cl.clCreateKernel(program, b"answer", ref(rc)))
need(rc.value, "clCreateKernel")
buffer = p(cl.clCreateBuffer(context, c.c_ulong(1), c.c_size_t(4), None, ref(rc)))
need(rc.value, "clCreateBuffer")
need(cl.clSetKernelArg(kernel, 0, c.c_size_t(c.sizeof(p)), ref(buffer)), "clSetKernelArg")
items, out = c.c_size_t(1), c.c_int(0)
need(cl.clEnqueueNDRangeKernel(queue, kernel, 1, None, ref(items), None, 0, None, None), "clEnqueueNDRangeKernel")
need(cl.clEnqueueReadBuffer(queue, buffer, 1, c.c_size_t(0), c.c_size_t(4), ref(out), 0, None, None),
     "clEnqueueReadBuffer")
if out.value != 42:
    sys.exit("the kernel computed %d, not 42" % out.value)
print("device", name.value.decode(errors="replace"))
"""


def no_driver(m: Machine) -> Finding:
    """The loader found no ICD: hidden by the environment, or not installed."""
    for name in ("OCL_ICD_VENDORS", "OCL_ICD_FILENAMES", "OPENCL_VENDOR_PATH"):
        if name in m.env:
            return problem(
                f"no OpenCL driver (ICD, error -1001) at {name}={m.env[name]}", f"unset {name}"
            )
    return problem("no OpenCL driver (ICD, error -1001)", install(m, "pocl-opencl-icd"))


def check_opencl(m: Machine) -> Finding:
    cache = m.work / "pocl"
    cache.mkdir(exist_ok=True)
    # HOME has a check of its own, so it must not make this one fail.
    env = {"HOME": str(m.work), "POCL_CACHE_DIR": str(cache)}
    ran = call(m, [sys.executable, "-I", "-c", OPENCL_PROBE], env=env, seconds=60)
    if ran.status == 0 and "device " in ran.text:
        return ok(ran.text.strip().splitlines()[-1][len("device ") :])
    if "no loader" in ran.text:
        return problem(
            "the OpenCL loader libOpenCL.so.1 is not installed",
            install(m, "ocl-icd-libopencl1", "pocl-opencl-icd"),
        )
    if "error -1001" in ran.text:
        return no_driver(m)
    if not (m.root / "sys/devices/system/cpu").is_dir():
        return problem("no OpenCL device works because /sys is not mounted", mount_sys(m))
    if "no device" in ran.text:
        return problem("the OpenCL driver finds no device", install(m, "pocl-opencl-icd"))
    return problem(
        f"the OpenCL device fails: {last_words(ran)}",
        install(m, "--reinstall", "pocl-opencl-icd", "libpocl2"),
    )


def check_oclgrind(m: Machine) -> Finding:
    answer = call(m, ["oclgrind", "--version"])
    version = re.search(r"Oclgrind (\S+)", answer.text)
    if answer.status != 0 or not version:
        return problem("oclgrind is not installed or does not run", install(m, "oclgrind"))
    return ok(version.group(1))


# ---- the sandbox


def in_chroot(m: Machine) -> bool:
    """Is our / another one than that of the first process? Only root may ask for that; for others a
    root that is no mount point gives it away."""
    try:
        first, mine = os.stat(m.root / "proc/1/root"), os.stat(m.root)
        return (first.st_dev, first.st_ino) != (mine.st_dev, mine.st_ino)
    except OSError:
        pass
    try:
        mounts = (m.root / "proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return False
    return all(line.split()[4] != "/" for line in mounts if len(line.split()) > 4)


def in_container(m: Machine) -> bool:
    marks = (".dockerenv", "run/.containerenv")
    return "container" in m.env or any((m.root / mark).exists() for mark in marks)


def why_no_sandbox(m: Machine, ran: Ended) -> Finding:
    """Tells the reasons apart for which bubblewrap cannot make user namespaces."""
    if setting(m, "user.max_user_namespaces") == "0":
        return problem(
            "user namespaces are switched off (user.max_user_namespaces is 0)",
            as_root(m, "sysctl -w user.max_user_namespaces=10000"),
        )
    if setting(m, "kernel.unprivileged_userns_clone") == "0":
        return problem(
            "user namespaces are reserved for root (kernel.unprivileged_userns_clone is 0)",
            as_root(m, "sysctl -w kernel.unprivileged_userns_clone=1"),
        )
    if setting(m, "kernel.apparmor_restrict_unprivileged_userns") == "1":
        return problem(
            "AppArmor restricts user namespaces (kernel.apparmor_restrict_unprivileged_userns is 1)",
            as_root(m, "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"),
        )
    if in_chroot(m):
        return problem(
            "user namespaces cannot be made inside a chroot",
            "systemd-nspawn -D FOLDER  (from outside, instead of chroot FOLDER)",
        )
    if in_container(m):
        return problem(
            f"the container does not let bubblewrap in: {last_words(ran)}",
            "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined "
            "--security-opt systempaths=unconfined IMAGE  (start the container with these options)",
        )
    if "overflowuid" in ran.text or not (m.root / "proc/self").exists():
        return problem("/proc is not mounted", as_root(m, "mount -t proc proc /proc"))
    return problem(
        f"bubblewrap cannot make a sandbox: {last_words(ran)}",
        install(m, "--reinstall", "bubblewrap"),
    )


def check_sandbox(m: Machine) -> Finding:
    bwrap = which(m, "bwrap")
    if not bwrap:
        return problem("bubblewrap (bwrap) is not installed", install(m, "bubblewrap"))
    words = [bwrap, "--ro-bind", "/", "/", "--unshare-all", "--proc", "/proc", "--dev", "/dev"]
    words += ["/bin/true"]
    if m.superuser:
        # The grader gives each job a user of its own, so the sandbox has to work for one.
        become = ["setpriv", "--reuid", PROBE_USER, "--regid", PROBE_USER, "--clear-groups"]
        became = call(m, [*become, "/bin/true"], cwd=Path("/"))
        if became.status == MISSING:
            return problem("setpriv is not installed", install(m, "util-linux"))
        if re.search(r"setpriv: set\w+ failed", became.text):
            return problem(
                "root cannot become another user here, as each job must",
                "podman run --uidmap 0:0:65536 IMAGE  (start the container with more user ids)",
            )
        words = [*become, *words]
    ran = call(m, words, cwd=Path("/"))
    return ok("bubblewrap makes user namespaces") if ran.status == 0 else why_no_sandbox(m, ran)


def check_limits(m: Machine) -> Finding:
    for words in (["setpriv", "--dump"], ["prlimit", "--nproc"]):
        if call(m, words).status != 0:
            return problem(f"{words[0]} is not installed or does not run", install(m, "util-linux"))
    return ok("setpriv and prlimit")


# ---- folders, memory, processors


def mount_sys(m: Machine) -> str:
    return as_root(m, "mount -t sysfs -o ro sysfs /sys")


def check_sys(m: Machine) -> Finding:
    if (m.root / "sys/devices/system/cpu").is_dir():
        return ok("/sys is mounted")
    return problem(
        "/sys is missing: mpirun would end silently and OpenCL find no device", mount_sys(m)
    )


def check_shm(m: Machine) -> Finding:
    shm = m.root / "dev/shm"
    if not shm.is_dir():
        return problem(
            "/dev/shm is missing",
            as_root(m, "sh -c 'mkdir -p /dev/shm && mount -t tmpfs -o mode=1777 tmpfs /dev/shm'"),
        )
    if not can_write(shm) and free_bytes(shm) > 0:
        return problem("/dev/shm cannot be written to", as_root(m, "chmod 1777 /dev/shm"))
    free = free_bytes(shm)
    if free < LEAST_SHM:
        return problem(
            f"/dev/shm has only {size_text(free)} free, ranks talk through it",
            as_root(m, "mount -o remount,size=1G /dev/shm"),
        )
    return ok(f"{size_text(free)} free")


def check_tmpdir(m: Machine) -> Finding:
    folder = Path(m.env.get("TMPDIR") or "/tmp")
    cure = "export TMPDIR=/tmp"
    if not can_write(folder):
        if folder == Path("/tmp"):
            cure = as_root(m, "sh -c 'mkdir -p /tmp && chmod 1777 /tmp'")
        return problem(f"{folder}, the folder for temporary files, cannot be written to", cure)
    if len(str(folder)) > LONGEST_TMPDIR:
        return problem(
            f"the path in TMPDIR has {len(str(folder))} characters; above {LONGEST_TMPDIR} mpirun's sockets fail",
            cure,
        )
    return ok(str(folder))


def check_home(m: Machine) -> Finding:
    home = m.env.get("HOME", "")
    if home and can_write(Path(home)):
        return ok(home)
    if m.env.get("POCL_CACHE_DIR") and can_write(Path(m.env["POCL_CACHE_DIR"])):
        return ok("cannot be written to, but POCL_CACHE_DIR can")
    return problem(
        f"HOME ({home or 'not set'}) cannot be written to: OpenCL would find no device and not say why",
        'export HOME="$(mktemp -d)"',
    )


def check_disk(m: Machine) -> Finding:
    free = free_bytes(m.repo)
    if free < LEAST_DISK:
        return problem(
            f"only {size_text(free)} free where the course lies, {size_text(LEAST_DISK)} is wanted",
            f"make -C {shlex.quote(str(m.repo))} clean",
        )
    return ok(f"{size_text(free)} free")


def check_cores(m: Machine) -> Finding:
    if m.cores > 1:
        return ok(f"{m.cores} cores")
    if m.all_cores > 1:
        return note(
            f"this shell may use 1 of {m.all_cores} cores: nothing will be faster in parallel",
            f"taskset -pc 0-{m.all_cores - 1} $$",
        )
    return note(
        "there is 1 core: everything is graded, but nothing will be faster in parallel",
        "give the virtual machine or container a second core  (docker run --cpus=2)",
    )


CHECKS: tuple[tuple[str, Check], ...] = (
    ("python3", check_python),
    ("gcc", check_gcc),
    ("clang", check_clang),
    ("Check", check_check),
    ("OpenBLAS", check_openblas),
    ("libseccomp", check_seccomp),
    ("AddressSanitizer", check_asan),
    ("ThreadSanitizer", check_tsan),
    ("Archer", check_archer),
    ("Open MPI and root", check_mpi_root),
    ("Open MPI slots", check_mpi_slots),
    ("Open MPI ranks", check_mpi),
    ("OpenCL device", check_opencl),
    ("oclgrind", check_oclgrind),
    ("sandbox", check_sandbox),
    ("limits", check_limits),
    ("/sys", check_sys),
    ("/dev/shm", check_shm),
    ("TMPDIR", check_tmpdir),
    ("HOME", check_home),
    ("disk space", check_disk),
    ("processors", check_cores),
)

# ---- what a person sees

LABELS = {"ok": "OK", "note": "NOTE", "problem": "PROBLEM"}
COLOURS = {"ok": "32", "note": "33", "problem": "1;31"}


def examine(m: Machine, check: Check) -> Finding:
    """One check that breaks must not take the others with it."""
    try:
        return check(m)
    except Exception as error:  # whatever a strange machine comes up with
        return problem(
            f"this check broke ({type(error).__name__}: {error})", "report this line as a bug"
        )


def show(name: str, finding: Finding, colours: bool) -> str:
    label = LABELS[finding.level].ljust(8)
    if colours:
        label = f"\033[{COLOURS[finding.level]}m{label}\033[0m"
    line = f"{label} {name:<18} {finding.text}"
    return f"{line}\n{'':9}cure: {finding.cure}" if finding.cure else line


def summary(findings: Sequence[Finding]) -> str:
    problems = sum(f.level == "problem" for f in findings)
    notes = sum(f.level == "note" for f in findings)
    text = f"{len(findings)} checks: "
    text += f"{problems} problem{'s' * (problems != 1)}" if problems else "no problem"
    if notes:
        text += f", {notes} note{'s' * (notes != 1)} (only programs that you start by hand are concerned)"
    return text


def this_machine(work: Path) -> Machine:
    return Machine(
        env=dict(os.environ),
        work=work,
        superuser=os.geteuid() == 0,
        cores=len(os.sched_getaffinity(0)),
        all_cores=os.cpu_count() or 1,
    )


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="make doctor",
        description="Looks for faults of this machine and prints the one command that cures each.",
        epilog="Example: python3 grader/doctor.py HOME 'OpenCL device'. Without names it makes every check. "
        "Exit status: 0 no problem, 1 at least one problem, 2 usage.",
    )
    known = [name for name, _ in CHECKS]
    parser.add_argument("checks", nargs="*", metavar="CHECK", help="one of: " + ", ".join(known))
    wanted = parser.parse_args(argv).checks or known
    unknown = [name for name in wanted if name not in known]
    if unknown:
        parser.error(f"there is no check '{unknown[0]}'; there are: {', '.join(known)}")
    colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    # /tmp first: a TMPDIR that is faulty or too long has a check of its own.
    folder = "/tmp" if can_write(Path("/tmp")) else None
    with tempfile.TemporaryDirectory(prefix="doctor-", dir=folder) as work:
        machine = this_machine(Path(work))
        findings = []
        for name in wanted:
            finding = examine(machine, dict(CHECKS)[name])
            print(show(name, finding, colours), flush=True)
            findings.append(finding)
    print(summary(findings))
    return 1 if any(f.level == "problem" for f in findings) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
