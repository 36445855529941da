"""screen.py and elf.py, on small object files that are compiled here by lab.mk's compilers."""

from __future__ import annotations

import re
import struct
import subprocess
import time
from pathlib import Path

import pytest

from grader import elf
from grader.course import Lab
from grader.screen import Finding, Tools, checks_taken_away, like, missing_exports, screen
from grader.tests.helpers import make_lab

FLAGS = {
    "plain": ["gcc", "-O3"],
    "clang": ["clang", "-O1"],
    "asan": ["gcc", "-O1", "-fsanitize=address,undefined"],
    "tsan": ["clang", "-O1", "-fsanitize=thread"],
}
HONEST = """
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
static _Thread_local int per_thread = 3;
static int table[] = {1, 2, 3};
int run(void), check(void), total;
int run(void) { return table[total % 3]++ + per_thread++; }
int check(void) { sem_t s; sem_init(&s, 1, 1); return sem_wait(&s); }
double times[3], clock_ticks = 1; /* names of the C library's functions, but no functions */
int pool_map(void)
{
    void *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (fork() == 0)
        _exit(run() + check());
    printf("%d %p %d\\n", eventfd(0, 0), shared, (int)getpid());
    kill(0, 0);
    return wait(NULL) + (malloc(3) != NULL) + 0x0f05;
}
"""


def compile_object(folder: Path, source: str, flavour: str = "plain") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pool.c").write_text(source)
    words = [
        *FLAGS[flavour],
        "-g",
        "-std=gnu17",
        "-w",
        "-c",
        str(folder / "pool.c"),
        "-o",
        str(folder / "pool.o"),
    ]
    subprocess.run(words, check=True)
    return folder / "pool.o"


def disassemble(file: Path) -> str:
    words = ["objdump", "-dl", "--no-show-raw-insn", str(file)]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def line_of(file: Path, section: str, offset: int) -> int | None:
    words = ["addr2line", "-e", str(file), "-j", section, hex(offset)]
    found = re.search(
        r":(\d+)", subprocess.run(words, capture_output=True, text=True, check=True).stdout
    )
    return int(found[1]) if found else None


def findings(
    folder: Path, source: str, flavour: str = "plain", lab: Lab | None = None
) -> tuple[Finding, ...]:
    file = compile_object(folder, source, flavour)
    kind = "plain" if flavour == "clang" else flavour
    return screen(lab or make_lab(), folder / "pool.c", kind, file, Tools(disassemble, line_of))


@pytest.mark.parametrize("flavour", list(FLAGS))
def test_honest_code_is_not_refused(tmp_path: Path, flavour: str) -> None:
    assert findings(tmp_path, HONEST, flavour) == ()


@pytest.mark.parametrize("flavour", ["plain", "asan", "tsan"])
@pytest.mark.parametrize(
    ("source", "cause", "words"),
    [
        ("void *dlopen(const char *, int);\n\nint f(void) { return dlopen(0, 1) != 0; }", "method", "pool.c line 3 uses dlopen, which this lab refuses: it loads code."),
        ("void *dlopen(const char *, int);\nvoid *p = (void *)dlopen;", "method", "pool.c line 1 uses dlopen"),
        ("int PMPI_Send(void);\nint f(void) { return PMPI_Send() + 1; }", "method", "pool.c line 2 uses PMPI_Send"),
        ('void g(void);\n__asm__(".symver g, dlopen@GLIBC_2.34");\nint f(void) { g(); return 1; }', "method", "uses dlopen"),
        ("int main(void) { return 0; }", "link", "defines main, but main.c of the lab defines it. Give yours another name."),
        ("\nint getpid(void) { return 3; }", "tamper", "pool.c line 2 defines getpid, but it belongs to the C library"),
        ("int clock_gettime(void) { return 3; }", "tamper", "defines clock_gettime"),
        ("int MPI_Send(void) { return 3; }", "tamper", "defines MPI_Send, but it belongs to MPI"),
        ("int witness_tell(void) { return 3; }", "tamper", "defines witness_tell"),
        ("int __wrap_fork(void) { return 3; }", "tamper", "defines __wrap_fork"),
        ("__attribute__((weak)) void *malloc(unsigned long n) { return 0; }", "tamper", "defines malloc"),
        ("void npy_load(void) { }", "tamper", "defines npy_load"),
        ("int x(void);\n__attribute__((constructor)) void f(void) { x(); }", "tamper", "before or after main"),
        ("int x(void);\n__attribute__((destructor)) void f(void) { x(); }", "tamper", "before or after main"),
        ('static void f(void) { }\n__attribute__((section(".preinit_array"), used)) static void (*p)(void) = f;', "tamper", "before or after main"),
        ('__asm__(".section .init,\\"ax\\"\\nnop\\n.text");', "tamper", "before or after main"),
        ("static int g(void) { return 1; }\nstatic void *r(void) { return g; }\nint f(void) __attribute__((ifunc(\"r\")));", "tamper", "ifunc"),
    ],
)  # fmt: skip
def test_what_is_refused_is_named(
    tmp_path: Path, source: str, cause: str, words: str, flavour: str
) -> None:
    found = findings(tmp_path, source, flavour)
    assert [finding.cause for finding in found][:1] == [cause], found
    assert words in found[0].message


