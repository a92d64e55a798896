//! Why a call goes straight to the real compiler.
//!
//! Owns: the one list of reasons, with the id that is counted and printed, what it means and what
//! can be done about it. The two sentences are for people: the shim carries none of them.

/// A call that no launcher is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Direct {
    /// Why.
    pub reason: Reason,
    /// Where one argument is to blame, its index in `argv`: the argument itself, the option that
    /// it is the value of, or the response file that holds it.
    pub at: Option<usize>,
}

impl From<Reason> for Direct {
    fn from(reason: Reason) -> Self {
        Self { reason, at: None }
    }
}

macro_rules! reasons {
    ($($variant:ident, $id:literal, $explanation:literal, $remedy:expr;)*) => {
        /// Why a call is not launched. Each has a stable id.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Reason {
            $(#[doc = $explanation] $variant,)*
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The id: kebab-case, and never another one for the same reason.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $id,)*
                }
            }

            /// What it means, in one sentence.
            #[cfg(not(rock_wrap_shim))]
            #[must_use]
            pub fn explanation(self) -> &'static str {
                match self {
                    $(Self::$variant => $explanation,)*
                }
            }

            /// What to change for the call to be launched; `None` where nothing should be.
            #[cfg(not(rock_wrap_shim))]
            #[must_use]
            pub fn remedy(self) -> Option<&'static str> {
                match self {
                    $(Self::$variant => $remedy,)*
                }
            }
        }
    };
}

