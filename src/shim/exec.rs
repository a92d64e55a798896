//! Becoming another program: the real compiler, or a launcher in front of it.

use alloc::vec::Vec;
use core::ffi::CStr;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::decide::{Call, Launch, Source, lookup};
use crate::image::{ALIAS_SUFFIX, base_name};
use crate::message::say;
use crate::sys::{self, Errno, StringList};

/// What is to be run is there and cannot be executed, as shells report it.
const EXIT_NOT_EXECUTABLE: i32 = 126;
/// What is to be run is not there, as shells report it.
const EXIT_NOT_FOUND: i32 = 127;

/// What the process was given, as the kernel laid it out and as slices.
pub struct Given {
    /// The arguments.
    pub args: &'static [&'static CStr],
    /// The environment.
    pub env: &'static [&'static CStr],
    /// The arguments, to be handed on untouched.
    pub argv: StringList,
    /// The environment, to be handed on untouched.
    pub envp: StringList,
}

/// The real compiler of this shim, and how this call wants it run.
pub struct Real {
    /// The directory that the shim's own file lies in, with the slash. Asked of the kernel and not
    /// baked in: a copy of the tree must find its own compiler, never another tree's.
    dir: Vec<u8>,
    /// The name of the shim's own file.
    own_name: Vec<u8>,
    given: Given,
}

static LAST_RESORT: AtomicPtr<Real> = AtomicPtr::new(ptr::null_mut());

/// Has [`last_resort`] run `real`, which must live as long as the process.
pub fn set_last_resort(real: &Real) {
    LAST_RESORT.store(ptr::from_ref(real).cast_mut(), Ordering::Relaxed);
}

/// The real compiler, when the shim itself has failed.
pub fn last_resort() -> ! {
    say(&[b"internal error, please report it; compiling without a launcher"]);
    // SAFETY: null, or set once from a value that lives as long as the process.
    match unsafe { LAST_RESORT.load(Ordering::Relaxed).as_ref() } {
        Some(real) => real.exec_unconfigured(),
        None => sys::exit(EXIT_NOT_EXECUTABLE),
    }
}

impl Real {
    /// Finds the directory that this shim lies in.
    pub fn find(given: Given) -> Self {
        let mut buffer = [0; 4096];
        let own = match sys::readlink(c"/proc/self/exe", &mut buffer) {
            Ok(path) => path.strip_suffix(b" (deleted)").unwrap_or(path),
            // Without /proc, clang too takes its directory from argv[0].
            Err(_) => given.args.first().map_or(&b""[..], |arg| arg.to_bytes()),
        };
        let own_name = base_name(own);
        let dir = &own[..own.len() - own_name.len()];
        Self { dir: dir.to_vec(), own_name: own_name.to_vec(), given }
    }

    /// The directory that the shim lies in, with the slash.
    pub fn dir(&self) -> &[u8] {
        &self.dir
    }

    /// The path of the real compiler behind the shim called `name`.
    fn alias(&self, name: &[u8]) -> Path {
        Path::new(&[&self.dir, name, ALIAS_SUFFIX])
    }

