//! Locating and executing the real compiler.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::cell::OnceCell;
use core::ffi::CStr;
use core::ptr;

use crate::message::say;
use crate::program::{EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND, Given, Path, candidates, start};
use crate::shared::decision::Launch;
use crate::shared::parts::{MAKER, Parts};
use crate::shared::paths::{ALIAS_SUFFIX, LAUNCHER_NAME, STAND_IN_SUFFIX, base_name};
use crate::shared::shim_config::Config;
use crate::shared::stand_in::StandInPlan;
use crate::shared::sys::{self, Errno, StringList};
use crate::{database, heap, process, stand_in, supervise};

/// Where the real compilers are, relative to the shim.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CompilerPlace {
    /// Beside the shim, under their aliases.
    Beside,
    /// In the configured directory: under their own names, or under their aliases if that directory is wrapped too.
    Elsewhere,
    /// Wherever the caller specified.
    Foreign,
}

/// This shim's real compiler, and how this call wants it run.
pub struct Real {
    /// The real compilers' directory, with a trailing slash, once it is known. If the shim replaces them, the
    /// kernel is asked and the configured directory is not used: a copy of the tree must find its own compiler,
    /// never another tree's.
    dir: OnceCell<Vec<u8>>,
    /// The directory that this file was installed into, with a trailing slash. If the file was called by that
    /// directory, the kernel need not be asked where it is.
    home: &'static [u8],
    /// The compiler's name in that directory.
    name: Vec<u8>,
    place: CompilerPlace,
    /// Whether the shim was called as a launcher.
    is_launcher: bool,
    given: Given,
}

/// Makes [`last_resort`] run `real`, which must live as long as the process.
pub fn set_last_resort(real: &Real) {
    heap::keep(ptr::from_ref(real).cast());
}

/// Runs the real compiler after the shim itself has failed.
#[cold]
pub fn last_resort() -> ! {
    say(&[b"internal error, please report it; compiling without a launcher"]);
    // SAFETY: null, or a pointer to a value that lives as long as the process; nothing else is ever kept.
    match unsafe { heap::kept().cast::<Real>().as_ref() } {
        Some(real) => real.exec(),
        None => sys::exit(EXIT_NOT_EXECUTABLE),
    }
}

impl Real {
    /// For a shim that replaces the compiler named in `config`. Without a configuration, the file's own name is
    /// used.
    pub fn beside(given: Given, config: Option<&Config<'static>>) -> Self {
        let home = config.map_or(&b""[..], |config| config.home);
        let (dir, name) = (OnceCell::new(), Vec::new());
        let mut real = Self {
            dir,
            home,
            name,
            place: CompilerPlace::Beside,
            is_launcher: false,
            given,
        };
        real.name = match config {
            Some(config) => config.name.to_vec(),
            None => base_name(&real.own_path()).to_vec(),
        };
        real
    }

    /// For a shim elsewhere: the compiler in `config`'s directory or, if the shim is called as a launcher, the
    /// compiler in its first argument.
    pub fn elsewhere(mut given: Given, config: &Config<'_>) -> Self {
        if !config.is_launcher() {
            let name = given
                .args
                .first()
                .map_or(config.name, |arg| base_name(arg.to_bytes()));
            let dir = OnceCell::from(config.dir.to_vec());
            return Self {
                dir,
                home: b"",
                name: name.to_vec(),
                place: CompilerPlace::Elsewhere,
                is_launcher: false,
                given,
            };
        }
        given.shift();
        let Some(compiler) = given.args.first() else {
            say(&[b"call it as rock-wrap-launcher COMPILER ARGUMENTS..."]);
            sys::exit(EXIT_NOT_FOUND)
        };
        let name = base_name(compiler.to_bytes());
        let dir = compiler.to_bytes().strip_suffix(name).unwrap_or_default();
        let dir = OnceCell::from(dir.to_vec());
        Self {
            dir,
            home: b"",
            name: name.to_vec(),
            place: CompilerPlace::Elsewhere,
            is_launcher: true,
            given,
        }
    }

    /// For a stand-in that a launcher calls without the plan of a launch.
    pub fn behind_stand_in(given: Given, config: &Config<'static>) -> Self {
        if config.dir.is_empty() {
            return Self::beside(given, Some(config));
        }
        let called = given
            .args
            .first()
            .map_or(config.name, |name| name.to_bytes());
        let name = stand_in::compiler_of(called).to_vec();
        let dir = OnceCell::from(config.dir.to_vec());
        Self {
            dir,
            home: b"",
            name,
            place: CompilerPlace::Elsewhere,
            is_launcher: false,
            given,
        }
    }

