//! Becoming another program: the real compiler, or a launcher in front of it.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::cell::OnceCell;
use core::ffi::CStr;
use core::ptr;

use crate::shared::stand_in::{Plan, texts};
use crate::shared::launchers::failure;
use crate::shared::call::{Call, lookup};
use crate::shared::launchers::edits::Edits;
use crate::shared::decision::Launch;
use crate::shared::launchers::{Launcher, Source, sccache};
use crate::shared::decision::unit::{Role, default_output};
use crate::shared::paths::{ALIAS_SUFFIX, LAUNCHER_NAME, STAND_IN_SUFFIX, base_name};
use crate::shared::shim_config::Config;
use crate::shared::launchers::kind::LauncherKind;
use crate::message::say;
use crate::server::{self, Outcome, Server};
use crate::process::Inherited;
use crate::supervise::{self, Trouble};
use crate::shared::sys::{self, Errno, StringList};
use crate::database;
use crate::heap;
use crate::process;
use crate::tell;
use crate::stand_in;

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
    fn shift(&mut self) {
        self.args = self.args.get(1..).unwrap_or_default();
        // SAFETY: the list has that argument, and at least its null pointer behind it.
        self.argv = unsafe { self.argv.add(1) };
    }
}

/// Where the real compilers are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum DirHandle {
    /// Beside the shim, under their aliases.
    Beside,
    /// In the directory that is baked in: under their own names, or under their aliases if that
    /// directory is wrapped too.
    Elsewhere,
    /// Wherever the caller said.
    Foreign,
}

/// The real compiler of this shim, and how this call wants it run.
pub struct Real {
    /// The real compilers' directory, with the slash, once it is known. Where the shim stands in their
    /// place, asked of the kernel and not baked in: a copy of the tree must find its own compiler, never
    /// another tree's.
    dir: OnceCell<Vec<u8>>,
    /// Where this file was put, likewise, which is where it is if it was called there.
    home: &'static [u8],
    /// The compiler's name in it.
    name: Vec<u8>,
    place: DirHandle,
    given: Given,
}

/// Has [`last_resort`] run `real`, which must live as long as the process.
pub fn set_last_resort(real: &Real) {
    heap::keep(ptr::from_ref(real).cast());
}

/// The real compiler, when the shim itself has failed.
#[cold]
pub fn last_resort() -> ! {
    say(&[b"internal error, please report it; compiling without a launcher"]);
    // SAFETY: null, or of a value that lives as long as the process; nothing else is kept.
    match unsafe { heap::kept().cast::<Real>().as_ref() } {
        Some(real) => real.exec(),
        None => sys::exit(EXIT_NOT_EXECUTABLE),
    }
}

impl Real {
    /// For a shim that stands in the place of the compiler that `config` names. Without a configuration
    /// to tell it, the name is the file's own.
    pub fn beside(given: Given, config: Option<&Config<'static>>) -> Self {
        let home = config.map_or(&b""[..], |config| config.home);
        let (dir, name) = (OnceCell::new(), Vec::new());
        let mut real = Self { dir, home, name, place: DirHandle::Beside, given };
        real.name = match config {
            Some(config) => config.name.to_vec(),
            None => base_name(&real.own_path()).to_vec(),
        };
        real
    }

    /// For a shim elsewhere: the compiler of `config`'s directory or, for one that is called as a
    /// launcher, the one that is its first argument.
    pub fn elsewhere(mut given: Given, config: &Config<'_>) -> Self {
        if !config.is_launcher() {
            let name = given.args.first().map_or(config.name, |arg| base_name(arg.to_bytes()));
            let dir = OnceCell::from(config.dir.to_vec());
            return Self { dir, home: b"", name: name.to_vec(), place: DirHandle::Elsewhere, given };
        }
        given.shift();
        let Some(compiler) = given.args.first() else {
            say(&[b"call it as rock-wrap-launcher COMPILER ARGUMENTS..."]);
            sys::exit(EXIT_NOT_FOUND)
        };
        let name = base_name(compiler.to_bytes());
        let dir = compiler.to_bytes().strip_suffix(name).unwrap_or_default();
        let dir = OnceCell::from(dir.to_vec());
        Self { dir, home: b"", name: name.to_vec(), place: DirHandle::Elsewhere, given }
    }

