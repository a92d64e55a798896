"""Compiles csrc/ with hipcc: setuptools knows no HIP, and starts one compiler at a time."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROCM = Path(os.environ.get("ROCM_PATH", "/opt/rocm"))
ARCHS = os.environ.get("HIP_ARCHS", "gfx900;gfx906").split(";")
JOBS = int(os.environ.get("MAX_JOBS", os.cpu_count()))

HIPCC = [str(ROCM / "bin/hipcc"), *(f"--offload-arch={arch}" for arch in ARCHS)]
COMPILE = ["-std=c++17", "-O3", "-fPIC", "-Wall", "-Icsrc", "-Icsrc/sample/include"]
KERNELS = [*Path("csrc").glob("*.hip"), *Path("csrc/sample/src").glob("*.hip")]
SOURCES = ["csrc/module.cpp", *sorted(map(str, KERNELS))]


class HipBuild(build_ext):
    """Compiles each unit by a hipcc of its own, several at a time, and links with hipcc."""

    def build_extension(self, ext):
        objects = Path(self.build_temp)
        objects.mkdir(parents=True, exist_ok=True)
        includes = [f"-I{path}" for path in self.compiler.include_dirs]

        def compile_unit(source):
            unit = objects / Path(source).with_suffix(".o").name
            # hipcc takes every .cpp for HIP if it is not told otherwise.
            language = [] if source.endswith(".hip") else ["-x", "c++", "-Wno-unused-command-line-argument"]
            subprocess.run([*HIPCC, *COMPILE, *includes, *language, "-c", source, "-o", str(unit)], check=True)
            return str(unit)

        with ThreadPoolExecutor(JOBS) as pool:
            units = list(pool.map(compile_unit, ext.sources))
        target = self.get_ext_fullpath(ext.name)
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([*HIPCC, "-shared", *units, "-o", target], check=True)


setup(
    ext_modules=[Extension("hip_sample._native", SOURCES)],
    cmdclass={"build_ext": HipBuild},
)
