"""Screen: looks at the object file of a submission, not at its text, before anything of it runs.

It may call what it likes, except what lab.toml refuses with a reason; it must define what the
lab's interface says, and nothing of ours or of the runtime's.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import chain, islice
from pathlib import Path

from grader import elf
from grader.course import Lab

# Names that a submission must not define, and whose they are.
RESERVED = {
    "main": "main.c of the lab defines it",
    "_start": "the C runtime defines it",
    "_init": "the C runtime defines it",
    "_fini": "the C runtime defines it",
    "__wrap_*": "it belongs to the linker",
    "__real_*": "it belongs to the linker",
    "__libc_*": "it belongs to the C library",
    "__asan_*": "it belongs to the sanitizer",
    "__tsan_*": "it belongs to the sanitizer",
    "__ubsan_*": "it belongs to the sanitizer",
    "__lsan_*": "it belongs to the sanitizer",
    "__sanitizer_*": "it belongs to the sanitizer",
    "MPI_*": "it belongs to MPI",
    "PMPI_*": "it belongs to MPI",
    "ompi_*": "it belongs to MPI",
    "omp_*": "it belongs to OpenMP",
    "GOMP_*": "it belongs to OpenMP",
    "__kmpc_*": "it belongs to OpenMP",
    "cl[A-Z]*": "it belongs to OpenCL",
    "cblas_*": "it belongs to the BLAS",
    "npy_*": "the course's common files define it",
    "engines_*": "the course's common files define it",
    "witness_*": "the course's common files define it",
    "rng_*": "the course's common files define it",
    "mpi_trace*": "the course's common files define it",
    "ck_*": "it belongs to Check",
    "suite_*": "it belongs to the tests",
} | dict.fromkeys(
    "getpid getppid gettid fork vfork clone _exit exit wait waitpid kill execve read write open close mmap pipe "
    "socketpair malloc calloc realloc free aligned_alloc posix_memalign memalign clock_* gettimeofday time times "
    "nanosleep usleep sleep syscall dlopen dlsym".split(),
    "it belongs to the C library",
)

CONSTRUCTORS = (
    ".init_array*",
    ".fini_array*",
    ".preinit_array*",
    ".ctors*",
    ".dtors*",
    ".init",
    ".fini",
)
# The sections that compilers make of C. Others steer the linker (.interp, .gnu.lto_* with a
# program of its own, .gnu.warning.*), or run as code where nobody expects it.
USUAL = (
    ".text",
    ".text.*",
    ".data",
    ".data.*",
    ".bss",
    ".bss.*",
    ".tdata",
    ".tdata.*",
    ".tbss",
    ".tbss.*",
)
USUAL_CONSTANT = (
    ".rodata",
    ".rodata.*",
    ".eh_frame",
    ".gcc_except_table*",
    ".note.*",
    ".comment",
    ".debug_*",
    ".symtab",
    ".symtab_shndx",
    ".strtab",
    ".shstrtab",
    ".rela.*",
    ".rel.*",
    ".group",
    ".gnu.attributes",
    ".llvm_addrsig",
)
USUAL_OF_SANITIZERS = ("asan_globals",)
# The lock that the compiler makes for omp critical and for reductions. No name of the runtime's begins so.
CRITICAL = ".gomp_critical_user_"
SYSTEM_CALL_BYTES = (b"\x0f\x05", b"\x0f\x34", b"\xcd\x80")  # syscall, sysenter, int 0x80
SYSTEM_CALL = re.compile(
    r"^\s*[0-9a-f]+:\s+(?:[a-z0-9]+ )*?(syscall|sysenter|int\s+\$0x80|svc\b.*)", re.MULTILINE
)


# What the sanitizers' compilers put into every object file; a submission may not call the rest of them.
GENERATED = (
    "__asan_report_*",
    "__asan_load*",
    "__asan_store*",
    "__asan_init",
    "__asan_version_mismatch_check_*",
    "__asan_*register_*globals",
    "__asan_handle_no_return",
    "__asan_stack_*",
    "__asan_*poison_stack_memory",
    "__asan_option_*",
    "__asan_set_shadow_*",
    "__asan_alloca_*",
    "__asan_*allocas_unpoison",
    "__asan_mem*",
    "__ubsan_handle_*",
    "__tsan_init",
    "__tsan_func_*",
    "__tsan_read*",
    "__tsan_write*",
    "__tsan_unaligned_*",
    "__tsan_atomic*",
    "__tsan_vptr_*",
    "__tsan_mem*",
)


MOST_NAMES = 1000  # that are compared with a missing one
MOST_FINDINGS = 20  # of one object file: each may cost a look into the debug information


@dataclass(frozen=True)
class Finding:
    """One reason why a submission is not run."""

    cause: str  # link, method or tamper
    message: str


@dataclass(frozen=True)
class Tools:
    """binutils, run in the sandbox: each takes arguments after the object's name and returns the output."""

    disassemble: Callable[[Path], str]
    line_of: Callable[[Path, str, int], int | None]  # object, section, offset -> line of the source


