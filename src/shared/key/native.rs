//! What `native` means: the architectures of this machine's GPUs.
//!
//! Owns: which of the tree's tools is asked, matching clang's own choice, and how long an answer stays valid. Must
//! never guess: anything uncertain counts as unknown.

use crate::shared::call::{Call, user_cache_of};
use crate::shared::key::hash::{Hasher, push_hex};
use crate::shared::machine::Machine;
use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

/// The tools beside the compiler, and how clang calls them for AMD GPUs: clang up to 21 calls the first, clang 22 and
/// later the second (measured with 19, 22 and 23). If both exist, both are asked.
const TOOLS: [(&CStr, Option<&CStr>); 2] = [
    (c"amdgpu-arch", None),
    (c"offload-arch", Some(c"--only=amdgpu")),
];

/// Where the kernel lists the GPUs: every entry of these directories counts.
const DEVICES: [&CStr; 3] = [
    c"/dev/dri",
    c"/dev/kfd",
    c"/sys/class/kfd/kfd/topology/nodes",
];

/// This process's namespaces, whose inodes differ in another container. Another machine or boot shows by its boot id.
const PLACES: [&CStr; 3] = [
    c"/proc/self/ns/mnt",
    c"/proc/self/ns/user",
    c"/proc/self/ns/cgroup",
];

/// Prefixes of the variables by which a tool finds or hides GPUs.
const VARIABLES: [&[u8]; 6] = [
    b"ROCR_",
    b"HIP_",
    b"HSA_",
    b"CUDA_VISIBLE_DEVICES=",
    b"GPU_DEVICE_ORDINAL=",
    b"LD_",
];

/// The architectures that the tree's tools report for this machine's GPUs; `None` if no tool reports any.
pub fn architectures<M: Machine + ?Sized>(call: &Call<'_>, machine: &M) -> Option<Vec<u8>> {
    let own = machine.open_dir(c"")?;
    let tools = TOOLS.map(|tool| {
        machine
            .state_in(&own, tool.0)
            .map(|file_state| (tool, file_state))
    });
    let mut state = Hasher::new();
    for (_, file_state) in tools.iter().flatten() {
        state.number(file_state.dev);
        state.file_state(file_state);
    }
    let boot = machine.read(c"/proc/sys/kernel/random/boot_id")?;
    state.text(&boot);
    for place in PLACES {
        state.number(
            machine
                .file_state(place)
                .map_or(0, |file_state| file_state.ino),
        );
    }
    for directory in DEVICES {
        // Only the presence of a device matters, not its numbers. Entries come in no particular order.
        let mut sum = u64::from(machine.file_state(directory).is_some());
        machine.list(directory, |_| true, &mut |name, _| {
            let mut entry = Hasher::new();
            entry.text(name.to_bytes());
            let digest = entry.finish();
            let number = digest.iter().take(8);
            sum = sum.wrapping_add(number.fold(0, |n, byte| n << 8 | u64::from(*byte)));
        });
        state.number(sum);
    }
    for entry in call.env {
        let entry = entry.to_bytes();
        if VARIABLES.iter().any(|name| entry.starts_with(name)) {
            state.text(entry);
        }
    }
    let memory = user_cache_of(call.env).and_then(|mut path| {
        path.extend_from_slice(b"/native-");
        push_hex(&mut path, &state.finish()[..16]);
        CString::new(path).ok()
    });
    let kept = memory.as_ref().and_then(|memory| machine.read(memory));
    if let Some(answer) = kept.as_deref().and_then(|kept| kept.strip_suffix(END)) {
        return Some(answer.into());
    }
    let mut answer = Vec::new();
    let mut tells = false;
    for ((tool, argument), _) in tools.into_iter().flatten() {
        answer.extend_from_slice(tool.to_bytes());
        answer.push(b'\n');
        if let Some(said) = machine.ask(tool, argument).filter(|said| names_any(said)) {
            answer.extend_from_slice(&said);
            tells = true;
        }
    }
    if !tells {
        return None;
    }
    if let Some(memory) = memory {
        machine.keep(&memory, &[&answer, END].concat());
    }
    Some(answer)
}

/// The end marker of a completely written answer.
const END: &[u8] = b"end\n";

/// Whether the output consists of architectures, one per line, and nothing else.
fn names_any(said: &[u8]) -> bool {
    let Some(lines) = said.strip_suffix(b"\n") else {
        return false;
    };
    let mut lines = lines.split(|byte| *byte == b'\n');
    lines.all(|line| line.strip_suffix(b"\r").unwrap_or(line).starts_with(b"gfx"))
}
