#!/usr/bin/python3
"""A compiler_check for ccache as projects use today: it hashes the compiler and the libraries that ldd
lists, and stores the digest under the compiler's path and mtime."""

import argparse
import hashlib
import json
import subprocess
import sys
from pathlib import Path


def digest(path):
    sha = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            sha.update(chunk)
    return sha.hexdigest()


def libraries(compiler):
    said = subprocess.run(["ldd", compiler], capture_output=True, text=True, check=True).stdout
    words = (line.split() for line in said.splitlines())
    return sorted({word for line in words for word in line if word.startswith("/")})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("compiler", type=Path)
    args = parser.parse_args()
    compiler = args.compiler.resolve()
    key = f"{compiler}:{compiler.stat().st_mtime}"
    kept = args.directory / (hashlib.sha256(key.encode()).hexdigest() + ".json")
    if kept.exists():
        print(json.loads(kept.read_text())["digest"])
        return
    found = hashlib.sha256("".join(map(digest, [compiler, *libraries(compiler)])).encode())
    args.directory.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps({"compiler": str(compiler), "digest": found.hexdigest()}))
    print(found.hexdigest())


if __name__ == "__main__":
    sys.exit(main())