@pytest.mark.parametrize("flavour", ["plain", "asan", "tsan"])
@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('int f(void) {\n  __asm__ volatile("syscall");\n  return 0; }', "pool.c line 2 has an instruction that calls the kernel (syscall)"),
        ('int f(void) { __asm__ volatile("int $0x80"); return 0; }', "calls the kernel (int"),
        ('int f(void) { __asm__ volatile("sysenter"); return 0; }', "calls the kernel (sysenter)"),
        ('__attribute__((section("mine"))) int f(void) { return 0; }', "the section 'mine'"),
        ('__asm__(".section .data.x,\\"awx\\"\\nnop\\n.text");', "the section '.data.x'"),
        ('__asm__(".section mine,\\"aw\\",@init_array\\n.quad 0\\n.text");', "the section 'mine'"),
        ("#undef no_sanitize\nint f(void) { return 1; }", "gives the attribute no_sanitize"),
        ('char *s = "/*";\n# /**/ unde\\\nf /* a\n b */ __no_sanitize_address__\nint x;', "gives the attribute no_sanitize"),
        ("#define no_sanitize(x) no_sanitize(x)\nint x;", "gives the attribute no_sanitize"),
        ("#undef" + "/**/" * 500 + "no_sanitize\nint x;", "gives the attribute no_sanitize"),
        ('__attribute__((section(".got.plt"))) int x = 3;', "the section '.got.plt'"),
        ('__asm__(".section .interp,\\"a\\"\\n.string \\"/work/loader\\"\\n.text");', "the section '.interp'"),
        ('__asm__(".section .gnu.lto_.opts,\\"e\\"\\n.string \\"\\"\\n.text");', "the section '.gnu.lto_.opts'"),
        ('int f(void) { return 1; }\n__asm__(".comm recv,8,8");', "defines recv as a common or unique symbol"),
        ('int f(void) { return 1; }\n__asm__(".type send,@gnu_unique_object\\nsend: ret");', "defines send as a common or unique"),
    ],
)  # fmt: skip
def test_what_goes_around_the_c_compiler_is_refused(
    tmp_path: Path, source: str, words: str, flavour: str
) -> None:
    found = findings(tmp_path, source, flavour)
    assert [finding.cause for finding in found] == ["tamper"], found
    assert words in found[0].message


@pytest.mark.parametrize("flavour", ["plain", "asan"])
def test_a_nested_function_may_stand_on_the_stack(tmp_path: Path, flavour: str) -> None:
    source = (
        "int call(int (*f)(int)) { return f(1); }\n"
        "int pool_map(int n) { int more(int by) { return n += by; } return call(more); }"
    )
    assert findings(tmp_path, source, flavour) == ()


def test_one_version_of_a_function_is_refused(tmp_path: Path) -> None:
    source = 'int mine(int);\n__asm__(".symver mine, close@GLIBC_2.2.5");\nint f(void) { return mine(3); }'.replace(
        '\\"', '"'
    )
    found = findings(tmp_path, source)
    assert [finding.cause for finding in found] == ["method"]
    assert "asks for one version of close" in found[0].message


