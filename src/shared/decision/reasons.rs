//! Why a call goes straight to the real compiler.
//!
//! Owns: the only list of reasons, with the id that is counted and printed, its meaning and the remedy. The
//! two sentences are for people; the shim does not contain them.

/// A call that bypasses the launcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Direct {
    /// Why.
    pub reason: Reason,
    /// If one argument is to blame, its index in `argv`: of the argument itself, of the option that it is
    /// the value of, or of the response file that contains it.
    pub at: Option<usize>,
}

impl From<Reason> for Direct {
    fn from(reason: Reason) -> Self {
        Self { reason, at: None }
    }
}

macro_rules! reasons {
    ($($variant:ident, $id:literal, $explanation:literal, $remedy:expr;)*) => {
        /// Why a call is not launched. Each reason has a stable id.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Reason {
            $(#[doc = $explanation] $variant,)*
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The id: kebab-case; it never changes for a reason.
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

            /// What to change so that the call is launched; `None` if nothing should change.
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
        "The compiler was called by a name that selects another driver mode or target.",
        Some("Call it as clang or clang++.");
    ForeignCompiler, "foreign-compiler",
        "The compiler does not belong to the tree, and it compiles for devices or is not a plain C or C++ compiler.",
        Some("Use the tree's own compiler.");
    AnotherShim, "another-shim",
        "The compiler is itself a shim, which decides by its own rules.",
        None;
    DriverMode, "driver-mode",
        "--driver-mode selects a driver other than the C or C++ driver.",
        None;

    // Not one compile of one file.
    NotACompile, "not-a-compile",
        "There is no -c: the call links, probes or does something else that a launcher cannot cache.",
        None;
    ConfigureProbe, "configure-probe",
        "CMake tests the compiler (try_compile) with a randomly named source, which no cache can hold.",
        None;
    OtherAction, "other-action",
        "An option asks for something other than an object file.",
        None;
    Information, "information",
        "An option makes the compiler print something about itself or the call.",
        None;
    Frontend, "frontend",
        "The call is for the compiler's own front end (-cc1), not for the driver.",
        None;
    RepeatedOption, "repeated-option",
        "-o, -x or -MF is given more than once, and launchers read that in different ways.",
        Some("Give the option once.");
    UnusualSpelling, "unusual-spelling",
        "An option is spelled in a way that clang accepts but launchers do not understand.",
        Some("Use the short spelling: -c, -o FILE, -x LANGUAGE, -MD.");
    DoubleDash, "double-dash",
        "`--` makes every later argument an input, which launchers do not understand.",
        Some("Leave out `--`.");
    MissingValue, "missing-value",
        "The last option lacks its value; the compiler will report that.",
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
        "The input does not exist or is not a regular file.",
        None;
    InputLanguage, "input-language",
        "The input is not C, C++, HIP or AMD GPU assembler, but other assembler, CUDA, a header, an object or preprocessed source.",
        Some("For HIP in a .cu file, give `-x hip` before the input.");
    LanguageMode, "language-mode",
        "A C++ driver compiles a .c file as C++ with a warning, which sccache loses.",
        Some("Give `-x c++` before the input, or compile C with clang.");
    OutputNotAFile, "output-not-a-file",
        "The output is not a regular file that may be written, but standard output, a device, a link or a path in a missing directory, or it has an unusual mode.",
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

    // Files that a cache hit would not restore, or would restore stale.
    SaveTemps, "save-temps",
        "Intermediate files are kept, and launchers do not cache them.",
        None;
    SideOutput, "side-output",
        "An option writes a file beside the object, which a cache hit would not write.",
        Some("Leave the option out of builds that are to be cached.");
    Depfile, "depfile",
        "Dependencies are requested in a form that launchers mix up or do not write.",
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
        "-working-directory changes what relative names mean, and launchers ignore that.",
        Some("Change directory before the call instead.");

    // Inputs that no launcher adds to its key.
    ConfigFile, "config-file",
        "A configuration file or its directory is named, and launchers do not read it.",
        Some("Put the options on the command line, or into the compiler's own configuration file.");
    CanonicalPrefixes, "no-canonical-prefixes",
        "-no-canonical-prefixes makes the compiler run itself under the name it was called by.",
        None;
    PrecompiledHeader, "precompiled-header",
        "A precompiled header is built or used.",
        Some("Build without precompiled headers (CMake: CMAKE_DISABLE_PRECOMPILE_HEADERS).");
    Modules, "modules",
        "Modules are built or used.",
        None;
    Profile, "profile",
        "A profile is read, and launchers do not reliably notice when it changes.",
        None;
    FileInput, "file-input",
        "An option names a file that affects the result, and launchers do not read that file.",
        None;
    VfsOverlay, "vfs-overlay",
        "A virtual file system overlay changes which files are read.",
        None;
    Plugin, "plugin",
        "A compiler plugin is loaded.",
        None;
    ExternalTools, "external-tools",
        "An option or COMPILER_PATH selects tools other than the compiler's own.",
        None;
    NativeTarget, "native-target",
        "The target is `native`, and neither the launcher nor the tree's own tool says what that is on this machine.",
        Some("Name the target.");
    RandomCuid, "random-cuid",
        "-fuse-cuid=random asks for a different object every time.",
        Some("Leave it out; rock-wrap gives every object an id of its own.");

    IncludedData, "included-data",
        "The source includes a file by .incbin, .include or #embed, and this launcher does not notice when that file changes.",
        Some("Compile the data in a file of its own, or use ccache 4.14 or later.");

    NewOffloadDriver, "new-offload-driver",
        "Under clang's new offload driver, `-E` prints only the host's source, so a launcher would not notice an edit of device code.",
        Some("Pass --no-offload-new-driver, if this compiler still has the old driver.");

    // Options that launchers handle incorrectly.
    UnbundledOutput, "unbundled-output",
        "Without bundling there is one output per target, and launchers know only one.",
        Some("Name a single architecture with --offload-arch.");
    Xarch, "xarch",
        "This version of the launcher drops or reorders -Xarch_ options of this form.",
        Some("Use -D, -U, -f, -m, -O or -W behind it (with sccache -g too), ccache 4.12.1 or later, and no response file with ccache.");
    TargetForwarding, "target-forwarding",
        "An option is forwarded to one target or tool by a pair of arguments that launchers separate.",
        None;
    ReorderedOptions, "reordered-options",
        "The order of options matters here, and the launcher changes it.",
        None;
    PreprocessedForm, "preprocessed-form",
        "An option changes the form of the preprocessed text, and this launcher cannot read that form.",
        Some("Leave the option out: it has no effect on an object file.");
    FrontendOption, "frontend-option",
        "-Xclang passes an option that is not known to be free of side effects.",
        None;
    BackendOption, "backend-option",
        "-mllvm passes an option that prints, or that reads or writes a file.",
        None;
    Passthrough, "passthrough",
        "Options are passed through to the preprocessor or the assembler (-Wp, -Wa, -Xpreprocessor, -Xassembler), and launchers do not look at them.",
        Some("Give the option to the compiler itself.");
    OffloadKind, "offload-kind",
        "The offloading is not HIP (but OpenMP targets, SYCL or parallel algorithms), and launchers do not see the device source.",
        None;
    ForcedColours, "forced-colours",
        "This version of ccache removes colours from the compiler's messages, although the call asks for them.",
        Some("Install ccache 4.14 or later and run `rock-wrap install` again.");
    LauncherOption, "launcher-option",
        "The launcher would take this argument for an option of its own.",
        None;
    LauncherFailed, "launcher-failed",
        "The launcher failed within the last five minutes, in a call with the same settings.",
        Some("Fix what it complained about; rock-wrap tries it again after five minutes.");
    LauncherWithoutHip, "launcher-without-hip",
        "This version of sccache does not cache HIP.",
        Some("Install sccache 0.8 or later and run `rock-wrap install` again.");

    // The compiler.
    NoFingerprint, "no-fingerprint",
        "The shim has no fingerprint of the compiler, and without one a cache could return another compiler's object.",
        Some("Run `rock-wrap install` again.");
    NoStandIn, "no-stand-in",
        "The stand-in, which launchers are given as the compiler, is missing beside the shim.",
        Some("Run `rock-wrap install` again.");
    CompilerChanged, "compiler-changed",
        "The compiler or a part of it has changed since `rock-wrap install`.",
        Some("Run `rock-wrap install` again.");

    // The environment.
    DirectoryGone, "directory-gone",
        "The working directory has been removed, or lies where it has no name: sccache refuses to run there.",
        Some("Work in a directory that is there.");
    LogicalDirectory, "logical-directory",
        "PWD names the working directory by another path, which is part of debug information but which sccache does not pass on.",
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
        "An environment variable is set twice with different values, and the compiler and launchers use different ones.",
        Some("Set the variable once.");
    DriverLog, "driver-log",
        "A CC_PRINT_ or CC_LOG_ variable makes the compiler write a log, which a cache hit would not write.",
        None;

    // A launcher is already at work.
    NestedShim, "nested-shim",
        "rock-wrap has already launched this call.",
        None;
    NestedSccache, "nested-sccache",
        "sccache is starting its server or probing the compiler.",
        None;
    NestedCcache, "nested-ccache",
        "ccache is already running this call.",
        None;
    NestedDistcc, "nested-distcc",
        "distcc is already running this call.",
        None;
    NestedAncestor, "nested-ancestor",
        "An ancestor of this process is a launcher.",
        None;
}
