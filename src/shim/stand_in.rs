//! The stand-in: what a launcher runs in the belief that it is the compiler.
//!
//! Owns: carrying out the answer. [`stand_in`] decides which calls are answered and how. Every other call becomes
//! the real compiler, under the name by which the shim was called.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::ptr;

use crate::checkout;
use crate::markers::MarkerNames;
use crate::message::say;
use crate::named::{NamedContent, NamedFiles, PIECE, kept_digests};
use crate::process::{self, Child};
use crate::program::{EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND, Given};
use crate::shared::bytes::push_decimal;
use crate::shared::call::lookup;
use crate::shared::call_log;
use crate::shared::key::hash::{Hasher, push_hex};
use crate::shared::launchers::failure::End;
use crate::shared::launchers::kind::LauncherKind;
use crate::shared::parts::{COMPILER, DECLINED, HOST, Phase};
use crate::shared::paths::{ALIAS_SUFFIX, STAND_IN_SUFFIX, base_name};
use crate::shared::stand_in::text::Scanner;
use crate::shared::stand_in::{Question, StandInPlan, TextSide, VARIABLE, is_compile};
use crate::shared::sys::{self, Errno, File};
use crate::supervise;

/// Whether a launcher runs this file as the compiler, recognised by a name that only the stand-in has.
pub fn is_called(args: &[&CStr]) -> bool {
    args.first()
        .is_some_and(|name| name.to_bytes().ends_with(STAND_IN_SUFFIX))
}

/// Answers the launcher. Returns if the call does not belong to a launch, such as a launcher's probe made without
/// the shim's environment.
pub fn answer(given: &Given) {
    let Some(value) = lookup(given.env, VARIABLE) else {
        return;
    };
    let Some(mut plan) = StandInPlan::parse(value.to_bytes()) else {
        return;
    };
    let args = given.args.get(1..).unwrap_or_default();
    if let Some(question) = plan.question(args) {
        let status = give_text(&mut plan, &question, given);
        checkout::depfile(&plan, args);
        sys::exit(status)
    }
    let words = plan.words(args);
    let compiles = args.contains(&c"-c");
    let run: &mut dyn FnMut() -> Errno = &mut || {
        if compiles {
            tell(&plan, given, Vec::new());
        }
        execute(&plan, &words, given)
    };
    // With a log, wait for the compile: only then does the kernel report how much memory it took. A launcher's own
    // figure would be that of its largest child or, with a server, of no process at all.
    let ended = if !plan.root.is_empty() {
        checkout::compile(&plan, args, run)
    } else if compiles && lookup(given.env, call_log::VARIABLE.as_bytes()).is_some() {
        supervise::run(None, run).ok()
    } else {
        None
    };
    if let Some(end) = ended {
        if compiles && end != End::Exited(DECLINED) {
            let mut text = Vec::from(call_log::MEMORY);
            push_decimal(&mut text, process::peak_memory());
            text.push(b'\n');
            tell(&plan, given, text);
        }
        process::end(end)
    }
    let errno = run();
    say(&[
        b"cannot execute the compiler ",
        plan.real,
        b" (",
        errno.text(),
        b")",
    ]);
    sys::exit(if errno.means_missing() {
        EXIT_NOT_FOUND
    } else {
        EXIT_NOT_EXECUTABLE
    })
}

/// Runs the real compiler in this process. If its alias no longer exists, the tree was restored since the launch,
/// and the compiler is back under its own name.
fn execute(plan: &StandInPlan<'_>, args: &[&CStr], given: &Given) -> Errno {
    let own = |bytes: &[u8]| CString::new(bytes).unwrap_or_default();
    let (real, name) = (own(plan.real), own(plan.name));
    let words = [name.as_c_str()];
    let words = words.iter().chain(args).map(|word| word.as_ptr().cast());
    let mut argv: Vec<*const u8> = words.chain([ptr::null()]).collect();
    if let Some(parts) = plan.parts.filter(|_| is_compile(args, plan.input)) {
        let program = own(parts.program());
        argv[0] = COMPILER.as_ptr().cast();
        // SAFETY: as below.
        unsafe { sys::execve(&program, argv.as_ptr(), given.envp) };
        // The compiler's own result is not a part's.
        if parts.phase == Phase::Part {
            sys::exit(DECLINED)
        }
        argv[0] = name.as_ptr().cast();
    }
    // SAFETY: the list was ended above and its strings outlive the call; the environment was made by the kernel.
    let errno = unsafe { sys::execve(&real, argv.as_ptr(), given.envp) };
    let restored = plan.real.strip_suffix(ALIAS_SUFFIX).map(own);
    let is = |path: &CStr| sys::stat(path).map(|stat| (stat.file_state.dev, stat.file_state.ino));
    match restored.filter(|_| errno.means_missing()) {
        // SAFETY: as above.
        Some(path) if is(&path) != is(c"/proc/self/exe") => unsafe {
            sys::execve(&path, argv.as_ptr(), given.envp)
        },
        _ => errno,
    }
}

