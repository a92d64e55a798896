"""A PyTorch extension with a host unit and a HIP unit, as torch.utils.cpp_extension builds it for ROCm."""

import torch

# A ROCm build of PyTorch has these values. With them, cpp_extension calls hipcc and hands the host compiler no
# launcher. Nothing else of a ROCm build is needed to compile.
torch.version.hip, torch.version.cuda = "5.2.21153", None

from setuptools import setup
from torch.utils.cpp_extension import BuildExtension, CppExtension

setup(
    name="scaled",
    ext_modules=[CppExtension("scaled", ["module.cpp", "scale.hip"])],
    cmdclass={"build_ext": BuildExtension},
)
