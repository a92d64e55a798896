//! Which driver a call selects, by the name in `argv[0]`.

use crate::shared::call::Call;
use crate::shared::paths::base_name;

/// Whether the call selects a C++ driver; `None` if the name in `argv[0]`, without a version, is not the
/// shim's own name.
///
/// clang derives mode, target and configuration files from the name (19, `Driver/ToolChain.cpp`,
/// `getTargetAndModeFromProgramName`), but the launcher always gets the shim's name, whatever the call's
/// name.
pub fn driver(call: &Call<'_>) -> Option<bool> {
    let called = versionless(base_name(call.argv.first()?.to_bytes()));
    let own = versionless(base_name(call.config.name));
    match called {
        _ if called != own && !call.config.is_launcher() => None,
        b"clang++" => Some(true),
        b"clang" => Some(false),
        _ => None,
    }
}

/// `clang++-15` without `-15`.
pub fn versionless(name: &[u8]) -> &[u8] {
    let version = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    let kept = name.iter().rposition(|byte| !version(byte));
    match kept {
        Some(dash) if dash + 1 < name.len() && name.get(dash) == Some(&b'-') => {
            name.get(..dash).unwrap_or(name)
        }
        _ => name,
    }
}