    /// The real compilers' directory, with a trailing slash and without symbolic links. clang 15 records headers
    /// under the path by which it is called, so all calls must give the launcher the same path.
    pub fn dir(&self) -> &[u8] {
        self.dir.get_or_init(|| {
            let home = self.called_dir().filter(|dir| *dir == self.home);
            home.map_or_else(|| self.own_dir(), <[u8]>::to_vec)
        })
    }

    /// The directory, with a trailing slash, of the path that the kernel was told to execute. `None` if that path
    /// was a symbolic link to this file, or is unknown.
    fn called_dir(&self) -> Option<&[u8]> {
        let file = self
            .given
            .file
            .filter(|file| sys::is_regular(file))?
            .to_bytes();
        file.strip_suffix(base_name(file))
    }

    /// The same directory according to the kernel, with all links resolved. Reading it from /proc costs as much as
    /// the rest of a call without a launcher.
    fn own_dir(&self) -> Vec<u8> {
        let mut path = self.own_path();
        path.truncate(path.len() - base_name(&path).len());
        path
    }

    fn own_path(&self) -> Vec<u8> {
        match sys::readlink(c"/proc/self/exe") {
            Ok(path) => path.strip_suffix(b" (deleted)").unwrap_or(&path).to_vec(),
            // Without /proc, clang also derives its directory from argv[0].
            Err(_) => self
                .given
                .args
                .first()
                .map_or(Vec::new(), |arg| arg.to_bytes().to_vec()),
        }
    }

    /// The environment as received.
    pub fn envp(&self) -> StringList {
        self.given.envp
    }

