//! Every way in which the commands for CI refuse a request.

/// A request that cannot be fulfilled.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CiError {
    /// A word in a list of architectures is not one.
    #[error("{0:?} is not an offload architecture")]
    NotAnArch(String),
    /// `native` means something else on each machine.
    #[error(
        "\"native\" means other architectures on other machines, which a shared cache cannot tell apart"
    )]
    NativeArch,
    /// The prefix of a key holds something that a CI system does not take in a key.
    #[error("--prefix {0:?}: only letters, digits and the characters ._/- can be in a cache key")]
    Prefix(String),
    /// The prefix of a key leaves no room for the rest.
    #[error("--prefix has {0} bytes; at most {limit} fit into a cache key", limit = super::key::MAX_PREFIX)]
    LongPrefix(usize),
}

impl CiError {
    /// What the user can do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NotAnArch(_) => {
                "name architectures as clang does, separated by commas: --arch gfx942,gfx90a:xnack-"
            }
            Self::NativeArch => "name the architectures that the build is for with --arch",
            Self::Prefix(_) | Self::LongPrefix(_) => "choose a short word, such as `pytorch`",
        }
    }
}
