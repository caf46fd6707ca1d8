"""Compiled kernels whose helpers are in other files: cached code must follow those files."""

import importlib
import sys

import numpy as np

HELPER = """
import numpy as np
from simlift.pixels._compile import compiled

@compiled
def scale(x):
    return np.float32({factor}) * x
"""
KERNEL = """
import {helper} as helper
from simlift.pixels._compile import compiled_with

@compiled_with(helper)
def scaled(values):
    for i in range(len(values)):
        values[i] = helper.scale(values[i])
"""


def test_cached_kernels_follow_an_edit_of_their_helper(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    names = ("helper_of_a_kernel", "kernel_with_a_helper")
    (tmp_path / f"{names[1]}.py").write_text(KERNEL.format(helper=names[0]))
    found = []  # of factors that differ in length, so that Python reads the file again
    for factor in (2, 30, 400):
        (tmp_path / f"{names[0]}.py").write_text(HELPER.format(factor=factor))
        for name in names:
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        values = np.ones(3, np.float32)
        importlib.import_module(names[1]).scaled(values)
        found.append(float(values[0]))
    assert found == [2, 30, 400]