    /// The arguments, starting with the compiler's name.
    pub fn args(&self) -> &'static [&'static CStr] {
        self.given.args
    }

    /// Marks the compiler as one that the caller named, rather than one of ours.
    pub fn make_foreign(&mut self) {
        self.place = CompilerPlace::Foreign;
    }

    /// The path of the real compiler, as passed to a launcher.
    pub fn path(&self) -> Path {
        let alias = Path::new(&[self.dir(), &self.name, ALIAS_SUFFIX]);
        match self.place {
            CompilerPlace::Foreign => {
                Path::new(&[self.given.args.first().map_or(b"", |arg| arg.to_bytes())])
            }
            CompilerPlace::Elsewhere if sys::stat(alias.as_cstr()).is_err() => {
                Path::new(&[self.dir(), &self.name])
            }
            CompilerPlace::Beside | CompilerPlace::Elsewhere => alias,
        }
    }

    /// The path of the stand-in, as passed to a launcher: beside this file.
    pub fn stand_in(&self) -> Path {
        if self.place == CompilerPlace::Beside {
            return Path::new(&[self.dir(), &self.name, STAND_IN_SUFFIX]);
        }
        // A symbolic link to this file does not count: it may have another name or be elsewhere.
        let file = self
            .given
            .file
            .filter(|file| sys::is_regular(file))
            .map(CStr::to_bytes);
        let file = file.filter(|file| file.starts_with(b"/"));
        let own = file.map_or_else(|| self.own_path(), <[u8]>::to_vec);
        let name = base_name(&own);
        let dir = own.strip_suffix(name).unwrap_or_default();
        let name = match name {
            LAUNCHER_NAME if self.name.contains(&b'+') => &b"clang++"[..],
            LAUNCHER_NAME => b"clang",
            name => name,
        };
        Path::new(&[dir, name, STAND_IN_SUFFIX])
    }

    /// The plan of a launch, as passed to the stand-in.
    #[cold]
    pub fn plan(&self, launch: &Launch<'_>, parts: Option<Parts<'_>>) -> CString {
        let (real, name) = (self.path(), self.name_for_launch());
        StandInPlan::of(
            launch.launcher.kind,
            &launch.unit,
            launch.shared.as_ref(),
            real.as_bytes(),
            &name,
            parts,
            sys::getpid(),
        )
        .entry()
    }

    /// The name under which the stand-in calls the real compiler: the caller's, if the compiler is beside the shim.
    fn name_for_launch(&self) -> Vec<u8> {
        match self.given.args.first() {
            Some(name) if self.place == CompilerPlace::Beside => name.to_bytes().to_vec(),
            _ => [self.dir(), &self.name].concat(),
        }
    }

    /// Becomes the parts program, with the environment as received. Returns if it cannot be executed.
    #[cold]
    pub fn make_parts(&self, parts: &Parts<'_>) {
        let own = |bytes: &[u8]| CString::new(bytes).unwrap_or_default();
        let (program, dir) = (own(parts.program()), own(parts.dir));
        let file = self
            .given
            .file
            .map_or_else(|| own(&self.own_path()), CString::from);
        let mut argv = Vec::with_capacity(self.given.args.len() + 5);
        argv.extend([MAKER, &dir, &file].map(|word| start(&word)));
        // A shim that was called as a launcher has dropped its own name.
        argv.extend(self.is_launcher.then(|| start(&file.as_c_str())));
        argv.extend(self.given.args.iter().map(start).chain([ptr::null()]));
        // SAFETY: the list was ended above and its strings outlive the call; the environment was made by the
        // kernel.
        unsafe { sys::execve(&program, argv.as_ptr(), self.given.envp) };
    }

    /// Runs the real compiler with the received arguments and environment, unchanged.
    pub fn exec(&self) -> ! {
        match self.place {
            CompilerPlace::Beside => self.exec_beside(),
            CompilerPlace::Elsewhere => self.exec_elsewhere(),
            CompilerPlace::Foreign => self.exec_foreign(),
        }
    }

    fn exec_beside(&self) -> ! {
        let become_in = |dir: &[u8]| {
            let alias = Path::new(&[dir, &self.name, ALIAS_SUFFIX]);
            let errno = self.become_program(alias.as_cstr());
            if !errno.means_missing() {
                cannot_execute(&alias, errno)
            }
            alias
        };
        self.called_dir().map(become_in);
        let dir = self.own_dir();
        let alias = become_in(&dir);
        // The tree may have been restored or reinstalled since this process began. Then the name now belongs to the
        // original or to a newer shim. If this very file is still there, running it again would only lead back
        // here.
        let own = Path::new(&[&dir, &self.name]);
        let is = |path| sys::stat(path).map(|stat| (stat.file_state.dev, stat.file_state.ino));
        if is(own.as_cstr()) != is(c"/proc/self/exe") {
            self.become_program(own.as_cstr());
        }
        say(&[
            b"the real compiler ",
            alias.as_bytes(),
            b" is missing; run `rock-wrap restore`, or reinstall the package that it came with",
        ]);
        sys::exit(EXIT_NOT_FOUND)
    }

    /// Runs the compiler with its own path as `argv[0]`, from which clang 15 finds its resource directory: the
    /// directory in the caller's `argv[0]` may not exist later.
    fn exec_elsewhere(&self) -> ! {
        let path = self.path();
        let own = Path::new(&[self.dir(), &self.name]);
        let rest = self.given.args.iter().skip(1).map(start);
        let mut argv = Vec::with_capacity(self.given.args.len() + 1);
        argv.push(own.as_cstr().as_ptr().cast());
        argv.extend(rest.chain([ptr::null()]));
        // SAFETY: the list was ended above and its strings outlive the call; the environment was made by the
        // kernel.
        let errno = unsafe { sys::execve(path.as_cstr(), argv.as_ptr(), self.given.envp) };
        if !errno.means_missing() {
            cannot_execute(&path, errno)
        }
        say(&[
            b"the compiler ",
            path.as_bytes(),
            b" is missing: it was there when this shim was made",
        ]);
        sys::exit(EXIT_NOT_FOUND)
    }

    #[cold]
    fn exec_foreign(&self) -> ! {
        let word = self
            .given
            .args
            .first()
            .map_or(&b""[..], |arg| arg.to_bytes());
        let mut failure = Errno::ENOENT;
        for path in candidates(self.given.env, word) {
            let errno = self.become_program(path.as_cstr());
            if !errno.means_missing() {
                failure = errno;
            }
        }
        if !failure.means_missing() {
            cannot_execute(&Path::new(&[word]), failure)
        }
        say(&[b"the compiler ", word, b" was not found"]);
        sys::exit(EXIT_NOT_FOUND)
    }

    /// Runs the real compiler, and then replaces the alias by the compiler's own name in the compilation database
    /// entry that it wrote. Returns if no replacement is needed, or if the compiler could not be run.
    #[cold]
    pub fn run_for_database(&self, database: &CStr) {
        let alias = Path::new(&[self.dir(), &self.name, ALIAS_SUFFIX]);
        let leads_on = sys::readlink(alias.as_cstr());
        let moved = match &leads_on {
            Ok(target) => target.ends_with(ALIAS_SUFFIX),
            Err(_) => sys::is_regular(alias.as_cstr()),
        };
        if self.place != CompilerPlace::Beside || !moved {
            return;
        }
        let ended = supervise::run(None, &mut || self.become_program(alias.as_cstr()));
        if let Ok(end) = ended {
            database::mend(database);
            process::end(end)
        }
    }

    fn become_program(&self, path: &CStr) -> Errno {
        // SAFETY: both lists were made by the kernel.
        unsafe { sys::execve(path, self.given.argv, self.given.envp) }
    }
}

#[cold]
fn cannot_execute(path: &Path, errno: Errno) -> ! {
    say(&[
        b"cannot execute ",
        path.as_bytes(),
        b" (",
        errno.text(),
        b")",
    ]);
    sys::exit(EXIT_NOT_EXECUTABLE)
}