reasons! {
    // Nothing to launch, or not now.
    Disabled, "disabled",
        "ROCK_WRAP_DISABLE is set.",
        Some("Unset ROCK_WRAP_DISABLE.");
    NoLauncher, "no-launcher",
        "Neither HIP_CLANG_LAUNCHER nor `rock-wrap install` names a launcher.",
        Some("Set HIP_CLANG_LAUNCHER or run `rock-wrap install --launcher sccache`.");
    DriverName, "driver-name",
        "The compiler was called by a name that selects another driver mode or target than its own.",
        Some("Call it as clang or clang++.");
    ForeignCompiler, "foreign-compiler",
        "The compiler is none of the tree's, and either compiles for devices or is not a plain C or C++ compiler.",
        Some("Use the tree's own compiler.");
    AnotherShim, "another-shim",
        "The compiler is itself a shim, which decides by its own rules.",
        None;
    DriverMode, "driver-mode",
        "--driver-mode selects a driver other than that for C or C++.",
        None;

    // Not one compile of one file.
    NotACompile, "not-a-compile",
        "There is no -c: the call links, probes or does nothing that a launcher could cache.",
        None;
    ConfigureProbe, "configure-probe",
        "CMake tries the compiler out (try_compile) under a name drawn at random, which no cache can have seen.",
        None;
    OtherAction, "other-action",
        "An option asks for something else than an object file.",
        None;
    Information, "information",
        "An option makes the compiler print something about itself or the call.",
        None;
    Frontend, "frontend",
        "This is a call of the compiler's own front end (-cc1), not of the driver.",
        None;
    RepeatedOption, "repeated-option",
        "-o, -x or -MF is given more than once, which launchers read in different ways.",
        Some("Give the option once.");
    UnusualSpelling, "unusual-spelling",
        "An option is spelled in a way that clang knows and launchers do not.",
        Some("Use the short spelling: -c, -o FILE, -x LANGUAGE, -MD.");
    DoubleDash, "double-dash",
        "After `--` every argument is an input, which launchers do not follow.",
        Some("Leave `--` out.");
    MissingValue, "missing-value",
        "The last option lacks its value; the compiler will say so.",
        None;
    NoInput, "no-input",
        "There is no input file.",
        None;
    SeveralInputs, "several-inputs",
        "There is more than one input file.",
        Some("Compile one file per call.");
    UnclearInputs, "unclear-inputs",
        "The only input follows an option that rock-wrap does not know and that may take it as its value.",
        Some("Put the input before that option, or behind another one.");
    Stdin, "stdin",
        "The source is read from standard input.",
        None;
    InputNotAFile, "input-not-a-file",
        "The input does not exist or is no regular file.",
        None;
    InputLanguage, "input-language",
        "The input is not C, C++, HIP or assembler for an AMD GPU (other assembler, CUDA, a header, an object, preprocessed source).",
        Some("For HIP in a .cu file, give `-x hip` before the input.");
    LanguageMode, "language-mode",
        "A C++ driver compiles a .c file as C++ with a warning, which sccache loses.",
        Some("Give `-x c++` before the input, or compile C with clang.");
    OutputNotAFile, "output-not-a-file",
        "The output is standard output, a device, in a directory that is not there, or something else that is no regular file.",
        None;
    DefaultOutput, "default-output",
        "Without -o the compiler would choose a name that launchers get wrong (device code or bitcode only).",
        Some("Name the output with -o.");
    ResponseFile, "response-file",
        "A response file is missing, unreadable, too large, too deeply nested or not plain text.",
        None;
    ResponseQuoting, "response-quoting",
        "--rsp-quoting changes how response files are read.",
        Some("Use the default quoting.");

    // Files that a cache hit would not bring back, or would bring back stale.
    SaveTemps, "save-temps",
        "Intermediate files are kept, which launchers do not cache.",
        None;
    SideOutput, "side-output",
        "An option writes a file beside the object, which a cache hit would not.",
        Some("Leave the option out of builds that should be cached.");
    Depfile, "depfile",
        "Dependencies are asked for in a form that launchers do not keep apart or do not write.",
        Some("Use -MD -MF FILE, with FILE a regular file.");
    SplitDwarf, "split-dwarf",
        "-gsplit-dwarf writes the output's name into the object, and launchers share objects between names.",
        Some("Use -g without -gsplit-dwarf.");
    Coverage, "coverage",
        "Coverage writes the output's or the directory's name into the object, and launchers share objects.",
        None;
    RecordedCommand, "recorded-command",
        "The command line is recorded in the object, and launchers rewrite it.",
        None;
    WorkingDirectory, "working-directory",
        "-working-directory changes what relative names mean, which launchers do not follow.",
        Some("Change directory before the call instead.");

    // Inputs that no launcher puts into its key.
    ConfigFile, "config-file",
        "A configuration file or its directory is named, whose content launchers do not look at.",
        Some("Put the options on the command line, or into the compiler's own configuration file.");
    CanonicalPrefixes, "no-canonical-prefixes",
        "-no-canonical-prefixes makes the compiler run itself by the name that it was called by.",
        None;
    PrecompiledHeader, "precompiled-header",
        "A precompiled header is made or used.",
        Some("Build without precompiled headers (CMake: CMAKE_DISABLE_PRECOMPILE_HEADERS).");
    Modules, "modules",
        "Modules are made or used.",
        None;
    Profile, "profile",
        "A profile is read, whose content launchers do not reliably look at.",
        None;
    FileInput, "file-input",
        "An option names a file whose content steers the compile and which launchers do not look at.",
        None;
    VfsOverlay, "vfs-overlay",
        "A virtual file system overlay changes which files are read.",
        None;
    Plugin, "plugin",
        "A compiler plugin is loaded.",
        None;
    ExternalTools, "external-tools",
        "An option or COMPILER_PATH chooses other tools than the compiler's own.",
        None;
    NativeTarget, "native-target",
        "The target is `native`, and neither the launcher nor the tree's own tool tells what that is on this machine.",
        Some("Name the target.");
    RandomCuid, "random-cuid",
        "-fuse-cuid=random asks for an object that is never the same.",
        Some("Leave it out; rock-wrap keeps the ids of two objects apart.");

    IncludedData, "included-data",
        "The source includes a file by .incbin, .include or #embed, a change of which this launcher does not notice.",
        Some("Compile the data in a file of its own, or use ccache 4.14 or later.");

    NewOffloadDriver, "new-offload-driver",
        "Under clang's new offload driver `-E` prints the host's source alone, so that a launcher would not notice an edit of device code.",
        Some("Give --no-offload-new-driver, if this compiler still has the old driver.");

    // Options that launchers get wrong.
    UnbundledOutput, "unbundled-output",
        "Without bundling there is one output per target, of which launchers know one.",
        Some("Name one architecture, by --offload-arch.");
    Xarch, "xarch",
        "This launcher, at this version, drops or reorders -Xarch_ options of this form.",
        Some("Use sccache with -D, -U, -f, -m, -O, -W or -g behind it, or ccache 4.12.1 or later for host and device.");
    TargetForwarding, "target-forwarding",
        "An option is forwarded to one target or tool by a pair that launchers tear apart.",
        None;
    ReorderedOptions, "reordered-options",
        "The order of options matters here and the launcher changes it.",
        None;
    PreprocessedForm, "preprocessed-form",
        "An option changes the form of preprocessed text, and this launcher cannot read that form.",
        Some("Leave the option out: it has no effect on an object file.");
    FrontendOption, "frontend-option",
        "-Xclang passes an option that is not known to be without side effects.",
        None;
    BackendOption, "backend-option",
        "-mllvm passes an option that prints, or that reads or writes a file.",
        None;
    Passthrough, "passthrough",
        "Options are passed unseen to the preprocessor or the assembler (-Wp, -Wa, -Xpreprocessor, -Xassembler).",
        Some("Give the option to the compiler itself.");
    OffloadKind, "offload-kind",
        "Offloading other than HIP (OpenMP targets, SYCL, parallel algorithms): launchers do not see the device's source.",
        None;
    ForcedColours, "forced-colours",
        "This version of ccache takes colours out of what the compiler says, although they are asked for.",
        Some("Install ccache 4.14 or later and run `rock-wrap install` again.");
    LauncherOption, "launcher-option",
        "The launcher would take this argument for one of its own.",
        None;
    LauncherFailed, "launcher-failed",
        "The launcher failed by itself within the last five minutes, for a call with the same settings.",
        Some("Put right what it complained of; it is tried again after five minutes.");
    LauncherWithoutHip, "launcher-without-hip",
        "This version of sccache caches no HIP.",
        Some("Install sccache 0.8 or later and run `rock-wrap install` again.");

    // The compiler.
    NoFingerprint, "no-fingerprint",
        "The shim does not know the compiler's fingerprint, without which a cache could answer with another compiler's object.",
        Some("Run `rock-wrap install` again.");
    NoStandIn, "no-stand-in",
        "The stand-in, which a launcher is given as the compiler, is missing beside the shim.",
        Some("Run `rock-wrap install` again.");
    CompilerChanged, "compiler-changed",
        "The compiler, or something that it is made of, has changed since `rock-wrap install`.",
        Some("Run `rock-wrap install` again.");

    // The environment.
    LogicalDirectory, "logical-directory",
        "PWD names the working directory by another path, which debug information holds and sccache does not pass on.",
        Some("Work in the directory that `pwd -P` prints, or compile without -g.");
    SourceDateEpoch, "source-date-epoch",
        "SOURCE_DATE_EPOCH is set, and sccache hides it from the compiler.",
        Some("Unset SOURCE_DATE_EPOCH, or use ccache.");
    Preload, "ld-preload",
        "LD_PRELOAD is set, and sccache hides it from the compiler.",
        Some("Unset LD_PRELOAD, or use ccache.");
    OverrideOptions, "override-options",
        "CCC_OVERRIDE_OPTIONS edits the command line behind the launcher's back.",
        Some("Unset CCC_OVERRIDE_OPTIONS.");
    RepeatedVariable, "repeated-variable",
        "An environment variable is given twice with different values, of which the compiler and launchers take different ones.",
        Some("Give the variable once.");
    DriverLog, "driver-log",
        "A CC_PRINT_ or CC_LOG_ variable makes the compiler write a log, which a cache hit would not.",
        None;

    // A launcher is at work already.
    NestedShim, "nested-shim",
        "rock-wrap has launched this call already.",
        None;
    NestedSccache, "nested-sccache",
        "sccache is starting its server or probing the compiler.",
        None;
    NestedCcache, "nested-ccache",
        "ccache is running this call already.",
        None;
    NestedDistcc, "nested-distcc",
        "distcc is running this call already.",
        None;
    NestedAncestor, "nested-ancestor",
        "A process that led to this call is a launcher.",
        None;
}
