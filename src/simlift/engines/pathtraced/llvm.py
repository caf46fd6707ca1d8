"""Find the libLLVM that the path tracer needs to compile its kernels."""

import os
import re
from pathlib import Path

OLDEST_LLVM = 16  # earlier ones crash in what the renderer asks of them
_FOLDERS = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/opt/homebrew/lib", "/opt/homebrew/opt")
_NAMES = ("libLLVM*.so*", "libLLVM*.dylib")
_DEPTHS = ("", "*/", "llvm*/lib/")


def find_llvm() -> Path | None:
    """Return the newest libLLVM that can be used; DRJIT_LIBLLVM_PATH wins over what is found."""
    if given := os.environ.get("DRJIT_LIBLLVM_PATH"):
        return Path(given) if Path(given).exists() else None
    patterns = [depth + name for depth in _DEPTHS for name in _NAMES]
    places = [path for f in _FOLDERS for pattern in patterns for path in Path(f).glob(pattern)]
    found = [(version, path) for path in places if (version := _version(path)) >= OLDEST_LLVM]
    return max(found)[1] if found else None


def _version(path: Path) -> int:
    """Return the major version in a library's name or folder; 0 where there is none."""
    real = path.resolve()
    match = re.search(r"LLVM[-.a-z]*?(\d+)", real.name) or re.search(r"llvm-?(\d+)", str(real))
    return int(match.group(1)) if match else 0
