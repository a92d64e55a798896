//! Asks a compiler's driver with `-###` what it would run, instead of guessing it.
//!
//! clang quotes every word of the command lines and puts a backslash before a quote, a backslash or
//! a dollar sign (15 and 19). gcc (12) quotes only where necessary. Both indent the lines by a
//! space and print them on standard error; clang does so even when it reports errors.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::fingerprint::{IdentityError, OffloadDriver};
use crate::rocm::Program;
use crate::rocm::compiler::{is_version, words};

/// Two architectures, so that the driver has something to bundle. LLVM has known both since 2020.
const ARCHS: [&str; 2] = ["--offload-arch=gfx906", "--offload-arch=gfx90a"];

/// Suppresses the header search paths, which are not needed. clang writes each byte of its answer
/// separately, so a third less output saves a twentieth of the query's time (19).
const UNTOLD: [&str; 3] = ["-nostdinc", "-nostdinc++", "-nogpuinc"];

/// The first query: a link, which runs everything that its compiles run. The query does not say
/// where the device libraries are, so the answer shows where clang finds them by itself. clang
/// prints what it would run in any case (13 to 19).
const FIRST: [&str; 2] = ["--driver-mode=g++", "-fgpu-rdc"];

/// The second query names the tree's device libraries and asks the C driver, which reads its own
/// configuration files (since 16). A query takes 35 ms (Debian's clang 19), mostly to load libLLVM.
const SECOND: [&str; 2] = ["--driver-mode=gcc", "-fgpu-rdc"];

/// A query of the new offload driver, which runs other programs than the old one. Together with
/// [`FIRST`] and [`SECOND`] it shows everything that a HIP compile runs, except what one of these
/// programs runs itself. clang 13 does not know the new driver: it says so and prints no commands.
/// The `-cuid=` shows whether the new driver uses an id.
const NEW_DRIVER: [&str; 3] = ["-fgpu-rdc", "--offload-new-driver", "-cuid=0"];

/// The query that is added if configuration files exist: what the compiler does without them.
const NO_CONFIG: [&str; 2] = ["-fgpu-rdc", "--no-default-config"];

/// The programs that pack device code under the new offload driver. The old driver runs
/// clang-offload-bundler instead. (clang 15 to 19: clang-offload-packager; 20 to 23:
/// llvm-offload-binary.)
const NEW_DRIVER_TOOLS: [&str; 2] = ["clang-offload-packager", "llvm-offload-binary"];

/// clang's warning that it does not use an id (15 to 19 under the new driver; 22 and 23 use it).
const UNUSED_ID: &[u8] = b"argument unused during compilation: '-cuid=";

/// Variables that are removed for queries: they change or log what the driver does, and are not
/// part of the compiler.
const WITHOUT: [&str; 2] = ["CCC_OVERRIDE_OPTIONS", "CCC_PRINT_OPTIONS"];

/// The host's linker and assembler. Links are never cached; the assembler runs only under
/// `-fno-integrated-as`.
const HOST_TOOLS: [&str; 5] = ["ld", "ld.bfd", "ld.gold", "as", "collect2"];

/// What a driver printed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct DriverOutput {
    /// The driver's own executable, which it runs with `-cc1`; `None` if it is not clang.
    pub clang: Option<PathBuf>,
    /// The other programs that it runs, except the host's linker and assembler.
    pub programs: BTreeSet<PathBuf>,
    /// The directories of the device bitcode that it links.
    pub bitcode_dirs: BTreeSet<PathBuf>,
    /// The resource directory: clang's own headers and libraries.
    pub resource_dir: Option<PathBuf>,
    /// The configuration files that it read by default.
    pub configs: BTreeSet<PathBuf>,
    /// The host's target triple.
    pub target: Option<String>,
    /// The first line of its output, which has the version.
    pub version: Option<String>,
    /// Whether it would use the new offload driver.
    pub new_driver: bool,
    /// Whether it would ignore a compilation unit id.
    pub ignores_id: bool,
}