    /// Runs the real compiler behind the shim called `name`, with the arguments and the environment
    /// exactly as given.
    pub fn exec(&self, name: &[u8]) -> ! {
        let alias = self.alias(name);
        let errno = self.become_program(alias.as_cstr());
        if !errno.means_missing() {
            say(&[b"cannot execute ", alias.as_bytes(), b" (", errno.text(), b")"]);
            sys::exit(EXIT_NOT_EXECUTABLE)
        }
        // The tree may have been restored or installed anew since this process began. Then
        // something else stands at the name by now: the original, or a shim that knows better. If
        // this very file still stands there, to run it again would only lead back here.
        let own = Path::new(&[&self.dir, name]);
        let is = |path| sys::stat(path).map(|stat| (stat.stamp.dev, stat.stamp.ino));
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

    fn become_program(&self, path: &CStr) -> Errno {
        // SAFETY: both are the kernel's own lists.
        unsafe { sys::execve(path, self.given.argv, self.given.envp) }
    }

    /// As [`exec`](Self::exec), by the file's own name, where no configuration tells the name.
    pub fn exec_unconfigured(&self) -> ! {
        self.exec(&self.own_name)
    }
}

/// Hands the compile to the launcher; where that cannot be run, to the real compiler or, if the
/// installation is strict, to nobody.
pub fn launch(real: &Real, call: &Call<'_>, launch: &Launch<'_>) -> ! {
    let word = launch.launcher.word;
    let alias = real.alias(call.config.name);
    let key = launch.key.as_ref();
    let mut env = Vec::with_capacity(call.env.len() + 4);
    env.extend(call.env.iter().filter(|entry| launch.edits.keeps(entry.to_bytes())).map(start));
    env.extend(launch.edits.added().map(|entry| start(&entry)));
    env.extend(key.map(|key| key.entry.as_ptr().cast()));
    env.push(ptr::null());
    let mut argv = Vec::with_capacity(call.argv.len() + 3);
    argv.extend([ptr::null(), start(&alias.as_cstr())]);
    argv.extend(call.argv.iter().skip(1).map(start));
    argv.extend(key.and_then(|key| key.cuid.as_ref()).map(|cuid| cuid.as_ptr().cast()));
    argv.push(ptr::null());

    let mut failure = Errno::ENOENT;
    for dir in search_path(call, word) {
        let slash: &[u8] = if dir.is_empty() { b"" } else { b"/" };
        let path = Path::new(&[dir, slash, word]);
        argv[0] = path.as_cstr().as_ptr().cast();
        // SAFETY: both lists were ended above, and their strings outlive the call.
        let errno = unsafe { sys::execve(path.as_cstr(), argv.as_ptr(), env.as_ptr()) };
        // As in a shell: a file that is there and cannot be run explains more than one that is not.
        if !errno.means_missing() {
            failure = errno;
        }
    }
    if failure == Errno::E2BIG {
        // What the launcher adds was too much; without it the call may still fit.
        real.exec(call.config.name)
    }
    let source: &[u8] = match launch.launcher.from {
        Source::Environment => b" (from HIP_CLANG_LAUNCHER)",
        Source::Installed => b" (given to `rock-wrap install`)",
    };
    let (what, exit): (&[u8], i32) = if failure.means_missing() {
        (b" was not found", EXIT_NOT_FOUND)
    } else {
        (b" cannot be executed", EXIT_NOT_EXECUTABLE)
    };
    if !call.config.strict {
        say(&[b"launcher ", word, source, what, b"; compiling without it"]);
        real.exec(call.config.name)
    }
    say(&[
        b"launcher ",
        word,
        source,
        what,
        b", and this installation is strict: install the launcher, name another one in \
          HIP_CLANG_LAUNCHER, or set ROCK_WRAP_DISABLE=1",
    ]);
    sys::exit(exit)
}

/// The directories in which `word` is looked up: those of PATH for a bare name, as the shell does
/// that hipcc calls; none, written as an empty one, for a path.
fn search_path<'a>(call: &Call<'a>, word: &[u8]) -> Vec<&'a [u8]> {
    const DEFAULT: &[u8] = b"/usr/local/bin:/usr/bin:/bin";
    if word.contains(&b'/') {
        return Vec::from([&b""[..]]);
    }
    let path = lookup(call.env, b"PATH").map(CStr::to_bytes);
    let dirs = path.unwrap_or(DEFAULT).split(|byte| *byte == b':');
    dirs.map(|dir| if dir.is_empty() { b"." } else { dir }).collect()
}

/// A string as `execve` takes it.
fn start(string: &&CStr) -> *const u8 {
    string.as_ptr().cast()
}

/// A path, put together, with the NUL that the kernel wants.
struct Path(Vec<u8>);

impl Path {
    fn new(parts: &[&[u8]]) -> Self {
        let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len()).sum::<usize>() + 1);
        for part in parts {
            bytes.extend_from_slice(part);
        }
        bytes.push(0);
        Self(bytes)
    }

    fn as_cstr(&self) -> &CStr {
        // The parts come from C strings and from the block, in which no path has a NUL.
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }

    fn as_bytes(&self) -> &[u8] {
        self.as_cstr().to_bytes()
    }
}
