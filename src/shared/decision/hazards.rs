//! Options that prevent a launch.
//!
//! Owns: one table from spelling to reason. An option that is not in it is no hazard by itself; options
//! that are judged by their value are in [`arguments`](super::arguments) and
//! [`launchers`](crate::shared::launchers).

use crate::shared::decision::reasons::Reason;
use crate::shared::decision::spellings::{OptionKind, Row, Table};
use crate::shared::launchers::NamedLauncher;
use crate::shared::launchers::kind::LauncherKind;

/// What an option means for a launch.
#[derive(Clone, Copy)]
enum OptionRule {
    /// Direct, with any launcher.
    Never(Reason),
    /// Direct with sccache.
    NotSccache(Reason),
    /// Direct with a launcher that does not resolve `native`.
    Native,
    /// Direct with a launcher that loses colours.
    Colours,
    /// No hazard, although a shorter entry matches.
    Fine,
}

use OptionRule::{Colours, Fine, Native, Never, NotSccache};
use Reason::{
    CanonicalPrefixes, ConfigFile, Coverage, Depfile, DoubleDash, ExternalTools, FileInput,
    Frontend, Information, LauncherOption, Modules, OffloadKind, OtherAction, Passthrough, Plugin,
    PrecompiledHeader, PreprocessedForm, Profile, RandomCuid, RecordedCommand, ReorderedOptions,
    ResponseQuoting, SaveTemps, SideOutput, SplitDwarf, TargetForwarding, UnusualSpelling,
    VfsOverlay, WorkingDirectory,
};

