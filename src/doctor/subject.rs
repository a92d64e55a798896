//! Defines what is examined.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::fingerprint::{Identity, Memo, Role};
use crate::install::per_arch::PerArch;
use crate::install::shims::{Policy, WrapError};
use crate::install::{Entry, Observed, shims};
use crate::launcher::Launcher;
use crate::rocm::{CompilerName, Hipcc, Tree};
use crate::shared::shim_config::Config;
use crate::shim_image;

/// A tree's C++ compiler with a launcher.
pub struct Subject {
    /// The tree.
    pub tree: Tree,
    /// The compiler's name in the tree.
    pub name: CompilerName,
    /// The real compiler, by the path that the shim passes to a launcher.
    pub real: PathBuf,
    /// The compiler's identity.
    pub identity: Identity,
    /// The device libraries that hipcc names, if the compiler finds none by itself.
    pub named_libraries: Option<PathBuf>,
    /// How long it took to take the identity.
    pub took: Duration,
    /// The launcher.
    pub launcher: Launcher,
    /// The shim's bytes.
    pub image: Vec<u8>,
    /// Whether `image` is the shim in the tree; otherwise it was made for the checks.
    pub installed: bool,
}

impl Subject {
    /// The compiler of `tree` with `launcher`. `observed` is the state of the tree.
    ///
    /// # Errors
    /// If no shim can be made for the compiler.
    pub fn new(tree: Tree, observed: &Observed, launcher: Launcher) -> Result<Self, WrapError> {
        let shims = observed.names.iter().filter_map(|known| match &known.at {
            Entry::Shim { image, .. } => Some((known.name.to_str()?.parse().ok()?, image)),
            _ => None,
        });
        let installed = shims
            .filter(|(_, image)| shim_image::read(image).is_some_and(|config| config.is_ok()))
            .max_by_key(|(name, _): &(CompilerName, _)| {
                name.as_os_str().as_bytes().contains(&b'+')
            });
        let start = Instant::now();
        let (name, image, real) = match installed {
            Some((name, image)) => (name.clone(), Some(image.clone()), name.alias()),
            None => {
                let is_cxx = |name: &&CompilerName| name.as_os_str().as_bytes().contains(&b'+');
                let name = tree.names.iter().max_by_key(is_cxx).expect("one at least");
                (name.clone(), None, name.as_os_str().to_owned())
            }
        };
        let real = tree.bin.join(real);
        let (image, installed) = match image {
            Some(image) => (image, true),
            None => {
                let names = [name.clone()];
                let policy = Policy {
                    per_arch: PerArch::Never,
                    strict: true,
                    exact: false,
                };
                let outside = shims::outside(&tree, observed, &names, &launcher, policy)?;
                let made = outside.shims.into_iter().next();
                (made.expect("one for each name").1, false)
            }
        };
        let identity = Identity::take(&real, Some(&tree.root), &Memo::of_user())?;
        let took = start.elapsed();
        let has_libraries = identity.members.iter().any(|it| it.role == Role::Bitcode);
        let hipcc = tree.hipcc.as_ref().filter(|_| !has_libraries);
        Ok(Self {
            named_libraries: hipcc.and_then(Hipcc::device_libraries),
            took,
            tree,
            name,
            real,
            identity,
            launcher,
            image,
            installed,
        })
    }

    /// The shim's configuration.
    #[must_use]
    pub fn config(&self) -> Config<'_> {
        let config = shim_image::read(&self.image).and_then(Result::ok);
        config.expect("it was read before, or just made")
    }

    /// The directory of the device libraries.
    #[must_use]
    pub fn device_libraries(&self) -> Option<&Path> {
        let members = self.identity.members.iter();
        let mut own = members.filter(|member| member.role == Role::Bitcode);
        let own = own.find_map(|library| library.path.parent());
        own.or(self.named_libraries.as_deref())
    }

    /// The launcher's path, if the shim learns it from HIP_CLANG_LAUNCHER and not from its own configuration.
    #[must_use]
    pub fn launcher_by_environment(&self) -> Option<&Path> {
        let path = self.launcher.path.as_path();
        (self.config().launcher != path.as_os_str().as_bytes()).then_some(path)
    }
}
