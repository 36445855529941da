"""npy.c against numpy itself: each reads what the other writes, and refuses no less."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from npy_corpus import SEEDS

HERE = Path(__file__).parent
CORPUS = sorted((HERE / "npy-corpus").iterdir())
TYPES = ["<f8", "<f4", "<i8", "<i4", "|u1"]
SHAPES = [(), (0,), (1,), (1000,), (3, 4), (0, 5), (5, 0), (2, 3, 4), (2, 3, 4, 5)]

Array = npt.NDArray[Any]


@pytest.fixture(scope="module")
def npy_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program npy_copy, built with the sanitizers."""
    program = tmp_path_factory.mktemp("build") / "npy_copy"
    words = ["gcc", "-std=gnu17", "-g", "-O1", "-fsanitize=address,undefined"]
    words += ["-fno-sanitize-recover=undefined", "-I", str(HERE.parent), "-o", str(program)]
    sources = [HERE / "npy_copy.c", HERE.parent / "npy.c", HERE.parent / "npy_header.c"]
    subprocess.run(words + [str(s) for s in sources], check=True)
    return program


def copy(program: Path, source: Path, target: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(program), str(source), str(target)], text=True, capture_output=True, timeout=20
    )


def sample(descr: str, shape: tuple[int, ...]) -> Array:
    """Random bits, NaN and all."""
    dtype = np.dtype(descr)
    count = int(np.prod(shape, dtype=np.int64))
    bits = np.random.default_rng(5).bytes(count * dtype.itemsize)
    return np.frombuffer(bits, dtype=dtype).reshape(shape)


def assert_same(found: Array, expected: Array) -> None:
    assert found.dtype.str == expected.dtype.str
    assert found.shape == expected.shape
    assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
@pytest.mark.parametrize("descr", TYPES)
def test_numpy_to_c_to_numpy(
    npy_copy: Path, tmp_path: Path, descr: str, version: tuple[int, int]
) -> None:
    for number, shape in enumerate(SHAPES):
        source, target = tmp_path / f"{number}-in.npy", tmp_path / f"{number}-out.npy"
        with source.open("wb") as f:
            np.lib.format.write_array(f, sample(descr, shape), version=version)  # type: ignore[no-untyped-call]
        done = copy(npy_copy, source, target)
        assert (done.returncode, done.stderr) == (0, ""), shape
        assert_same(np.load(target, allow_pickle=False), sample(descr, shape))


def test_numpy_maps_what_we_write(npy_copy: Path, tmp_path: Path) -> None:
    a = sample("<f8", (100, 3))
    np.save(tmp_path / "in.npy", a)
    assert copy(npy_copy, tmp_path / "in.npy", tmp_path / "out.npy").returncode == 0
    mapped = np.load(tmp_path / "out.npy", mmap_mode="r")
    assert mapped.flags.aligned
    assert_same(mapped, a)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.asfortranarray(np.ones((2, 3))), "numpy.ascontiguousarray(a)"),
        (np.ones(3, dtype=">f8"), "a.astype('<f8')"),
        (np.array([{"a": 1}], dtype=object), "Python objects"),
        (np.ones(3, dtype=bool), "type '|b1'"),
        (np.ones(3, dtype=complex), "type '<c16'"),
        (np.zeros(3, dtype=[("x", "<f8"), ("y", "<i4")]), "records"),
        (np.array(["text"]), "type '<U4'"),
        (np.ones((1, 1, 1, 1, 2)), "more than 4 axes"),
    ],
)
def test_refusals_say_why(npy_copy: Path, tmp_path: Path, array: Array, words: str) -> None:
    source, target = tmp_path / "in.npy", tmp_path / "out.npy"
    np.save(source, array, allow_pickle=True)
    done = copy(npy_copy, source, target)
    assert done.returncode == 1
    assert done.stderr.startswith(f"npy_copy: {source}: ")
    assert words in done.stderr
    assert not target.exists()


@pytest.mark.parametrize("file", CORPUS, ids=[f.stem for f in CORPUS])
def test_what_we_accept_numpy_reads_alike(npy_copy: Path, tmp_path: Path, file: Path) -> None:
    target = tmp_path / "out.npy"
    done = copy(npy_copy, file, target)
    assert done.returncode in (0, 1), done.stderr
    if file.stem.startswith("ok-"):
        assert done.returncode == 0, done.stderr
    if done.returncode == 0:
        assert_same(np.load(target, allow_pickle=False), np.load(file, allow_pickle=False))


def test_the_corpus_is_what_its_script_writes() -> None:
    for name, content in SEEDS.items():
        assert (HERE / "npy-corpus" / f"{name}.npy").read_bytes() == content, name