/// Sorted by the bytes of the spelling without `*`. `*` matches everything with this prefix.
#[rustfmt::skip]
const RULES: &[(&str, OptionRule)] = &[
    ("-###", Never(Information)),
    ("--", Never(DoubleDash)),
    ("--amdgpu-arch-tool*", Never(ExternalTools)),
    ("--analyze*", Never(OtherAction)),
    ("--assemble", Never(OtherAction)),
    ("--autocomplete*", Never(Information)),
    ("--ccache-*", Never(LauncherOption)),
    ("--compile", Never(UnusualSpelling)),
    ("--config*", Never(ConfigFile)),
    ("--coverage", Never(Coverage)),
    ("--dependencies", Never(OtherAction)),
    ("--emit-*", Never(OtherAction)),
    ("--gpu-instrument-lib*", Never(FileInput)),
    ("--help*", Never(Information)),
    ("--hip-device-lib=*", Never(FileInput)),
    ("--hipspv-pass-plugin*", Never(Plugin)),
    ("--hipstdpar*", Never(OffloadKind)),
    ("--include-barrier", NotSccache(ReorderedOptions)),
    ("--language*", Never(UnusualSpelling)),
    ("--libclc-lib*", Never(FileInput)),
    ("--libomptarget-*", Never(FileInput)),
    ("--migrate", Never(OtherAction)),
    ("--multi-lib-config*", Never(FileInput)),
    ("--no-integrated-cpp", Never(ExternalTools)),
    // With this option the text names no headers, and ccache 4.14.2 knows only `-P` to have that effect.
    ("--no-line-commands", Never(PreprocessedForm)),
    ("--nvptx-arch-tool*", Never(ExternalTools)),
    ("--offload-arch-tool*", Never(ExternalTools)),
    ("--offload=*", Never(OffloadKind)),
    ("--output-*", Never(UnusualSpelling)),
    ("--precompile*", Never(OtherAction)),
    ("--prefix*", Never(ExternalTools)),
    ("--preprocess", Never(OtherAction)),
    ("--print*", Never(Information)),
    ("--ptxas-path*", Never(ExternalTools)),
    ("--relocatable-pch", Never(PrecompiledHeader)),
    ("--rsp-quoting*", Never(ResponseQuoting)),
    ("--save-stats*", Never(SideOutput)),
    ("--save-temps*", Never(SaveTemps)),
    ("--serialize-diagnostics*", Never(SideOutput)),
    ("--specs*", Never(FileInput)),
    ("--spirv-val-path*", Never(ExternalTools)),
    ("--ssaf-*", Never(SideOutput)),
    ("--start-no-unused-arguments", NotSccache(ReorderedOptions)),
    ("--sycl-link", Never(OffloadKind)),
    ("--symbol-graph-dir*", Never(SideOutput)),
    ("--target-help", Never(Information)),
    ("--trace-includes", Never(Information)),
    ("--user-dependencies", Never(OtherAction)),
    ("--verbose", Never(Information)),
    ("--version", Never(Information)),
    ("--vfsoverlay*", Never(VfsOverlay)),
    ("--via-file-asm", Never(ExternalTools)),
    ("--warning-suppression-mappings*", Never(FileInput)),
    ("--write-dependencies", Never(UnusualSpelling)),
    ("--write-user-dependencies", Never(UnusualSpelling)),
    ("-B*", Never(ExternalTools)),
    ("-E", Never(OtherAction)),
    ("-H", Never(Information)),
    ("-M", Never(OtherAction)),
    ("-MG", Never(Depfile)),
    ("-MJ*", Never(SideOutput)),
    ("-MM", Never(OtherAction)),
    ("-S", Never(OtherAction)),
    // Versions of clang disagree about the argument after these (RESOLVED in generate-options.py).
    ("-Tbss*", Never(UnusualSpelling)),
    ("-Tdata*", Never(UnusualSpelling)),
    ("-Ttext*", Never(UnusualSpelling)),
    ("-V*", Never(Information)),
    ("-Wp,*", Never(Passthrough)),
    ("-Xanalyzer", Never(OtherAction)),
    ("-Xassembler*", Never(Passthrough)),
    ("-Xclangas*", Never(Passthrough)),
    ("-Xcuda-*", Never(TargetForwarding)),
    ("-Xmicrosoft-*", Never(UnusualSpelling)),
    ("-Xoffload-*", Never(TargetForwarding)),
    ("-Xoffload-linker*", Fine),
    ("-Xopenmp-*", Never(TargetForwarding)),
    ("-Xpreprocessor*", Never(Passthrough)),
    ("-Xthinlto*", Never(TargetForwarding)),
    ("-Zlinker-input", Never(FileInput)),
    ("-add-plugin*", Never(Plugin)),
    ("-alias_list", Never(UnusualSpelling)),
    ("-analyze*", Never(OtherAction)),
    ("-arcmt-*", Never(SideOutput)),
    ("-ast-*", Never(OtherAction)),
    ("-cc1*", Never(Frontend)),
    ("-ccc-*", Never(ExternalTools)),
    ("-coverage*", Never(Coverage)),
    // -dM, -dumpversion, -dependency-file and everything joined to -d.
    ("-d*", Never(Information)),
    ("-dependency-*", Never(SideOutput)),
    // Only cc1 has these, through -Xclang.
    ("-disable-*", Fine),
    ("-dsym-dir*", Never(SideOutput)),
    ("-dumpdir", Never(SideOutput)),
    ("-dwarf-*", Fine),
    ("-dynamic", Fine),
    ("-emit-*", Never(OtherAction)),
    ("-emit-llvm", Fine),
    ("-emit-pch", Never(PrecompiledHeader)),
    ("-extract-api", Never(OtherAction)),
    ("-fapinotes*", Never(Modules)),
    ("-fauto-profile*", Never(Profile)),
    ("-fbasic-block-sections=list=*", Never(FileInput)),
    ("-fbuild-session-*", Never(Modules)),
    ("-fbuiltin-module-map", Never(Modules)),
    ("-fcodegen-data-*", Never(Profile)),
    ("-fcolor-diagnostics", Colours),
    ("-fcoverage-mapping", Never(Coverage)),
    ("-fcoverage-mcdc", Never(Coverage)),
    ("-fcs-profile*", Never(Profile)),
    ("-fcuda-append-*", Never(FileInput)),
    ("-fcuda-include-*", Never(FileInput)),
    ("-fcxx-modules", Never(Modules)),
    ("-fdebug-pass-*", Never(Information)),
    ("-fdepfile-entry*", Never(FileInput)),
    ("-fdiagnostics-color", Colours),
    ("-fdiagnostics-color=always", Colours),
    // Macros stay in the text, and launchers add `-D` to no key. The old driver's `-E` of HIP fails: the
    // bundler does not know such files (clang 15 to 22).
    ("-fdirectives-only", Never(PreprocessedForm)),
    ("-fdriver-only", Never(Information)),
    ("-fdump-*", Never(Information)),
    ("-fembed-offload-object*", Never(FileInput)),
    ("-fexperimental-modules-*", Never(Modules)),
    ("-fexperimental-sanitize-metadata-ignorelist*", Never(FileInput)),
    ("-fhip-dump-*", Never(Information)),
    ("-filelist", Never(FileInput)),
    ("-fimplicit-module*", Never(Modules)),
    ("-fixit*", Never(OtherAction)),
    ("-fkeep-system-includes", Never(PreprocessedForm)),
    ("-fmemory-profile-use*", Never(Profile)),
    ("-fmodule*", Never(Modules)),
    ("-fmodulo-*", Fine),
    ("-fms-secure-hotpatch-functions-file*", Never(FileInput)),
    ("-fno-integrated-as", Never(ExternalTools)),
    // clang 14's spellings of --[no-]offload-new-driver.
    ("-fno-openmp-new-driver", Never(UnusualSpelling)),
    ("-foffload-via-llvm", Never(OffloadKind)),
    ("-fopenmp-host-ir-*", Never(FileInput)),
    ("-fopenmp-new-driver", Never(UnusualSpelling)),
    ("-fopenmp-targets*", Never(OffloadKind)),
    ("-foptimization-record-*", Never(SideOutput)),
    ("-foverride-record-layout*", Never(FileInput)),
    ("-fpass-plugin*", Never(Plugin)),
    ("-fpch-*", Never(PrecompiledHeader)),
    ("-fplugin*", Never(Plugin)),
    ("-fprebuilt-*", Never(Modules)),
    ("-fproc-stat-report*", Never(SideOutput)),
    ("-fprofile*", Never(Profile)),
    ("-fprofile-arcs", Never(Coverage)),
    ("-fprofile-generate*", Fine),
    ("-fprofile-instr-generate*", Fine),
    ("-fprofile-update*", Fine),
    ("-frandomize-layout-seed-file*", Never(FileInput)),
    ("-frecord-command-line", Never(RecordedCommand)),
    ("-frecord-gcc-switches", Never(RecordedCommand)),
    ("-frewrite-*", Never(PreprocessedForm)),
    ("-fsanitize-blacklist*", Never(FileInput)),
    ("-fsanitize-coverage-allowlist*", Never(FileInput)),
    ("-fsanitize-coverage-blacklist*", Never(FileInput)),
    ("-fsanitize-coverage-ignorelist*", Never(FileInput)),
    ("-fsanitize-coverage-whitelist*", Never(FileInput)),
    ("-fsanitize-ignorelist*", Never(FileInput)),
    ("-fsanitize-system-*", Never(FileInput)),
    ("-fsave-optimization-record*", Never(SideOutput)),
    ("-fshow-skipped-includes", Never(Information)),
    ("-fstack-usage", Never(SideOutput)),
    ("-fsycl*", Never(OffloadKind)),
    ("-fsyntax-only", Never(OtherAction)),
    ("-fsystem-module", Never(Modules)),
    ("-ftest-coverage", Never(Coverage)),
    ("-ftest-module-*", Never(Modules)),
    ("-fthin-link-bitcode*", Never(SideOutput)),
    ("-fthinlto-distributor*", Never(ExternalTools)),
    ("-fthinlto-index*", Never(FileInput)),
    ("-ftime-report*", Never(Information)),
    ("-ftime-trace*", Never(SideOutput)),
    ("-fuse-cuid=random", Never(RandomCuid)),
    // Some read a list from a file; no HIP build uses them.
    ("-fxray-*", Never(FileInput)),
    ("-gen-*", Never(SideOutput)),
    ("-grecord-command-line", Never(RecordedCommand)),
    ("-grecord-gcc-switches", Never(RecordedCommand)),
    ("-gsplit-dwarf*", Never(SplitDwarf)),
    ("-help*", Never(Information)),
    ("-iapinotes-*", Never(Modules)),
    ("-include-barrier", NotSccache(ReorderedOptions)),
    ("-include-pch*", Never(PrecompiledHeader)),
    ("-index-*", Never(SideOutput)),
    ("-interface-stub-*", Never(OtherAction)),
    ("-iprefix*", NotSccache(ReorderedOptions)),
    ("-ivfsoverlay*", Never(VfsOverlay)),
    ("-iwithprefix*", NotSccache(ReorderedOptions)),
    ("-lifetime-safety-*", Never(UnusualSpelling)),
    ("-load*", Never(Plugin)),
    ("-march=help", Never(Information)),
    ("-march=native*", Native),
    ("-mcpu=?", Never(Information)),
    ("-mcpu=help", Never(Information)),
    ("-mcpu=native*", Native),
    ("-mlink-*", Never(FileInput)),
    ("-mmlir", Never(Reason::BackendOption)),
    ("-module-*", Never(Modules)),
    ("-mtune=?", Never(Information)),
    ("-mtune=help", Never(Information)),
    ("-mtune=native*", Native),
    ("-multi-lib-config*", Never(FileInput)),
    ("-no-canonical-prefixes", Never(CanonicalPrefixes)),
    ("-no-integrated-as", Never(ExternalTools)),
    ("-no-integrated-cpp", Never(ExternalTools)),
    ("-objcmt-*", Never(OtherAction)),
    ("-object-file-name*", Never(SideOutput)),
    ("-opt-record-*", Never(SideOutput)),
    ("-plugin*", Never(Plugin)),
    ("-print*", Never(Information)),
    ("-relocatable-pch", Never(PrecompiledHeader)),
    ("-rewrite-*", Never(OtherAction)),
    ("-save-stats*", Never(SideOutput)),
    ("-save-temps*", Never(SaveTemps)),
    ("-serialize-diagnostic*", Never(SideOutput)),
    ("-specs*", Never(FileInput)),
    ("-time", Never(Information)),
    ("-use-spirv-backend", Never(UnusualSpelling)),
    ("-v", Never(Information)),
    ("-verify*", Never(OtherAction)),
    ("-vfsoverlay*", Never(VfsOverlay)),
    ("-via-file-asm", Never(ExternalTools)),
    ("-working-directory*", Never(WorkingDirectory)),
];