def screen(
    lab: Lab, source: Path, flavour: str, object_file: Path, tools: Tools
) -> tuple[Finding, ...]:
    """What is wrong with one object file; nothing if it may run."""
    try:
        parsed = elf.read_object(object_file.read_bytes())
    except (elf.BadObject, OSError) as error:
        return (Finding("tamper", f"the object file of {source.name} cannot be examined: {error}"),)
    text = source.read_text(encoding="utf-8", errors="replace")

    def place(symbol: str) -> str:
        return position(parsed, object_file, source.name, text, symbol, tools)

    findings = chain(
        checks_taken_away(source.name, text),
        refused_calls(parsed, lab.refuse, flavour, place),
        reserved_definitions(parsed, place),
        indirect_functions(parsed, source.name),
        lasting_definitions(parsed, place),
        constructors(parsed, source.name, flavour),
        unusual_sections(parsed, source.name, flavour),
        system_calls(parsed, object_file, source.name, tools),
    )
    return tuple(islice(findings, MOST_FINDINGS))


def missing_exports(lab: Lab, objects: Sequence[Path]) -> tuple[Finding, ...]:
    """Functions of the lab's interface that no object file defines."""
    defined: set[str] = set()
    for file in objects:
        try:
            symbols = elf.read_object(file.read_bytes()).symbols
        except (elf.BadObject, OSError):
            return ()  # screen() says so
        defined |= {s.name for s in symbols if s.defined and not s.local and s.type == elf.STT_FUNC}
    missing = [name for name in lab.exports if name not in defined]
    sources = " and ".join(name for name in lab.submit if name.endswith(".c"))
    return tuple(
        Finding(
            "link",
            f"{sources} does not define {name}{like(name, defined - set(lab.exports))} "
            "Write this function as the lab's header declares it, not static.",
        )
        for name in missing
    )


def like(name: str, defined: Iterable[str]) -> str:
    """The end of the sentence: a name that may be meant, if there is one."""
    candidates = [other for other in sorted(defined) if abs(len(other) - len(name)) <= 3]
    close = get_close_matches(name, candidates[:MOST_NAMES], 1, 0.8)
    return f", only {close[0]}: is the name misspelt?" if close else "."


# ---- single rules ----


def refused_calls(
    parsed: elf.Object, refuse: Mapping[str, str], flavour: str, place: Callable[[str], str]
) -> Iterator[Finding]:
    for name in sorted(
        {symbol.name for symbol in parsed.symbols if not symbol.defined and symbol.name}
    ):
        plain, version, _ = name.partition("@")
        if flavour != "plain" and matching(plain, GENERATED):
            continue
        pattern = matching(plain, refuse) or matching(public_name(plain), refuse)
        if pattern:
            yield Finding(
                "method",
                f"{place(name)} uses {plain}, which this lab refuses: it {refuse[pattern]}",
            )
        elif version:
            words = f"{place(name)} asks for one version of {plain}, past what the course puts before it"
            yield Finding("method", f"{words}. Call {plain} by its plain name.")


