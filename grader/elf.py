"""A small, strict reader of ELF64 object files (little-endian), as gcc and clang write them.

The object comes from a student's source, so every offset and size is checked before use.
Layout: the System V ABI, chapters 4 (sections, symbols, relocations) and the AMD64 supplement.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

SHT_SYMTAB, SHT_RELA, SHT_NOBITS = 2, 4, 8
SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR = 1, 2, 4
STB_LOCAL, STB_GLOBAL, STB_WEAK = 0, 1, 2
STT_OBJECT, STT_FUNC, STT_IFUNC = 1, 2, 10
SHN_UNDEF, SHN_COMMON, SHN_XINDEX = 0, 0xFFF2, 0xFFFF
EM_X86_64 = 62

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SECTION = struct.Struct("<IIQQQQIIQQ")
SYMBOL = struct.Struct("<IBBHQQ")
RELA = struct.Struct("<QQq")

MAX_SECTIONS = 20_000
MAX_SYMBOLS = 50_000
MAX_RELOCATIONS = 200_000
MAX_NAME = 2_000  # bytes: many names may share the bytes of a very long one


class BadObject(Exception):
    """This is not an object file that our compilers write."""


@dataclass(frozen=True)
class Section:
    name: str
    type: int
    flags: int
    offset: int
    size: int
    link: int
    info: int

    @property
    def executable(self) -> bool:
        return bool(self.flags & SHF_EXECINSTR)

    @property
    def writable(self) -> bool:
        return bool(self.flags & SHF_WRITE)

    @property
    def loaded(self) -> bool:
        return bool(self.flags & SHF_ALLOC)


@dataclass(frozen=True)
class Symbol:
    name: str
    type: int
    binding: int
    section: int  # its section's index; SHN_UNDEF where the name is only used

    @property
    def local(self) -> bool:
        return self.binding == STB_LOCAL

    @property
    def defined(self) -> bool:
        return self.section != SHN_UNDEF


@dataclass(frozen=True)
class Relocation:
    """A place that uses a symbol."""

    section: str
    offset: int
    symbol: int  # index


@dataclass(frozen=True)
class Object:
    machine: int
    content: bytes
    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]
    relocations: tuple[Relocation, ...]

    def bytes_of(self, section: Section) -> bytes:
        if section.type == SHT_NOBITS:
            return b""
        return part(self.content, section.offset, section.size)


def read_object(content: bytes) -> Object:
    """Reads a relocatable object file, or raises BadObject."""
    try:
        return parse(content)
    except struct.error as error:
        raise BadObject(f"it is cut short ({error})") from error


def parse(content: bytes) -> Object:
    ident, kind, machine, _, _, _, table, _, _, _, _, size, count, names_at = HEADER.unpack_from(
        content
    )
    if ident[:6] != b"\x7fELF\x02\x01" or kind != 1 or size != SECTION.size:
        raise BadObject("it is not a 64-bit little-endian object file")
    raw = read_sections(content, table, count, names_at)
    symtabs = [section for section in raw if section.type == SHT_SYMTAB]
    if len(symtabs) > 1:
        raise BadObject("it has more than one symbol table")
    symbols = tuple(read_symbols(content, raw, symtabs[0])) if symtabs else ()
    return Object(
        machine, content, raw, symbols, tuple(read_relocations(content, raw, len(symbols)))
    )


def part(content: bytes, offset: int, size: int) -> bytes:
    if offset + size > len(content):
        raise BadObject("a part of it lies beyond its end")
    return content[offset : offset + size]


def read_sections(content: bytes, table: int, count: int, names_at: int) -> tuple[Section, ...]:
    if count == 0:  # more than 65279 sections: the count stands in the first one
        count = SECTION.unpack_from(part(content, table, SECTION.size))[5]
    if names_at == SHN_XINDEX:
        names_at = SECTION.unpack_from(part(content, table, SECTION.size))[6]
    if count > MAX_SECTIONS or names_at >= count:
        raise BadObject(f"it has {count} sections")
    headers = list(SECTION.iter_unpack(part(content, table, count * SECTION.size)))
    names = part(content, headers[names_at][4], headers[names_at][5])
    return tuple(
        Section(name_at(names, name), kind, flags, offset, size, link, info)
        for name, kind, flags, _, offset, size, link, info, _, _ in headers
    )


def name_at(table: bytes, offset: int) -> str:
    end = table.find(b"\0", offset)
    if offset >= len(table) or end < 0:
        raise BadObject("a name in it has no end")
    if end - offset > MAX_NAME:
        raise BadObject(f"a name in it has more than {MAX_NAME} bytes")
    return table[offset:end].decode("utf-8", "backslashreplace")


def read_symbols(content: bytes, sections: tuple[Section, ...], table: Section) -> Iterator[Symbol]:
    if (
        table.link >= len(sections)
        or table.size > MAX_SYMBOLS * SYMBOL.size
        or table.size % SYMBOL.size
    ):
        raise BadObject("its symbol table is damaged")
    names = part(content, sections[table.link].offset, sections[table.link].size)
    for name, info, _, section, _, _ in SYMBOL.iter_unpack(part(content, table.offset, table.size)):
        yield Symbol(name_at(names, name), info & 15, info >> 4, section)


def read_relocations(
    content: bytes, sections: tuple[Section, ...], symbols: int
) -> Iterator[Relocation]:
    total = 0
    for table in sections:
        if table.type != SHT_RELA:
            continue
        count, rest = divmod(table.size, RELA.size)
        total += count
        if table.info >= len(sections) or rest or total > MAX_RELOCATIONS:
            raise BadObject("its relocations are damaged")
        place = sections[table.info]
        if not place.loaded:
            continue  # debug information
        for offset, info, _ in RELA.iter_unpack(part(content, table.offset, table.size)):
            if info >> 32 >= symbols:
                raise BadObject("its relocations are damaged")
            yield Relocation(place.name, offset, info >> 32)