/// Why `argument` prevents a launch through `launcher`, if it does.
pub fn reason(argument: &[u8], launcher: &NamedLauncher<'_>) -> Option<Reason> {
    let (number, ..) = TABLE.longest(argument)?;
    let (rule, reason) = *VERDICTS.get(number)?;
    let applies = match rule {
        NEVER => true,
        NOT_SCCACHE => launcher.kind == LauncherKind::Sccache,
        NATIVE => !launcher.resolves_native(),
        COLOURS => !launcher.keeps_colours(),
        _ => false,
    };
    if !applies {
        return None;
    }
    Reason::ALL.get(usize::from(reason)).copied()
}

const NEVER: u8 = 0;
const NOT_SCCACHE: u8 = 1;
const NATIVE: u8 = 2;
const COLOURS: u8 = 3;
const FINE: u8 = 4;

/// [`RULES`] in searchable form.
static TABLE: Table = Table {
    text: &TEXT,
    rows: &ROWS,
};

/// All spellings concatenated, without the `*` that allows a joined value.
static TEXT: [u8; {
    let (mut len, mut number) = (0, 0);
    while number < RULES.len() {
        len += spelling(number).0.len();
        number += 1;
    }
    len
}] = {
    let mut text = [0; _];
    let (mut at, mut number) = (0, 0);
    while number < RULES.len() {
        let (_, room) = text.split_at_mut(at);
        let (name, _) = spelling(number);
        room.split_at_mut(name.len()).0.copy_from_slice(name);
        at += name.len();
        number += 1;
    }
    text
};

