//! What this process was given, and how it executes another program in its place.

use alloc::vec::Vec;
use core::ffi::CStr;
use core::ptr;

use crate::shared::call::lookup;
use crate::shared::sys::{self, Errno, StringList};

/// The exit status for a program that exists but cannot be executed, as in shells.
pub const EXIT_NOT_EXECUTABLE: i32 = 126;

/// The exit status for a program that does not exist, as in shells.
pub const EXIT_NOT_FOUND: i32 = 127;

/// What the kernel passed to this process, in its original form and as slices.
pub struct Given {
    /// The arguments.
    pub args: &'static [&'static CStr],
    /// The environment.
    pub env: &'static [&'static CStr],
    /// The arguments, to be passed on unchanged.
    pub argv: StringList,
    /// The environment, to be passed on unchanged.
    pub envp: StringList,
    /// The path by which this file was executed, regardless of `argv[0]`.
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

    /// Removes the first argument.
    pub fn shift(&mut self) {
        self.args = self.args.get(1..).unwrap_or_default();
        // SAFETY: the list has that argument, and at least its null pointer after it.
        self.argv = unsafe { self.argv.add(1) };
    }
}

/// A launcher, ready to be run.
pub struct LauncherProgram {
    /// The candidate paths; the first that can be executed is used.
    pub paths: Vec<Path>,
    /// The arguments, with a free slot for the path in front and a null pointer at the end.
    pub argv: Vec<*const u8>,
    /// The environment, with a null pointer at the end.
    pub env: Vec<*const u8>,
}

impl LauncherProgram {
    /// Replaces this process; returns only on failure.
    pub fn execute(&mut self) -> Errno {
        let mut failure = Errno::ENOENT;
        for path in &self.paths {
            self.argv[0] = path.as_cstr().as_ptr().cast();
            let (argv, env) = (self.argv.as_ptr(), self.env.as_ptr());
            // SAFETY: both lists end with a null pointer, and their strings outlive the call.
            let errno = unsafe { sys::execve(path.as_cstr(), argv, env) };
            // As in a shell: a file that exists but cannot be executed is a better explanation than a missing one.
            if !errno.means_missing() {
                failure = errno;
            }
        }
        failure
    }

    /// Replaces the compiler to launch by `compiler`, and adds `variables` to the environment.
    pub fn replace(&mut self, compiler: &'static CStr, variables: &[&'static CStr]) {
        self.argv[1] = start(&compiler);
        self.env.pop();
        self.env.extend(variables.iter().map(start));
        self.env.push(ptr::null());
    }
}

/// The paths that `word` may mean: itself if it has a slash, otherwise one for each directory of PATH, as in the
/// shell that hipcc calls.
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

/// A pointer to a string, as `execve` takes it.
pub fn start(string: &&CStr) -> *const u8 {
    string.as_ptr().cast()
}

/// A path assembled from parts, with the NUL that the kernel requires.
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
        // The parts come from C strings and from the block, whose paths contain no NUL.
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.as_cstr().to_bytes()
    }
}