def public_name(name: str) -> str:
    """The C library has many functions under private names as well: __connect, __libc_fork."""
    return name.lstrip("_").removeprefix("libc_").removeprefix("GI_")


def matching(name: str, patterns: Iterable[str]) -> str | None:
    """The first pattern that the name fits."""
    return next((pattern for pattern in patterns if fnmatchcase(name, pattern)), None)


def reserved_definitions(parsed: elf.Object, place: Callable[[str], str]) -> Iterator[Finding]:
    for symbol in parsed.symbols:
        if not symbol.defined or symbol.local:
            continue
        plain = symbol.name.partition("@")[0]
        if symbol.type == elf.STT_OBJECT and plain != "main":
            continue  # a variable called times or rng_state: no call comes to it
        owner = next(
            (why for pattern, why in RESERVED.items() if fnmatchcase(plain, pattern)), None
        )
        if owner:
            cause = "link" if plain == "main" else "tamper"
            yield Finding(
                cause,
                f"{place(symbol.name)} defines {plain}, but {owner}. Give yours another name.",
            )


def indirect_functions(parsed: elf.Object, source: str) -> Iterator[Finding]:
    for symbol in parsed.symbols:
        if symbol.type == elf.STT_IFUNC:
            words = f"{source} defines {symbol.name} with the attribute ifunc, which runs code before main"
            yield Finding("tamper", f"{words}. Write a plain function.")


def lasting_definitions(parsed: elf.Object, place: Callable[[str], str]) -> Iterator[Finding]:
    """Symbols that stay visible in the program whatever lab.mk does, and so could replace the runtime's."""
    for symbol in parsed.symbols:
        if symbol.name.startswith(CRITICAL):
            continue
        unusual = symbol.binding not in (elf.STB_LOCAL, elf.STB_GLOBAL, elf.STB_WEAK)
        if symbol.defined and (unusual or symbol.section == elf.SHN_COMMON):
            words = f"{place(symbol.name)} defines {symbol.name} as a common or unique symbol"
            yield Finding("tamper", f"{words}. Write a plain function or variable.")


def constructors(parsed: elf.Object, source: str, flavour: str) -> Iterator[Finding]:
    """Code that would run before or after main. A sanitizer adds an entry of its own, of one address."""
    own = {"init": 0, "fini": 0, "ctors": 0, "dtors": 0}
    if flavour != "plain":
        globals_leave = any(symbol.name == "__asan_unregister_globals" for symbol in parsed.symbols)
        own.update(init=8, fini=8 if globals_leave else 0)
    for kind, expected in own.items():
        if sum(s.size for s in parsed.sections if is_constructor(s) and kind in s.name) > expected:
            words = f"{source} has code that runs before or after main (a constructor or destructor attribute)"
            yield Finding("tamper", f"{words}. Do this work in the lab's functions.")
            return


def is_constructor(section: elf.Section) -> bool:
    return matching(section.name, CONSTRUCTORS) is not None


def unusual_sections(parsed: elf.Object, source: str, flavour: str) -> Iterator[Finding]:
    for section in parsed.sections[1:]:  # the first one is always empty
        usual = USUAL if section.writable or section.executable else USUAL_CONSTANT
        if flavour != "plain":
            usual += USUAL_OF_SANITIZERS
        if section.name == ".note.GNU-stack" and section.size == 0:
            continue  # says only whether the stack holds code, as gcc's nested functions need it
        both = section.writable and section.executable
        if both or not (matching(section.name, usual) or is_constructor(section)):
            words = f"{source} puts code or data into the section {ascii(section.name)}"
            yield Finding(
                "tamper",
                f"{words}. Leave out the section attribute or the assembly that does this.",
            )