    /// For a stand-in that a launcher calls without the plan of a launch.
    pub fn behind_stand_in(given: Given, config: &Config<'static>) -> Self {
        if config.dir.is_empty() {
            return Self::beside(given, Some(config));
        }
        let called = given.args.first().map_or(config.name, |name| name.to_bytes());
        let name = stand_in::compiler_of(called).to_vec();
        let dir = OnceCell::from(config.dir.to_vec());
        Self { dir, home: b"", name, place: DirHandle::Elsewhere, given }
    }

    /// The directory that the real compilers lie in, with the slash and without links: clang 15 tells
    /// headers by the path by which it is called, so that a launcher must be given one for all.
    pub fn dir(&self) -> &[u8] {
        self.dir.get_or_init(|| {
            let home = self.called_dir().filter(|dir| *dir == self.home);
            home.map_or_else(|| self.own_dir(), <[u8]>::to_vec)
        })
    }

    /// The directory, with the slash, in which the kernel was told to execute this file. `None` where
    /// that was a link to it, or cannot be told.
    fn called_dir(&self) -> Option<&[u8]> {
        let file = self.given.file.filter(|file| sys::is_regular(file))?.to_bytes();
        file.strip_suffix(base_name(file))
    }

    /// The same by the kernel's own account, with all links resolved. To have that told by /proc costs
    /// as much as all else that becomes of a call without a launcher.
    fn own_dir(&self) -> Vec<u8> {
        let mut path = self.own_path();
        path.truncate(path.len() - base_name(&path).len());
        path
    }

    fn own_path(&self) -> Vec<u8> {
        match sys::readlink(c"/proc/self/exe") {
            Ok(path) => path.strip_suffix(b" (deleted)").unwrap_or(&path).to_vec(),
            // Without /proc, clang too takes its directory from argv[0].
            Err(_) => self.given.args.first().map_or(Vec::new(), |arg| arg.to_bytes().to_vec()),
        }
    }

    /// The environment as it was given.
    pub fn envp(&self) -> StringList {
        self.given.envp
    }

