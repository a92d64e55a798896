//! Implements `rock-wrap explain`: shows what would run for a call, and why. It uses the shim's own
//! decision.

mod ingredients;

use crate::shared::{key, stand_in};
use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Serialize;

use super::{CliError, Exit, ExplainArgs, output};
use crate::parts::refusal;
use crate::shared::call::Call;
use crate::shared::decision::{Decision, Launch};
use crate::shared::launchers::Source;
use crate::shared::parts::{self, Parts};
use crate::shared::paths::{ALIAS_SUFFIX, STAND_IN_SUFFIX, base_name};
use crate::shared::shim_config::Config;
use crate::shared::stand_in::StandInPlan;
use crate::shared::this_machine::ThisMachine;
use crate::shared::{decision, this_machine};
use crate::shim_image;

/// The output.
#[derive(Serialize)]
struct ExplainAnswer {
    /// The compiler that was named.
    #[serde(serialize_with = "output::path")]
    compiler: PathBuf,
    /// Whether the compiler is a shim. If not, the output shows what a pass-through shim would do.
    wrapped: bool,
    decision: &'static str,
    reason: Option<&'static str>,
    explanation: Option<&'static str>,
    remedy: Option<&'static str>,
    /// The argument that the reason refers to.
    argument: Option<String>,
    launcher: Option<String>,
    launcher_from: Option<&'static str>,
    /// Whether the launcher's server is asked. `runs` is then executed only if no server answers.
    asks_server: bool,
    /// The command that would be executed.
    runs: Vec<String>,
    /// The variables that are added to the environment.
    environment_added: Vec<String>,
    /// The variables that are removed from the environment.
    environment_removed: Vec<String>,
    /// The architectures that are looked up separately if the launcher does not have the whole compile.
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<Vec<String>>,
    /// Why a compile for several architectures is compiled whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_split: Option<String>,
    /// What the cache entry depends on, if that was asked for and there is an entry.
    ingredients: Option<ingredients::Shown>,
}

/// Explains one call.
pub fn main(args: &ExplainArgs) -> Result<Exit, CliError> {
    let compiler = find(&args.call[0])?;
    let file = std::fs::read(&compiler).unwrap_or_default();
    let baked = shim_image::read(&file).and_then(Result::ok);
    let name = compiler.file_name().unwrap_or_default().as_bytes().to_vec();
    let config = baked.unwrap_or(Config {
        name: &name,
        // An installed shim always has a fingerprint.
        fingerprint: b"not installed",
        ..Config::default()
    });

    let argv = strings(args.call.iter().cloned())?;
    let env = strings(std::env::vars_os().map(|(mut name, value)| {
        name.push("=");
        name.push(value);
        name
    }))?;
    let (argv, env) = (borrowed(&argv), borrowed(&env));
    // A shim that is called as a launcher has the compiler as its first argument.
    let shift = usize::from(config.is_launcher());
    let Some(argv) = argv.get(shift..).filter(|argv| !argv.is_empty()) else {
        return Err(CliError::NoCompiler(compiler));
    };
    // As the caller's shell would find it.
    let word = &args.call[shift];
    let found = which::which(word).unwrap_or_else(|_| PathBuf::from(word));
    let called = CString::new(found.into_os_string().into_vec()).map_err(|_| CliError::Nul)?;
    let call = Call {
        argv,
        called: &called,
        env: &env,
        config: &config,
    };
    let own_dir = compiler.parent().unwrap_or(&compiler).as_os_str();
    let dir = match config.dir {
        b"" => [own_dir.as_bytes(), b"/"].concat(),
        dir => dir.to_vec(),
    };
    let tell_dir = || &dir[..];
    let machine = ThisMachine::new(&tell_dir).with(&ReadOnlyHands);
    let real = if baked.is_some() {
        real(&call, &dir, &machine)
    } else {
        compiler.clone()
    };
    let answer = answer(&call, compiler, baked.is_some(), &real, args.key, &machine);
    if args.json {
        output::json(&answer);
    } else {
        show(&answer);
    }
    Ok(Exit::Success)
}

/// The compiler that a call names, as the caller's shell would find it.
fn find(word: &OsStr) -> Result<PathBuf, CliError> {
    let missing = || CliError::NoCompiler(PathBuf::from(word));
    let path = which::which(word).map_err(|_| missing())?;
    // If a link leads to a shim, use the shim's own path. Otherwise keep the name, which may be a
    // link itself.
    let target = path.canonicalize().map_err(|_| missing())?;
    Ok(if shim_image::is_shim_file(&target) {
        target
    } else {
        path
    })
}

