//! Line markers: the files that they name, and the markers whose file sccache would look for in the wrong place.
//!
//! Owns: the form of a marker, and how to write its line with another name. sccache removes `..` from a name
//! textually (0.16, `preprocessor_cache.rs`). Behind a symbolic link, the result leads elsewhere (`--sysroot=/` where
//! `/lib` is a link to `/usr/lib`), and a file that sccache does not find costs the compile its direct mode.

use alloc::vec::Vec;

/// The file that a line marker (` 1 "name" 2`, `line 1 "name"`) names, as spelled there. Skips pseudo-files such as
/// `<built-in>`.
pub fn marked_file(directive: &[u8]) -> Option<&[u8]> {
    let rest = directive.trim_ascii_start();
    let rest = rest
        .strip_prefix(b"line")
        .unwrap_or(rest)
        .trim_ascii_start();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    let rest = rest.get(digits..)?.trim_ascii_start().strip_prefix(b"\"")?;
    let mut escaped = false;
    let end = rest.iter().position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    })?;
    let name = rest.get(..end)?;
    let is_compilers = name.starts_with(b"<") && name.ends_with(b">") && !name.contains(&b'/');
    (!name.is_empty() && !is_compilers).then_some(name)
}

/// Decodes the path in a line marker: clang puts a backslash before a quote and a backslash, and writes characters
/// that are not printable ASCII as `\t`, `\n` or three octal digits. `None` for any other escape.
#[must_use]
pub fn path_of(name: &[u8]) -> Option<Vec<u8>> {
    let mut path = Vec::with_capacity(name.len());
    let mut rest = name.iter();
    while let Some(byte) = rest.next() {
        path.push(match byte {
            b'\\' => match rest.next()? {
                escaped @ (b'"' | b'\\') => *escaped,
                b't' => b'\t',
                b'n' => b'\n',
                first @ b'0'..=b'3' => [rest.next()?, rest.next()?].into_iter().try_fold(
                    first - b'0',
                    |value, digit| {
                        let digit = digit.wrapping_sub(b'0');
                        (digit < 8).then_some(value << 3 | digit)
                    },
                )?,
                _ => return None,
            },
            byte => *byte,
        });
    }
    Some(path)
}

/// The name in `line`, if it is a line marker whose file name has `..` in its path.
#[must_use]
pub fn name_in(line: &[u8]) -> Option<&[u8]> {
    let name = marked_file(line.strip_prefix(b"#")?)?;
    name.windows(4).any(|part| part == b"/../").then_some(name)
}

/// The offset of the name in `line`, if it is a line marker for a file below `root`, which has a trailing slash.
#[must_use]
pub fn name_below(line: &[u8], root: &[u8]) -> Option<usize> {
    let name = marked_file(line.strip_prefix(b"#")?)?;
    let quote = line.iter().position(|byte| *byte == b'"')?;
    name.starts_with(root).then_some(quote + 1)
}

/// The absolute path `name` with `..` removed textually. `None` for a relative path.
#[must_use]
pub fn folded(name: &[u8]) -> Option<Vec<u8>> {
    let path = path_of(name).filter(|path| path.starts_with(b"/"))?;
    let mut parts = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let mut folded = Vec::with_capacity(path.len());
    for part in parts {
        folded.push(b'/');
        folded.extend_from_slice(part);
    }
    Some(folded)
}

/// `line` with `name`, which it contains, replaced by `path`; `None` if the path cannot be written without escapes.
#[must_use]
pub fn with_path(line: &[u8], name: &[u8], path: &[u8]) -> Option<Vec<u8>> {
    if !is_plain(path) {
        return None;
    }
    let at = line.windows(name.len()).position(|part| part == name)?;
    let (before, behind) = (line.get(..at)?, line.get(at + name.len()..)?);
    Some([before, path, behind].concat())
}

/// Whether a marker contains `path` without escapes.
#[must_use]
pub fn is_plain(path: &[u8]) -> bool {
    let plain = |byte: &u8| (b' '..=b'~').contains(byte) && !matches!(byte, b'"' | b'\\');
    path.iter().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_with_dots_in_their_paths_are_found() {
        for (line, name) in [
            (r#"# 1 "/lib/gcc/../x.h" 1 3"#, Some("/lib/gcc/../x.h")),
            (r#"# 12 "../x/../y.h""#, Some("../x/../y.h")),
            (r#"# 1 "/usr/include/x.h""#, None),
            (r#"# 1 "../x.h""#, None),
            (r#"#pragma "/a/../b""#, None),
            (r#"int x; "/a/../b""#, None),
        ] {
            assert_eq!(name_in(line.as_bytes()), name.map(str::as_bytes), "{line}");
        }
    }

    #[test]
    fn markers_for_files_of_a_checkout_are_found() {
        let line = br#"# 1 "/co/x.h" 1"#;
        assert_eq!(name_below(line, b"/co/"), Some(5));
        for line in [
            r#"# 1 "/cow/x.h" 1"#,
            r#"#pragma "/co/x.h""#,
            r#"x("/co/x.h")"#,
        ] {
            assert_eq!(name_below(line.as_bytes(), b"/co/"), None, "{line}");
        }
    }

    #[test]
    fn dots_are_taken_out_as_text() {
        let name = b"/lib/gcc/x86_64-linux-gnu/12/../../../../include/./c++//12/cmath";
        assert_eq!(folded(name).as_deref(), Some(&b"/include/c++/12/cmath"[..]));
        assert_eq!(folded(b"/a/../../b").as_deref(), Some(&b"/b"[..]));
        assert_eq!(folded(b"a/../b"), None);
    }

    #[test]
    fn a_line_gets_another_name_and_keeps_the_rest() {
        let line = br#"# 41 "/lib/../x.h" 1 3 4"#;
        let other = with_path(line, b"/lib/../x.h", b"/usr/x.h");
        assert_eq!(other.as_deref(), Some(&br#"# 41 "/usr/x.h" 1 3 4"#[..]));
        assert_eq!(with_path(line, b"/lib/../x.h", b"/usr/\"x.h"), None);
    }
}
