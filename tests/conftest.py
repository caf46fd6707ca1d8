"""Checks every annotated shape and type of simlift while its tests run."""

import os
import tempfile
import typing

from jaxtyping import install_import_hook

# Protocols are plain in simlift; here, where arguments are checked, they must bear isinstance.
typing.Protocol._is_runtime_protocol = True  # type: ignore[attr-defined]

# Before simlift is imported anywhere, so that every function is checked; processes that a test
# starts run unchecked, as users do.
install_import_hook("simlift", "checking.checked")

# What is remembered between runs of simlift is not the user's here.
os.environ["SIMLIFT_CACHE"] = tempfile.mkdtemp(prefix="simlift-tests-")
