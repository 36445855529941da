"""Writes the fuzzer's seed files, npy-corpus/ok-*.npy and bad-*.npy: .npy files byte by byte.

check_npy.c says what the reader must answer to each. Files named found-* are inputs that the
fuzzer came upon; they are kept as they are.
"""

import struct
import sys
from pathlib import Path

MAGIC = b"\x93NUMPY"


def text(descr: str = "'<f8'", order: str = "False", shape: str = "(3,)") -> bytes:
    """The header's text as numpy writes it, without padding and newline."""
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}".encode()


def v1(header: bytes, data: bytes = b"", end: bytes = b"\n") -> bytes:
    """A version 1.0 file, padded so that the data begins at a multiple of 64."""
    header += b" " * (-(10 + len(header) + len(end)) % 64) + end
    return MAGIC + b"\x01\x00" + struct.pack("<H", len(header)) + header + data


def v2(header: bytes, data: bytes = b"", claim: int | None = None) -> bytes:
    """A version 2.0 file; claim is the length of the text that it states, if not the true one."""
    header += b" " * (-(12 + len(header) + 1) % 64) + b"\n"
    length = len(header) if claim is None else claim
    return MAGIC + b"\x02\x00" + struct.pack("<I", length) + header + data


F8 = struct.pack("<3d", 1.5, -2.0, 0.1)
DESCR, ORDER, SHAPE = b"'descr': '<f8'", b"'fortran_order': False", b"'shape': (3,)"

SEEDS = {
    "ok-f8": v1(text(), F8),
    "ok-f4": v1(text("'<f4'"), struct.pack("<3f", 1.5, -2.0, 0.1)),
    "ok-i8": v1(text("'<i8'"), struct.pack("<3q", 1, -(2**63), 2**63 - 1)),
    "ok-i4": v1(text("'<i4'"), struct.pack("<3i", 1, -(2**31), 2**31 - 1)),
    "ok-u1": v1(text("'|u1'"), b"\x00\x7f\xff"),
    "ok-version-2": v2(text(), F8),
    "ok-scalar": v1(text(shape="()"), F8[:8]),
    "ok-4-axes": v1(text("'|u1'", shape="(1, 2, 3, 2)"), bytes(range(12))),
    "ok-zero": v1(text(shape="(0,)")),
    "ok-zero-rows": v1(text(shape="(0, 7)")),
    "ok-zero-columns": v1(text(shape="(7, 0)")),
    "ok-other-order": v1(b"{" + b", ".join([SHAPE, DESCR, ORDER]) + b"}", F8),
    "ok-no-spaces": v1(b"{'descr':'<f8','fortran_order':False,'shape':(3,)}", F8),
    "bad-empty": b"",
    "bad-magic": b"PK\x03\x04 a zip archive",
    "bad-text": b"1.0 2.0 3.0\n",
    "bad-cut-in-magic": MAGIC[:4],
    "bad-cut-in-prefix": v1(text())[:9],
    "bad-cut-in-header": v1(text(), F8)[:70],
    "bad-cut-in-data": v1(text(), F8)[:-1],
    "bad-trailing": v1(text(), F8 + b"\n"),
    "bad-zero-with-data": v1(text(shape="(0, 7)"), F8),
    "bad-version-0": MAGIC + b"\x00\x00" + v1(text(), F8)[8:],
    "bad-version-3": MAGIC + b"\x03\x00" + v2(text(), F8)[8:],
    "bad-version-1-1": MAGIC + b"\x01\x01" + v1(text(), F8)[8:],
    "bad-header-4-gib": v2(text(), F8, claim=0xFFFFFFFF),
    "bad-header-65537": v2(text() + b" " * 65600, F8, claim=65537),
    "bad-header-none": MAGIC + b"\x01\x00\x00\x00" + F8,
    "bad-newline-missing": v1(text(), F8, end=b""),
    "bad-newline-early": v1(text() + b"\n", F8),
    "bad-after-dict": v1(text() + b" + [1]", F8),
    "bad-not-ascii": v1("{'descr': '<f8', 'größe': (3,), }".encode(), F8),
    "bad-nul": v1(text().replace(b" ", b"\0"), F8),
    "bad-tab": v1(text().replace(b" ", b"\t"), F8),
    "bad-double-quotes": v1(text().replace(b"'", b'"'), F8),
    "bad-escape": v1(text("'\\x3cf8'"), F8),
    "bad-list": v1(b"['<f8', False, (3,)]", F8),
    "bad-no-dict": v1(b"{}", F8),
    "bad-comma-only": v1(b"{,}", F8),
    "bad-comma-missing": v1(b"{" + b" ".join([DESCR, ORDER, SHAPE]) + b"}", F8),
    "bad-brace-missing": v1(b"{" + b", ".join([DESCR, ORDER, SHAPE]), F8),
    "bad-key-missing": v1(b"{" + b", ".join([DESCR, ORDER]) + b"}", F8),
    "bad-key-twice": v1(b"{" + b", ".join([DESCR, ORDER, SHAPE, SHAPE]) + b"}", F8),
    "bad-key-more": v1(b"{" + b", ".join([DESCR, ORDER, SHAPE, b"'align': 1"]) + b"}", F8),
    "bad-fortran": v1(text(order="True", shape="(3, 1)"), F8),
    "bad-order-number": v1(text(order="0"), F8),
    "bad-order-longer": v1(text(order="Falsehood"), F8),
    "bad-object": v1(text("'|O'"), b"\x80\x03cos\nsystem\nX\x04\0\0\0trueq\0\x85q\x01Rq\x02."),
    "bad-big-endian": v1(text("'>f8'"), F8),
    "bad-complex": v1(text("'<c16'", shape="(1,)"), F8[:16]),
    "bad-bool": v1(text("'|b1'"), b"\0\1\0"),
    "bad-records": v1(text("[('x', '<f8')]"), F8),
    "bad-descr-empty": v1(text("''"), F8),
    "bad-descr-long": v1(text("'<f" + "8" * 100 + "'"), F8),
    "bad-shape-number": v1(text(shape="3"), F8),
    "bad-shape-brackets": v1(text(shape="(3)"), F8),
    "bad-shape-list": v1(text(shape="[3]"), F8),
    "bad-shape-comma": v1(text(shape="(,)"), F8),
    "bad-shape-open": v1(b"{" + b", ".join([DESCR, ORDER, b"'shape': (3,"]), F8),
    "bad-shape-float": v1(text(shape="(3.0,)"), F8),
    "bad-shape-negative": v1(text(shape="(-3,)"), F8),
    "bad-shape-zero-first": v1(text(shape="(03,)"), F8),
    "bad-shape-5-axes": v1(text(shape="(3, 1, 1, 1, 1)"), F8),
    "bad-shape-2-63": v1(text("'|u1'", shape=f"({2**63},)"), F8),
    "bad-shape-2-64": v1(text(shape=f"({2**64 + 3},)"), F8),
    "bad-product-wraps": v1(text(shape=f"({2**32}, {2**32}, 3)"), F8),
    "bad-bytes-wrap": v1(text(shape=f"({2**61 + 3},)"), F8),
    "bad-product-zero": v1(text(shape=f"({2**40}, {2**40}, 0)")),
    "bad-huge": v1(text(shape=f"({2**50},)"), F8),
}


def main(folder: Path) -> None:
    for name, content in SEEDS.items():
        (folder / f"{name}.npy").write_bytes(content)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "npy-corpus")