/// Prints every text of the compile, and a digest of each file that they name. Returns the exit status.
fn give_text(plan: &mut StandInPlan<'_>, question: &Question<'_>, given: &Given) -> i32 {
    const FAILED: i32 = 1;
    // Only this process may have created the directory. Otherwise no text is kept.
    if let Some(parts) = plan.parts.filter(|parts| parts.phase == Phase::Ask)
        && CString::new(parts.dir).is_ok_and(|dir| sys::make_dir(&dir).is_err())
    {
        plan.parts = None;
    }
    let plan = &*plan;
    let output = match question.output.map(File::replace) {
        None => None,
        Some(Ok(file)) => Some(file),
        Some(Err(_)) => return FAILED,
    };
    let to = output.as_ref().map_or(1, File::descriptor);
    let mut scanner = Scanner::default();
    let mut names = MarkerNames::default();
    let told = plan.texts.iter().all(|side| {
        give_side(*side, plan, question, given, to, &mut scanner, &mut names)
            && sys::write_all(to, b"\n")
    });
    let told = told && !scanner.is_untold();
    if !told && plan.kind == LauncherKind::Ccache {
        // The launcher then compiles without its cache, silently. The compiler's errors come from that compile.
        return FAILED;
    }
    let mut rest = Vec::with_capacity(PIECE);
    let kept = kept_digests(plan);
    let mut files = NamedFiles::new(plan, &kept);
    let mut dated = scanner.is_dated();
    // The checkout's own files come last: among the others, their place would depend on the checkout's.
    let mut own = Vec::new();
    let known = scanner.names().fold(told, |known, name| {
        let respelled;
        let shown = match plan.kind {
            LauncherKind::Sccache => names.path_for(name).unwrap_or(name),
            _ => match name.strip_prefix(plan.root) {
                Some(rest) if !plan.root.is_empty() => {
                    respelled = [plan.up, rest].concat();
                    &respelled
                }
                _ => name,
            },
        };
        let is_own = !plan.root.is_empty() && name.starts_with(plan.root);
        let named = files.add(name, shown, if is_own { &mut own } else { &mut rest });
        // If a header contains a date macro, even in a comment, sccache's direct mode compares the header's size
        // instead of its content (0.16 to 0.19, `preprocessor_cache.rs`).
        dated |= named == NamedContent::Known { dated: true }
            && plan.kind == LauncherKind::Sccache
            && name != plan.input;
        known & (named != NamedContent::Unknown)
    });
    files.keep(plan);
    rest.append(&mut own);
    if !known && plan.kind == LauncherKind::Ccache {
        return FAILED;
    }
    match plan.kind {
        // sccache's server may remove directories from the text (`SCCACHE_BASEDIRS`), wherever they occur.
        LauncherKind::Sccache => {
            let mut hasher = Hasher::new();
            hasher.bytes(&scanner.literals());
            if plan.root.is_empty() || scanner.is_placed() {
                scanner.names().for_each(|name| hasher.text(name));
            }
            rest.extend_from_slice(b"#pragma rock-wrap says ");
            push_hex(&mut rest, &hasher.finish());
            rest.push(b'\n');
        }
        _ if scanner.is_placed() && !plan.root.is_empty() => {
            rest.extend_from_slice(b"#pragma rock-wrap in ");
            rest.extend_from_slice(plan.root);
            rest.push(b'\n');
        }
        _ => {}
    }
    if !known {
        never_the_same(&mut rest);
    } else if dated {
        by_text_alone(&mut rest);
    }
    let status = if sys::write_all(to, &rest) { 0 } else { FAILED };
    tell(plan, given, rest);
    status
}

/// Adds a record to the session's log, if there is one: `text`, which is empty or consists of lines that begin with
/// `#`, and the number of the call that the record belongs to.
#[inline(never)]
fn tell(plan: &StandInPlan<'_>, given: &Given, mut text: Vec<u8>) {
    if let Some(log) = call_log::open(given.env) {
        push_decimal(&mut text, plan.call as u64);
        text.push(b'\n');
        log.write(&text);
    }
}