    /// The arguments, the compiler's name first.
    pub fn args(&self) -> &'static [&'static CStr] {
        self.given.args
    }

    /// The compiler is the one that the caller named, and none of ours.
    pub fn make_foreign(&mut self) {
        self.place = DirHandle::Foreign;
    }

    /// The path of the real compiler, as a launcher is given it.
    fn path(&self) -> Path {
        let alias = Path::new(&[self.dir(), &self.name, ALIAS_SUFFIX]);
        match self.place {
            DirHandle::Foreign => Path::new(&[self.given.args.first().map_or(b"", |arg| arg.to_bytes())]),
            DirHandle::Elsewhere if sys::stat(alias.as_cstr()).is_err() => Path::new(&[self.dir(), &self.name]),
            DirHandle::Beside | DirHandle::Elsewhere => alias,
        }
    }

    /// The path of the stand-in, as a launcher is given it: beside this file.
    fn stand_in(&self) -> Path {
        if self.place == DirHandle::Beside {
            return Path::new(&[self.dir(), &self.name, STAND_IN_SUFFIX]);
        }
        // Not by a link, which may have another name or lie elsewhere.
        let file = self.given.file.filter(|file| sys::is_regular(file)).map(CStr::to_bytes);
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

    /// What the stand-in is told of a launch.
    #[cold]
    fn plan(&self, launch: &Launch<'_>) -> CString {
        let (real, name) = (self.path(), self.name_for_launch());
        let plan = Plan {
            kind: launch.launcher.kind,
            real: real.as_bytes(),
            name: &name,
            input: launch.unit.input.to_bytes(),
            texts: texts(&launch.unit),
        };
        plan.entry()
    }

    /// The name by which the stand-in calls the real compiler: the caller's, where it is beside.
    fn name_for_launch(&self) -> Vec<u8> {
        match self.given.args.first() {
            Some(name) if self.place == DirHandle::Beside => name.to_bytes().to_vec(),
            _ => [self.dir(), &self.name].concat(),
        }
    }

    /// Runs the real compiler, with the arguments and the environment exactly as given.
    pub fn exec(&self) -> ! {
        match self.place {
            DirHandle::Beside => self.exec_beside(),
            DirHandle::Elsewhere => self.exec_elsewhere(),
            DirHandle::Foreign => self.exec_foreign(),
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
        // The tree may have been restored or installed anew since this process began. Then
        // something else stands at the name by now: the original, or a shim that knows better. If
        // this very file still stands there, to run it again would only lead back here.
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

    /// By its own name and directory, from which clang 15 finds its resource directory: the
    /// caller's argv[0] may be in a directory that is gone tomorrow.
    fn exec_elsewhere(&self) -> ! {
        let path = self.path();
        let own = Path::new(&[self.dir(), &self.name]);
        let rest = self.given.args.iter().skip(1).map(start);
        let mut argv = Vec::with_capacity(self.given.args.len() + 1);
        argv.push(own.as_cstr().as_ptr().cast());
        argv.extend(rest.chain([ptr::null()]));
        // SAFETY: the list was ended above and its strings outlive the call; the environment is the
        // kernel's own.
        let errno = unsafe { sys::execve(path.as_cstr(), argv.as_ptr(), self.given.envp) };
        if !errno.means_missing() {
            cannot_execute(&path, errno)
        }
        say(&[b"the compiler ", path.as_bytes(), b" is missing: it was there when this shim was made"]);
        sys::exit(EXIT_NOT_FOUND)
    }

    #[cold]
    fn exec_foreign(&self) -> ! {
        let word = self.given.args.first().map_or(&b""[..], |arg| arg.to_bytes());
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

    /// Runs the real compiler and then has the compilation database that it wrote name it by its own name.
    /// Returns where that is so anyway, or the compiler could not be run.
    #[cold]
    pub fn run_for_database(&self, database: &CStr) {
        let alias = Path::new(&[self.dir(), &self.name, ALIAS_SUFFIX]);
        let leads_on = sys::readlink(alias.as_cstr());
        let moved = match &leads_on {
            Ok(target) => target.ends_with(ALIAS_SUFFIX),
            Err(_) => sys::is_regular(alias.as_cstr()),
        };
        if self.place != DirHandle::Beside || !moved {
            return;
        }
        let ended = supervise::run(None, &mut || self.become_program(alias.as_cstr()));
        if let Ok(end) = ended {
            database::mend(database);
            process::end(end)
        }
    }

    fn become_program(&self, path: &CStr) -> Errno {
        // SAFETY: both are the kernel's own lists.
        unsafe { sys::execve(path, self.given.argv, self.given.envp) }
    }
}

#[cold]
fn cannot_execute(path: &Path, errno: Errno) -> ! {
    say(&[b"cannot execute ", path.as_bytes(), b" (", errno.text(), b")"]);
    sys::exit(EXIT_NOT_EXECUTABLE)
}

/// Hands the compile to the launcher, with `args`; where that cannot be run or fails by itself, to the real
/// compiler or, if the installation is strict, to nobody.
///
/// `launch` is what is compiled, where that is known.
pub fn launch(
    real: &Real,
    call: &Call<'_>,
    launcher: &Launcher<'_>,
    edits: Edits,
    launch: Option<&Launch<'_>>,
) -> ! {
    let word = launcher.word;
    let key = launch.and_then(|launch| launch.key.as_ref());
    let output = launch.filter(|_| key.is_some()).map(|launch| match launch.unit.word(Role::Output) {
        Some(output) => output.into(),
        None => CString::new(default_output(&launch.unit.input)).unwrap_or_default(),
    });
    let plan = launch.filter(|_| crate::shared::stand_in::is_used(launcher)).map(|launch| real.plan(launch));
    let compiler = if plan.is_some() { real.stand_in() } else { real.path() };
    let mut args = match launch {
        Some(launch) => launch.unit.arguments(call.argv),
        None => call.argv.get(1..).unwrap_or_default().to_vec(),
    };
    key.iter().for_each(|key| args.extend(key.words()));
    let mut env = Vec::<&CStr>::with_capacity(call.env.len() + 8);
    env.extend(call.env.iter().filter(|entry| edits.keeps(entry.to_bytes())));
    edits.added().for_each(|entry| env.push(entry));
    key.iter().for_each(|key| env.push(&key.entry));
    plan.iter().for_each(|plan| env.push(plan));

    if let Some(output) = output.as_deref().filter(|_| launcher.asks_server) {
        ask_server(real, call, launcher, &compiler, &args, output, &env);
    }

    let mut argv = Vec::with_capacity(args.len() + 3);
    argv.extend([ptr::null(), start(&compiler.as_cstr())]);
    argv.extend(args.iter().map(start).chain([ptr::null()]));
    let mut variables = Vec::with_capacity(env.len() + 1);
    variables.extend(env.iter().map(start).chain([ptr::null()]));
    let mut program = Program { paths: candidates(call.env, word).collect(), argv, env: variables };

    // What the end of a launcher means is known of one that was given a key.
    let failure = if let Some(output) = &output {
        match supervise::launch(call, launcher.kind, output, &mut program) {
            Trouble::NotRun(errno) => errno,
            failed => after(real, call, launcher, &failed),
        }
    } else {
        if launcher.kind == LauncherKind::Sccache && Server::of(call.env).is_strangers() {
            after(real, call, launcher, &Trouble::Stranger)
        }
        let held = (launcher.kind == LauncherKind::Sccache).then(Inherited::hold_back);
        let failure = program.execute();
        held.iter().for_each(Inherited::give_back);
        failure
    };
    if failure == Errno::E2BIG {
        // What the launcher adds was too much; without it the call may still fit.
        real.exec()
    }
    let source: &[u8] = match launcher.from {
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
        real.exec()
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

/// Has the launcher's server do it. Returns where the launcher itself is still to be run.
#[cold]
#[inline(never)]
fn ask_server(
    real: &Real,
    call: &Call<'_>,
    launcher: &Launcher<'_>,
    compiler: &Path,
    args: &[&CStr],
    output: &CStr,
    env: &[&CStr],
) {
    let directory = sys::getcwd();
    // A path that is none from everywhere is the client's to look up.
    let ([b'/', ..], [b'/', ..]) = (compiler.as_bytes(), &directory[..]) else { return };
    let args = args.iter().copied();
    let request = sccache::request(compiler.as_bytes(), &directory, args, env);
    match server::compile(Server::of(call.env), &request, output, call.env) {
        Outcome::NotAsked => {}
        Outcome::NotCached => real.exec(),
        // The client goes on without it too, whatever is made of other failures.
        Outcome::Lost => {
            let word = launcher.word;
            say(&[b"the server of launcher ", word, b" went away; compiling without it"]);
            real.exec()
        }
        Outcome::Trouble(failed) => after(real, call, launcher, &failed),
    }
}

/// Goes on after a launcher that failed by itself.
#[cold]
fn after(real: &Real, call: &Call<'_>, launcher: &Launcher<'_>, failed: &Trouble) -> ! {
    let word = launcher.word;
    let strict = call.config.strict;
    let (what, end, lasting): (&[u8], _, _) = match *failed {
        Trouble::Failed { end, lasting } => (b" failed", end, lasting),
        Trouble::Mute | Trouble::NotRun(_) => {
            (b" waits for a server that does not answer", server::NO_SERVER, true)
        }
        Trouble::Stranger => {
            (b" has a server that is another user's or in another container", server::NO_SERVER, true)
        }
        Trouble::NoOutput => (b" has succeeded without an output", server::NO_SERVER, true),
    };
    say(&[b"launcher ", word, what, if strict { b"" } else { b"; compiling without it" }]);
    if strict {
        process::end(end)
    }
    if lasting && let Some(mark) = failure::mark(call, launcher) {
        tell::launcher_failed(&mark);
    }
    real.exec()
}

/// A launcher, ready to be run.
pub struct Program {
    /// Where it may be; the first that can be run is.
    paths: Vec<Path>,
    /// The arguments, with room for the path in front and a null pointer at the end.
    argv: Vec<*const u8>,
    /// The environment, with a null pointer at the end.
    env: Vec<*const u8>,
}

impl Program {
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
fn candidates<'a>(env: &[&'a CStr], word: &'a [u8]) -> impl Iterator<Item = Path> + use<'a> {
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