/// Asks `compiler` what it would run for a HIP file or, if it is not clang, for a C file.
pub fn ask_first(compiler: &Path) -> Result<DriverOutput, IdentityError> {
    let said = ask(compiler, &hip(&FIRST))?;
    if said.clang.is_some() {
        return Ok(said);
    }
    Ok(said.merge(ask(compiler, &["-x", "c", "-c"])?))
}

/// Asks `compiler` what it would run for an empty file.
///
/// # Errors
/// If it cannot be run. A compiler that does not understand the query yields an empty answer.
pub fn ask(compiler: &Path, args: &[&str]) -> Result<DriverOutput, IdentityError> {
    let answer = Program::at(compiler)
        .without(WITHOUT.map(OsString::from))
        .args(["-###"])
        .args(args)
        .args(["/dev/null"])
        .ask()
        .map_err(|source| IdentityError::Ask {
            path: compiler.to_owned(),
            source,
        })?;
    Ok(DriverOutput::parse(&answer.stderr))
}

/// Asks clang, whose executable is `clang`, about the other kinds of HIP compile, and merges the
/// answers into `first`. `root` may contain device libraries that clang does not find by itself.
///
/// # Errors
/// If it cannot be run.
pub fn ask_clang(
    clang: &Path,
    root: &Path,
    first: DriverOutput,
) -> Result<(DriverOutput, OffloadDriver), IdentityError> {
    let option = root.to_str().map(|root| format!("--rocm-path={root}"));
    // A path that is not UTF-8 is left out; clang then searches its default places.
    let located: Vec<&str> = SECOND.into_iter().chain(option.as_deref()).collect();
    let (second, new) = rayon::join(
        || ask(clang, &hip(&located)),
        || ask(clang, &hip(&NEW_DRIVER)),
    );
    let (second, new) = (second?, new?);
    // A configuration file can select either driver, and the environment can disable such files.
    let has_configs = !(first.configs.is_empty() && second.configs.is_empty());
    let bare = match has_configs {
        true => ask(clang, &hip(&NO_CONFIG))?,
        false => DriverOutput::default(),
    };
    let driver = OffloadDriver {
        new_by_default: first.new_driver || second.new_driver || bare.new_driver,
        new_uses_id: new.new_driver && !new.ignores_id,
    };
    Ok((first.merge(second).merge(new), driver))
}

fn hip<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [&["-x", "hip"][..], &ARCHS, &UNTOLD, args].concat()
}

impl DriverOutput {
    /// Merges two answers. For fields with a single value, all queries give the same answer.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.clang = self.clang.or(other.clang);
        self.programs.extend(other.programs);
        self.bitcode_dirs.extend(other.bitcode_dirs);
        self.resource_dir = self.resource_dir.or(other.resource_dir);
        self.configs.extend(other.configs);
        self.target = self.target.or(other.target);
        self.version = self.version.or(other.version);
        self.new_driver |= other.new_driver;
        self.ignores_id |= other.ignores_id;
        self
    }

    fn parse(stderr: &[u8]) -> Self {
        let mut said = Self::default();
        for line in stderr.split(|byte| *byte == b'\n') {
            if let Some(path) = line.strip_prefix(b"Configuration file: ") {
                said.configs.insert(path_of(path.to_vec()));
            } else if let Some(target) = line.strip_prefix(b"Target: ") {
                said.target = Some(String::from_utf8_lossy(target).into_owned());
            } else if said.version.is_none() && is_version(line) {
                said.version = Some(String::from_utf8_lossy(line).trim().to_owned());
            } else if line.starts_with(b" /") || line.starts_with(b" \"/") {
                said.command(words(line));
            }
            said.ignores_id |= memchr::memmem::find(line, UNUSED_ID).is_some();
        }
        said
    }

    fn command(&mut self, words: Vec<Vec<u8>>) {
        let mut words = words.into_iter();
        let Some(program) = words.next().map(path_of) else {
            return;
        };
        let args: Vec<_> = words.collect();
        self.new_driver |= NEW_DRIVER_TOOLS.iter().any(|tool| program.ends_with(tool));
        if args.first().is_some_and(|first| first == b"-cc1") {
            self.clang = Some(program);
        } else if !HOST_TOOLS.iter().any(|tool| program.ends_with(tool)) {
            self.programs.insert(program);
        }
        for pair in args.windows(2) {
            let value = Path::new(OsStr::from_bytes(&pair[1]));
            match pair[0].as_slice() {
                b"-mlink-builtin-bitcode" => {
                    self.bitcode_dirs.extend(value.parent().map(Path::to_owned));
                }
                b"-resource-dir" => self.resource_dir = Some(value.to_owned()),
                _ => {}
            }
        }
    }
}