def system_calls(parsed: elf.Object, file: Path, source: str, tools: Tools) -> Iterator[Finding]:
    """Instructions that call the kernel past the C library."""
    code = b"".join(parsed.bytes_of(section) for section in parsed.sections if section.executable)
    if parsed.machine == elf.EM_X86_64 and not any(
        pattern in code for pattern in SYSTEM_CALL_BYTES
    ):
        return  # the usual case, and no disassembler needed
    try:
        listing = tools.disassemble(file)
    except elf.BadObject as error:
        yield Finding("tamper", f"the object file of {source} cannot be examined: {error}")
        return
    found = SYSTEM_CALL.search(listing)
    if found:
        words = f"{source}{listed_line(listing, found.start())} has an instruction that calls the kernel ({found[1].strip()})"
        yield Finding("tamper", f"{words}. Use the functions of the C library instead of assembly.")


def listed_line(listing: str, at: int) -> str:
    """The source line of a place in the output of objdump -dl, as " line 12"."""
    lines = re.findall(r"^/\S*:(\d+)(?: \(discriminator \d+\))?$", listing[:at], re.MULTILINE)
    return f" line {lines[-1]}" if lines else ""


# What gives the attribute no_sanitize its meaning back, which lab.mk has taken from it: the words after
# the # of a directive, and clang's way to give many functions an attribute, which reads no macros.
CHECKS = re.compile("no_sanitize|no_address_safety|sanitizer_instr")
DIRECTIVE = re.compile(r"(?:#|%:)(?=[^\S\n]*(?:/\*|define|undef))")
WORD, BLANKS = re.compile(r"\w*"), re.compile(r"[^\S\n]*")


def checks_taken_away(source: str, text: str) -> Iterator[Finding]:
    """Directives that take functions away from the sanitizers again.

    The one rule on the text: the object does not show which function was to be checked."""
    plain = re.sub(r"\\\s*\n", "", text)
    if not CHECKS.search(plain):
        return
    after = skipper(plain)
    for hash_sign in DIRECTIVE.finditer(plain):
        word = after(hash_sign.end())
        kind = next((k for k in ("define", "undef") if plain.startswith(k, word)), None)
        name = after(word + len(kind)) if kind else 0
        if kind and CHECKS.search(plain, name, end_of(WORD, plain, name)):
            words = f"{source} gives the attribute no_sanitize another meaning"
            yield Finding(
                "tamper", f"{words}. Leave this directive out: every function is checked."
            )
            return


def skipper(text: str) -> Callable[[int], int]:
    """A function from a place to the next one that is neither blank nor in a comment that begins after it.

    It remembers, so that a million comments in a row are not walked through a million times."""
    ends = [match.end() for match in re.finditer(r"\*/", text)]
    known: dict[int, int] = {}

    def after(at: int) -> int:
        passed = []
        while at not in known:
            passed.append(at)
            begin = end_of(BLANKS, text, at)
            if not text.startswith("/*", begin):
                known[at] = begin
            else:
                close = bisect_left(ends, begin + 4)
                at = ends[close] if close < len(ends) else len(text)
        found = known[at]
        known.update(dict.fromkeys(passed, found))
        return found

    return after


def end_of(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at


# ---- where it stands ----


def position(
    parsed: elf.Object, file: Path, source: str, text: str, symbol: str, tools: Tools
) -> str:
    """ "pool.c line 12" for the first use of a symbol: by debug information, else by its name in the text."""
    uses = [
        r
        for r in parsed.relocations
        if parsed.symbols[r.symbol].name == symbol and r.section.startswith(".text")
    ]
    line = tools.line_of(file, uses[0].section, uses[0].offset) if uses else None
    line = line or line_with(text, symbol.partition("@")[0])
    return f"{source} line {line}" if line else source


def line_with(text: str, word: str) -> int | None:
    pattern = re.compile(rf"\b{re.escape(word)}\b")
    for number, line in enumerate(text.splitlines(), 1):
        if pattern.search(line):
            return number
    return None
