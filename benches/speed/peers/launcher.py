#!/usr/bin/python3
"""A launcher script as projects use today for HIP_CLANG_LAUNCHER and CMAKE_*_COMPILER_LAUNCHER: it looks
for the cache, adds an id to HIP compiles, and executes the cache with the compiler behind it."""

import hashlib
import os
import shutil
import sys
from pathlib import Path


def cuid(args):
    hip = any(
        arg.startswith(("--offload-arch", "--cuda-gpu-arch")) or arg.endswith((".hip", ".cu"))
        for arg in args
    )
    if not hip or "-c" not in args or any(arg.startswith("-cuid") for arg in args):
        return []
    output = Path(args[args.index("-o") + 1]) if "-o" in args[:-1] else Path("a.out")
    digest = hashlib.md5(os.path.relpath(output, Path.cwd()).encode()).hexdigest()
    return [f"-cuid={digest[:16]}"]


def main():
    compiler, *args = sys.argv[1:]
    cache = os.environ.get("PEER_CACHE") or shutil.which("sccache")
    if cache is None:
        os.execv(compiler, [compiler, *args])
    os.execv(cache, [cache, compiler, *args, *cuid(args)])


if __name__ == "__main__":
    main()