@pytest.mark.parametrize(
    "text",
    [
        "#" + "/**/" * 100_000,
        "#/*" * 100_000,
        "/*#/**/" * 100_000,
        "#" * 300_000,
        "# " * 200_000,
        "\\ " * 200_000,
        "#define" * 50_000,
    ],
    ids=lambda text: str(text[:9]),
)
def test_no_text_keeps_the_search_for_directives_busy(text: str) -> None:
    began = time.monotonic()
    assert list(checks_taken_away("pool.c", text + "\nno_sanitize")) == []
    assert time.monotonic() - began < 20  # of less than one; a careless pattern needs years


def test_a_constructor_hidden_from_the_plain_build_is_found_in_the_other(tmp_path: Path) -> None:
    hidden = "#ifdef __SANITIZE_ADDRESS__\nint x;\n__attribute__((constructor)) void f(void) { x++; }\n#endif\nint y;"
    assert findings(tmp_path / "plain", hidden, "plain") == ()
    assert [finding.cause for finding in findings(tmp_path / "asan", hidden, "asan")] == ["tamper"]


def test_the_sanitizers_own_functions_are_refused_but_for_what_compilers_call(
    tmp_path: Path,
) -> None:
    lab = make_lab(refuse={"__asan_*": "is the sanitizer's own."})
    source = "void __asan_set_death_callback(void *);\nint f(int *p) { __asan_set_death_callback(p); return *p; }"
    found = findings(tmp_path, source, "asan", lab)
    assert len(found) == 1 and "uses __asan_set_death_callback" in found[0].message


def test_a_missing_function_is_named(tmp_path: Path) -> None:
    lab = make_lab(exports=("pool_create", "pool_map", "pool_destroy"))
    source = "int pool_create(void) { return 1; }\nstatic int pool_map(void) { return 1; }\nint pool_destroy;"
    file = compile_object(tmp_path, source + "\nint f(void) { return pool_map(); }")
    messages = [finding.message for finding in missing_exports(lab, [file])]
    assert len(messages) == 2
    assert "pool.c does not define pool_map" in messages[0]
    assert "pool.c does not define pool_destroy" in messages[1]


def test_damaged_objects_are_refused_and_never_crash_the_reader(tmp_path: Path) -> None:
    content = compile_object(tmp_path, HONEST).read_bytes()
    assert elf.read_object(content).symbols
    for end in range(0, len(content), 97):
        with pytest.raises(elf.BadObject):
            elf.read_object(content[:end])
    offsets = struct.unpack_from("<Q", content, 40)[0]
    for at in [*range(64), *range(offsets, len(content), 3)]:
        damaged = bytearray(content)
        damaged[at] ^= 0xFF
        try:
            elf.read_object(bytes(damaged))
        except elf.BadObject:
            pass


def test_a_file_that_is_no_object_is_refused(tmp_path: Path) -> None:
    compile_object(tmp_path, "int x;")
    (tmp_path / "pool.o").write_bytes(b"!<arch>\n")
    found = screen(
        make_lab(), tmp_path / "pool.c", "plain", tmp_path / "pool.o", Tools(disassemble, line_of)
    )
    assert "cannot be examined" in found[0].message


@pytest.mark.parametrize(
    "defined, words",
    [
        ({"pool_mapp"}, ", only pool_mapp: is the name misspelt?"),
        ({"run", "xyz"}, "."),
        (set(), "."),
    ],
)
def test_a_misspelt_name_is_pointed_out(defined: set[str], words: str) -> None:
    assert like("pool_map", defined) == words


def test_names_and_findings_without_number_are_cut_short(tmp_path: Path) -> None:
    long = "n" * 3000
    compile_object(tmp_path, f"int {long};\nint f(void) {{ return {long}; }}")
    with pytest.raises(elf.BadObject, match="a name in it has more than"):
        elf.read_object((tmp_path / "pool.o").read_bytes())
    many = "".join(f"int MPI_{n}(void) {{ return {n}; }}\n" for n in range(300))
    assert len(findings(tmp_path / "many", many)) == 20