fn path_of(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clangs_answer_is_taken_apart() {
        let said = DriverOutput::parse(
            br#"Debian clang version 19.1.7
Target: x86_64-pc-linux-gnu
Configuration file: /r/bin/clang++.cfg
 (in-process)
 "/r/b p\"/clang-19" "-cc1" "-resource-dir" "/r/lib/clang/19" "-mlink-builtin-bitcode" "/r/bc/ocml.bc" "-x" "hip"
 "/r/bin/lld" "-flavor" "gnu"
 "/usr/bin/ld" "-o" "a.out"
clang: error: something
"#,
        );
        assert_eq!(said.clang, Some(PathBuf::from("/r/b p\"/clang-19")));
        assert_eq!(said.programs, [PathBuf::from("/r/bin/lld")].into());
        assert_eq!(said.bitcode_dirs, [PathBuf::from("/r/bc")].into());
        assert_eq!(said.resource_dir, Some(PathBuf::from("/r/lib/clang/19")));
        assert_eq!(said.configs, [PathBuf::from("/r/bin/clang++.cfg")].into());
        assert_eq!(said.target.as_deref(), Some("x86_64-pc-linux-gnu"));
        assert_eq!(said.version.as_deref(), Some("Debian clang version 19.1.7"));
    }

    #[test]
    fn gccs_answer_is_taken_apart() {
        let said = DriverOutput::parse(
            b"Using built-in specs.\nTarget: x86_64-linux-gnu\n\
              COLLECT_GCC_OPTIONS='-c'\n \
              /usr/lib/gcc/x86_64-linux-gnu/12/cc1 -quiet /dev/null \"-D X\"\n as -v --64 -o null.o\n",
        );
        assert_eq!(said.clang, None);
        let cc1 = PathBuf::from("/usr/lib/gcc/x86_64-linux-gnu/12/cc1");
        assert_eq!(said.programs, [cc1].into());
    }

    #[test]
    fn the_offload_driver_is_told_by_what_packs_device_code() {
        let said = |packs: &str| {
            let line = format!(" \"/r/bin/clang-23\" \"-cc1\"\n \"/r/bin/{packs}\" \"-o\" \"x\"\n");
            DriverOutput::parse(line.as_bytes()).new_driver
        };
        assert!(said("clang-offload-packager"));
        assert!(said("llvm-offload-binary"));
        assert!(!said("clang-offload-bundler"));
    }

    #[test]
    fn an_id_that_clang_would_ignore_is_noticed() {
        let line = b"clang++: warning: argument unused during compilation: '-cuid=0' \
                     [-Wunused-command-line-argument]\n";
        assert!(DriverOutput::parse(line).ignores_id);
        let other = b"clang++: warning: argument unused during compilation: '-pie'\n";
        assert!(!DriverOutput::parse(other).ignores_id);
    }

    #[test]
    fn a_program_that_does_not_understand_said_nothing() {
        assert_eq!(
            ask_first(Path::new("/bin/true")).unwrap(),
            DriverOutput::default()
        );
    }
}
