//! The language of an input, by clang's rules.
//!
//! Owns: the names that `-x` takes and the file name extensions, for the languages that may be launched.
//! Must never guess: anything that is not listed is `None`.

/// A language whose compiles may be launched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// C.
    C,
    /// C++.
    Cxx,
    /// HIP, including a file with CUDA's extension if `-x hip` is given.
    Hip,
    /// Assembler without preprocessing, as Tensile writes it for devices.
    Assembler,
}

impl Language {
    /// The language that `-x <name>` selects.
    #[must_use]
    pub fn of_x(name: &[u8]) -> Option<Self> {
        match name {
            b"c" => Some(Self::C),
            b"c++" => Some(Self::Cxx),
            b"hip" => Some(Self::Hip),
            b"assembler" => Some(Self::Assembler),
            _ => None,
        }
    }

    /// The language of a file by its extension (clang 19, `Driver/Types.cpp`, `lookupTypeForExtension`).
    /// CUDA's `.cu` is omitted: without `-x hip` it is not HIP.
    #[must_use]
    pub fn of_file(path: &[u8]) -> Option<Self> {
        let name = crate::shared::paths::base_name(path);
        let dot = name.iter().rposition(|byte| *byte == b'.')?;
        match name.get(dot + 1..)? {
            b"c" => Some(Self::C),
            b"C" | b"cc" | b"CC" | b"cp" | b"cpp" | b"CPP" | b"cxx" | b"CXX" | b"c++" | b"C++" => {
                Some(Self::Cxx)
            }
            b"hip" => Some(Self::Hip),
            b"s" => Some(Self::Assembler),
            _ => None,
        }
    }

    /// The name that `-x` takes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::C => "c",
            Self::Cxx => "c++",
            Self::Hip => "hip",
            Self::Assembler => "assembler",
        }
    }
}
