//! Programs to become: what this process was given, and how another is run in its place.

use alloc::vec::Vec;
use core::ffi::CStr;
use core::ptr;

use crate::shared::call::lookup;
use crate::shared::sys::{self, Errno, StringList};

/// What is to be run is there and cannot be executed, as shells report it.
pub const EXIT_NOT_EXECUTABLE: i32 = 126;

/// What is to be run is not there, as shells report it.
pub const EXIT_NOT_FOUND: i32 = 127;

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
    /// The path of this file as it was executed, whatever `argv[0]` says.
    pub file: Option<&'static CStr>,
}

impl Given {
    /// The path by which the caller found this file.
    pub fn called(&self) -> &'static CStr {
        match self.args.first() {
            Some(name) if name.to_bytes().contains(&b'/') => name,
            _ => self.file.unwrap_or_default(),
        }
    }

    /// What is left when the first argument is taken away.
    pub fn shift(&mut self) {
        self.args = self.args.get(1..).unwrap_or_default();
        // SAFETY: the list has that argument, and at least its null pointer behind it.
        self.argv = unsafe { self.argv.add(1) };
    }
}

/// A launcher, ready to be run.
pub struct LauncherProgram {
    /// Where it may be; the first that can be run is.
    pub paths: Vec<Path>,
    /// The arguments, with room for the path in front and a null pointer at the end.
    pub argv: Vec<*const u8>,
    /// The environment, with a null pointer at the end.
    pub env: Vec<*const u8>,
}

impl LauncherProgram {
    /// Replaces this process; returns only where that fails.
    pub fn execute(&mut self) -> Errno {
        let mut failure = Errno::ENOENT;
        for path in &self.paths {
            self.argv[0] = path.as_cstr().as_ptr().cast();
            let (argv, env) = (self.argv.as_ptr(), self.env.as_ptr());
            // SAFETY: both lists end with a null pointer, and their strings outlive the call.
            let errno = unsafe { sys::execve(path.as_cstr(), argv, env) };
            // As in a shell: a file that is there and cannot be run explains more than one that is
            // not.
            if !errno.means_missing() {
                failure = errno;
            }
        }
        failure
    }

    /// Has it launch `compiler` instead, with `variables` beside the others.
    pub fn replace(&mut self, compiler: &'static CStr, variables: &[&'static CStr]) {
        self.argv[1] = start(&compiler);
        self.env.pop();
        self.env.extend(variables.iter().map(start));
        self.env.push(ptr::null());
    }
}

/// The paths that `word` may mean: itself if it has a slash; else one for each directory of PATH, as
/// the shell has it that hipcc calls.
pub fn candidates<'a>(env: &[&'a CStr], word: &'a [u8]) -> impl Iterator<Item = Path> + use<'a> {
    const DEFAULT: &[u8] = b"/usr/local/bin:/usr/bin:/bin";
    let is_path = word.contains(&b'/');
    let path = match lookup(env, b"PATH").map(CStr::to_bytes) {
        _ if is_path => b"",
        path => path.unwrap_or(DEFAULT),
    };
    path.split(|byte| *byte == b':').map(move |dir| match dir {
        _ if is_path => Path::new(&[word]),
        b"" => Path::new(&[b"./", word]),
        dir => Path::new(&[dir, b"/", word]),
    })
}

/// A string as `execve` takes it.
pub fn start(string: &&CStr) -> *const u8 {
    string.as_ptr().cast()
}

/// A path, put together, with the NUL that the kernel wants.
pub struct Path(Vec<u8>);
impl Path {
    pub fn new(parts: &[&[u8]]) -> Self {
        let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len()).sum::<usize>() + 1);
        for part in parts {
            bytes.extend_from_slice(part);
        }
        bytes.push(0);
        Self(bytes)
    }

    pub fn as_cstr(&self) -> &CStr {
        // The parts come from C strings and from the block, in which no path has a NUL.
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.as_cstr().to_bytes()
    }
}