fn strings(words: impl Iterator<Item = OsString>) -> Result<Vec<CString>, CliError> {
    words
        .map(|word| CString::new(word.into_vec()).map_err(|_| CliError::Nul))
        .collect()
}

fn borrowed(strings: &[CString]) -> Vec<&CStr> {
    strings.iter().map(CString::as_c_str).collect()
}

/// The real compiler, found as the shim finds it.
fn real(call: &Call<'_>, dir: &[u8], machine: &ThisMachine<'_>) -> PathBuf {
    let path = |parts: &[&[u8]]| PathBuf::from(OsString::from_vec(parts.concat()));
    let called = call.argv[0].to_bytes();
    if decision::foreign::is_foreign(call, machine) {
        return path(&[called]);
    }
    if call.config.dir.is_empty() {
        return path(&[dir, call.config.name, ALIAS_SUFFIX]);
    }
    let name = base_name(called);
    let alias = path(&[dir, name, ALIAS_SUFFIX]);
    if alias.exists() {
        alias
    } else {
        path(&[dir, name])
    }
}

/// The stand-in beside the shim at `compiler`, which launchers get as their compiler.
fn stand_in(compiler: &Path, call: &Call<'_>) -> PathBuf {
    let cxx = call.argv[0].to_bytes().contains(&b'+');
    let name = match (call.config.is_launcher(), cxx) {
        (true, true) => OsStr::new("clang++"),
        (true, false) => OsStr::new("clang"),
        (false, _) => compiler.file_name().unwrap_or_default(),
    };
    let name = [name.as_bytes(), STAND_IN_SUFFIX].concat();
    compiler.with_file_name(OsString::from_vec(name))
}

/// The plan that the stand-in is given for a launch.
fn plan<'p>(launch: &'p Launch<'_>, call: &Call<'p>, real: &'p Path) -> Option<StandInPlan<'p>> {
    let is_beside = call.config.dir.is_empty();
    let own_name = real.as_os_str().as_bytes();
    let own_name = own_name.strip_suffix(ALIAS_SUFFIX).unwrap_or(own_name);
    let name = if is_beside {
        call.argv[0].to_bytes()
    } else {
        own_name
    };
    let splits = parts::can_split(&launch.unit);
    // Any directory will do: nothing is launched.
    let parts = splits.then(|| Parts::parse(b"a/tmp/rock-wrap-parts", call.config.parts));
    let parts = parts.flatten();
    stand_in::is_used(&launch.launcher).then(|| {
        StandInPlan::of(
            launch.launcher.kind,
            &launch.unit,
            launch.shared.as_ref(),
            real.as_os_str().as_bytes(),
            name,
            parts,
            // No call's ID: nothing is launched.
            0,
        )
    })
}

/// Runs the tree's tools as the shim does, but does not store their output; the next compile will.
struct ReadOnlyHands;

impl this_machine::Hands for ReadOnlyHands {
    fn run(&self, program: &CStr, argument: Option<&CStr>) -> Option<Vec<u8>> {
        let mut command = Command::new(OsStr::from_bytes(program.to_bytes()));
        command.args(argument.map(|argument| OsStr::from_bytes(argument.to_bytes())));
        command.stdin(Stdio::null()).stderr(Stdio::null());
        let output = command.output().ok()?;
        output.status.success().then_some(output.stdout)
    }

    fn write(&self, _: &CStr, _: &[u8]) {}
}

