"""Names that students brought, as file names on disk and as text in JSON.

A student may be called anything, also something that is not UTF-8 or that is a path.
"""

from __future__ import annotations

import hashlib
import os

OURS = ("grades.csv",)  # what the grader itself writes beside the students' folders
LONGEST = 200  # bytes; a file name may have 255, and temporary files add some


def true_name(name: str) -> str:
    """The name as valid text: bytes that are not UTF-8 as \\xNN (a file name from os.listdir)."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def disk_name(name: str) -> str:
    """The name as one plain path component: others than letters, digits, . _ - as %XX."""
    encoded = "".join(chr(byte) if is_plain(byte) else f"%{byte:02X}" for byte in os.fsencode(name))
    if encoded[:1] in (".", "-") or name in OURS:
        encoded = f"%{ord(encoded[0]):02X}{encoded[1:]}"
    if len(encoded) <= LONGEST:
        return encoded
    # "%~" is no encoded byte, so no short name can look like a shortened one.
    return f"{encoded[:LONGEST - 40]}%~{hashlib.sha256(os.fsencode(name)).hexdigest()[:32]}"


def is_plain(byte: int) -> bool:
    return chr(byte).isascii() and (chr(byte).isalnum() or chr(byte) in "._-")