/// Prints one text as produced by the real compiler. Returns whether it produced one.
fn give_side(
    side: TextSide<'_>,
    plan: &StandInPlan<'_>,
    question: &Question<'_>,
    given: &Given,
    to: usize,
    scanner: &mut Scanner,
    names: &mut MarkerNames,
) -> bool {
    let more = Question::for_side(side);
    let words = question.words.iter().copied();
    let words: Vec<&CStr> = words.chain(more.iter().map(CString::as_c_str)).collect();
    let kept = kept_text(side, plan);
    let told = kept.as_ref().and_then(|path| File::open(path).ok());
    let (read, child) = match told {
        Some(text) => (text, None),
        None => {
            let Ok((read, write)) = File::pipe() else {
                return false;
            };
            // The caller's standard input is reserved for the compile.
            let nothing = File::open(c"/dev/null");
            let child = Child::start(&mut || {
                nothing
                    .iter()
                    .for_each(|nothing| sys::duplicate(nothing.descriptor(), 0));
                sys::duplicate(write.descriptor(), 1);
                execute(plan, &words, given);
            });
            let Ok(child) = child else { return false };
            (read, Some(child))
        }
    };
    let copy = kept.as_ref().filter(|_| child.is_some());
    let mut copy = copy.and_then(|path| File::create(path).ok());
    let mut piece = Vec::with_capacity(PIECE);
    // An incomplete line, and the output for one piece.
    let (mut line, mut out) = (Vec::with_capacity(PIECE), Vec::with_capacity(2 * PIECE));
    let mut is_whole = true;
    loop {
        piece.clear();
        match read.read_more(&mut piece) {
            Ok(0) => break,
            Ok(_) => {
                scanner.feed(&piece);
                if let Some(file) = &copy
                    && !sys::write_all(file.descriptor(), &piece)
                {
                    // The disk is full: each call makes the text for itself.
                    copy = None;
                    kept.iter().for_each(|path| sys::remove_file(path));
                }
                let rewritten = plan.kind == LauncherKind::Sccache || !plan.root.is_empty();
                is_whole &= if rewritten {
                    out.clear();
                    line.extend_from_slice(&piece);
                    let left = match plan.kind {
                        LauncherKind::Sccache => names.rename(&line, &mut out),
                        _ => checkout::markers(&line, plan, &mut out),
                    };
                    let left = left.len();
                    line.drain(..line.len() - left);
                    // No marker is that long.
                    if line.len() > PIECE {
                        out.append(&mut line);
                    }
                    sys::write_all(to, &out)
                } else {
                    sys::write_all(to, &piece)
                };
            }
            Err(Errno::EINTR) => {}
            Err(_) => is_whole = false,
        }
        if !is_whole {
            break;
        }
    }
    drop(read);
    scanner.end_text();
    is_whole &= sys::write_all(to, &line);
    is_whole &= child.is_none_or(|child| child.ended() == End::Exited(0));
    if let Some(path) = kept.as_ref().filter(|_| !is_whole) {
        sys::remove_file(path);
    }
    is_whole
}

/// Where the text of a side is kept while a compile is made by architecture. The first call that needs the text writes
/// it. `None` if it is not kept: `give_text` keeps texts for the whole compile only if it has created the directory.
fn kept_text(side: TextSide<'_>, plan: &StandInPlan<'_>) -> Option<CString> {
    let parts = plan.parts?;
    match side {
        TextSide::Whole => None,
        TextSide::Host => Some(parts.text(HOST)),
        TextSide::Device(arch) => Some(parts.text(arch)),
    }
}

/// Appends something unique, so that this compile is not found in the cache by its text, and a marker for a file
/// that does not exist, so that it is not found by direct mode either.
fn never_the_same(out: &mut Vec<u8>) {
    out.extend_from_slice(b"# 1 \"/nonexistent/rock-wrap/");
    push_hex(out, &sys::random());
    out.extend_from_slice(b"\"\n#pragma rock-wrap untold\n");
}

/// Appends a marker for a file that does not exist: this compile can be found by its text, which contains the time,
/// but not by direct mode, which would not notice that time passes.
fn by_text_alone(out: &mut Vec<u8>) {
    out.extend_from_slice(b"# 1 \"/nonexistent/rock-wrap/dated\"\n#pragma rock-wrap dated\n");
}

/// The name of the compiler that this stand-in represents.
pub fn compiler_of(name: &[u8]) -> &[u8] {
    let name = base_name(name);
    name.strip_suffix(STAND_IN_SUFFIX).unwrap_or(name)
}