fn answer(
    call: &Call<'_>,
    compiler: PathBuf,
    wrapped: bool,
    real: &Path,
    with_key: bool,
    machine: &ThisMachine<'_>,
) -> ExplainAnswer {
    let text = |word: &CStr| word.to_string_lossy().into_owned();
    let given: Vec<String> = call.argv.iter().skip(1).map(|word| text(word)).collect();
    let stand_in = stand_in(&compiler, call);
    let real_path = real;
    let real = real.display().to_string();
    let mut answer = ExplainAnswer {
        compiler,
        wrapped,
        decision: "direct",
        reason: None,
        explanation: None,
        remedy: None,
        argument: None,
        launcher: None,
        launcher_from: None,
        asks_server: false,
        runs: Vec::new(),
        environment_added: Vec::new(),
        environment_removed: Vec::new(),
        parts: None,
        not_split: None,
        ingredients: None,
    };
    let (launcher, edits, key, plan, given) = match decision::decide(call, machine) {
        Decision::Direct(direct) => {
            answer.reason = Some(direct.reason.as_str());
            answer.explanation = Some(direct.reason.explanation());
            answer.remedy = direct.reason.remedy();
            let argument = || Some(text(call.argv.get(direct.at?)?));
            let changed = decision::compiler::changed(&direct, call.config);
            let changed = changed.map(|path| String::from_utf8_lossy(&path).into_owned());
            answer.argument = changed.or_else(argument);
            answer.runs = [vec![real], given].concat();
            return answer;
        }
        Decision::Launch(launch) => {
            let plan = plan(&launch, call, real_path);
            if let Some(plan) = plan.as_ref().filter(|_| with_key) {
                answer.ingredients = ingredients::of(call, &launch, plan, machine);
            }
            if plan.as_ref().is_some_and(|plan| plan.parts.is_some()) {
                match refusal(call.argv) {
                    None => {
                        answer.parts =
                            Some(launch.unit.archs.iter().map(|arch| text(arch)).collect())
                    }
                    Some((argument, why)) => {
                        answer.not_split = Some(format!("{}: {why}", text(argument)))
                    }
                }
            }
            let plan = plan.map(|plan| plan.entry());
            let given = launch.unit.arguments(call.argv);
            let given = given.into_iter().map(text).collect();
            (launch.launcher, launch.edits, launch.key, plan, given)
        }
        Decision::Forward(forward) => (forward.launcher, forward.edits, None, None, given),
    };
    let word = String::from_utf8_lossy(launcher.word).into_owned();
    answer.decision = "launch";
    answer.launcher_from = Some(match launcher.from {
        Source::Environment => "HIP_CLANG_LAUNCHER",
        Source::Installed => "install",
    });
    answer.asks_server = launcher.asks_server && key.is_some();
    let added = key.iter().flat_map(key::Key::words).map(text).collect();
    let given_compiler = match plan {
        Some(_) => stand_in.display().to_string(),
        None => real,
    };
    answer.runs = [vec![word.clone(), given_compiler], given, added].concat();
    answer.launcher = Some(word);
    let entry = key.iter().flat_map(key::Key::entries).map(text);
    let plan = plan.as_deref().map(text);
    answer.environment_added = edits.added().map(text).chain(entry).chain(plan).collect();
    let removed = call.env.iter().filter(|entry| {
        let entry = entry.to_bytes();
        !edits.keeps(entry) || key.as_ref().is_some_and(|key| !key.keeps(entry))
    });
    answer.environment_removed = removed
        .map(|entry| text(entry).split('=').next().unwrap_or_default().to_owned())
        .collect();
    answer
}

fn show(answer: &ExplainAnswer) {
    if !answer.wrapped {
        output::note(format_args!(
            "{} is not wrapped; this is what a shim installed without a launcher would do",
            answer.compiler.display()
        ));
    }
    match (answer.reason, &answer.launcher) {
        (Some(reason), _) => {
            output::answer(format_args!(
                "direct ({reason}): straight to the real compiler"
            ));
            if let Some(explanation) = answer.explanation {
                output::answer(format_args!("  why: {explanation}"));
            }
            if let Some(argument) = &answer.argument {
                output::answer(format_args!("  argument: {argument}"));
            }
            if let Some(remedy) = answer.remedy {
                output::answer(format_args!("  remedy: {remedy}"));
            }
        }
        (None, launcher) => {
            let from = answer.launcher_from.unwrap_or_default();
            let launcher = launcher.as_deref().unwrap_or_default();
            output::answer(format_args!("launch: through {launcher} (from {from})"));
        }
    }
    if let Some(parts) = &answer.parts {
        output::answer(format_args!(
            "  on a miss: by architecture, each from the cache or compiled ({})",
            parts.join(", ")
        ));
    }
    if let Some(why) = &answer.not_split {
        output::answer(format_args!(
            "  on a miss: compiled whole, because of {why}"
        ));
    }
    if answer.asks_server {
        output::answer(format_args!(
            "  asks: its server for this; it is run only where no server answers"
        ));
    }
    let words = answer
        .runs
        .iter()
        .map(|word| shell_word(word))
        .collect::<Vec<_>>()
        .join(" ");
    output::answer(format_args!("  runs: {words}"));
    for entry in &answer.environment_added {
        output::answer(format_args!("  environment: with {entry}"));
    }
    for name in &answer.environment_removed {
        output::answer(format_args!("  environment: without {name}"));
    }
    answer.ingredients.iter().for_each(ingredients::show);
}

/// Quotes `word` so that it can be pasted into a shell.
fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=+:,@%^".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_can_be_pasted_into_a_shell() {
        for word in ["", "-O2", "a b", "it's", "$HOME", "-DS=\"x y\"", "*"] {
            let script = format!("printf %s {}", shell_word(word));
            let output = std::process::Command::new("sh")
                .args(["-c", &script])
                .output()
                .unwrap();
            assert_eq!(output.stdout, word.as_bytes());
        }
    }
}
