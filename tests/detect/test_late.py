"""Patterns compiled late are patterns all the same."""

from __future__ import annotations

import gc
import importlib
import pkgutil
import re

import pytest

from leakguard import late


def test_it_is_compiled_at_its_first_use() -> None:
    broken = late.pattern("(")
    with pytest.raises(re.error):
        broken.search("x")


def test_it_does_what_the_pattern_does() -> None:
    word = late.pattern(rb"(?P<first>a)b*", re.IGNORECASE)
    assert word.fullmatch(b"ABB")
    assert word.sub(b"-", b"abxab") == b"-x-"
    assert word.groupindex == {"first": 1}
    assert word.pattern == rb"(?P<first>a)b*"


def test_all_of_ours_can_be_compiled() -> None:
    for room in ("detect", "report", "load", "cli"):
        package = importlib.import_module(f"leakguard.{room}")
        for module in pkgutil.iter_modules(package.__path__, f"leakguard.{room}."):
            importlib.import_module(module.name)
    ours = [one for one in gc.get_objects() if isinstance(one, late._Late)]
    assert len(ours) > 50
    for one in ours:
        assert one.flags >= 0
