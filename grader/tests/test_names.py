"""Student names: any name has one folder of its own, and that folder is a plain one."""

from __future__ import annotations

import os

import pytest

from grader.names import disk_name, true_name


@pytest.mark.parametrize(
    ("name", "disk"),
    [
        ("Alice", "Alice"),
        ("Jane Doe", "Jane%20Doe"),
        ("a.b_c-d", "a.b_c-d"),
        (".hidden", "%2Ehidden"),
        ("-rf", "%2Drf"),
        ("..", "%2E."),
        ("a/b", "a%2Fb"),
        ("100%", "100%25"),
        ("grades.csv", "%67rades.csv"),
        ("李雷", "%E6%9D%8E%E9%9B%B7"),
        (os.fsdecode(b"\xff"), "%FF"),
        ("a\nb", "a%0Ab"),
    ],
)
def test_disk_name(name: str, disk: str) -> None:
    assert disk_name(name) == disk


def test_long_names_stay_apart_and_fit_into_a_file_name() -> None:
    first, second = disk_name("李" * 85), disk_name("李" * 84 + "雷")
    assert first != second
    assert len(first) <= 200


def test_a_name_that_is_not_utf8_is_valid_text() -> None:
    assert true_name(os.fsdecode(b"caf\xe9")) == "caf\\xe9"
    assert true_name("café") == "café"