static ROWS: [Row; RULES.len()] = {
    let mut rows = [Row::EMPTY; _];
    let (mut at, mut number) = (0, 0);
    while number < RULES.len() {
        let (name, kind) = spelling(number);
        rows[number] = Row::new(at, name.len(), kind);
        at += name.len();
        number += 1;
    }
    rows
};

const fn spelling(number: usize) -> (&'static [u8], OptionKind) {
    match RULES[number].0.as_bytes() {
        [name @ .., b'*'] => (name, OptionKind::Joined),
        name => (name, OptionKind::Flag),
    }
}

/// For each rule its kind and the number of its reason.
static VERDICTS: [(u8, u8); RULES.len()] = {
    let mut verdicts = [(FINE, 0); _];
    let mut number = 0;
    while number < RULES.len() {
        let (rule, reason) = match RULES[number].1 {
            Never(reason) => (NEVER, reason),
            NotSccache(reason) => (NOT_SCCACHE, reason),
            Native => (NATIVE, Reason::NativeTarget),
            Colours => (COLOURS, Reason::ForcedColours),
            Fine => (FINE, Reason::Disabled),
        };
        verdicts[number] = (rule, reason as u8);
        number += 1;
    }
    verdicts
};

#[cfg(test)]
mod tests {
    use super::*;

    fn bare(name: &str) -> &[u8] {
        name.strip_suffix('*').unwrap_or(name).as_bytes()
    }

    #[test]
    fn the_table_is_sorted_and_without_doubles() {
        for pair in RULES.windows(2) {
            assert!(
                bare(pair[0].0) < bare(pair[1].0),
                "{} {}",
                pair[0].0,
                pair[1].0
            );
        }
    }

    #[test]
    fn every_rule_is_found_by_its_own_spelling() {
        for (number, (name, _)) in RULES.iter().enumerate() {
            let (found, len, _) = TABLE.longest(bare(name)).unwrap();
            assert_eq!((found, len), (number, bare(name).len()), "{name}");
        }
    }
}
