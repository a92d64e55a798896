//! Encodes names and link targets as text, for serde's `with`: valid UTF-8 is kept, `%` and all other
//! bytes become `%XX`. The encoding is lossless, so a record can hold any name.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use serde::{Deserialize, Deserializer, Serializer, de::Error};

pub(super) fn encode(text: &OsStr) -> String {
    let mut out = String::new();
    for chunk in text.as_bytes().utf8_chunks() {
        out.push_str(&chunk.valid().replace('%', "%25"));
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn decode(text: &str) -> Option<OsString> {
    let mut parts = text.split('%');
    let mut out = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at_checked(2)?;
        out.push(u8::from_str_radix(code, 16).ok()?);
        out.extend(rest.as_bytes());
    }
    Some(OsString::from_vec(out))
}

pub(in crate::install) fn serialize<S: Serializer>(text: &OsStr, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&encode(text))
}

pub(in crate::install) fn deserialize<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<OsString, D::Error> {
    let text = String::deserialize(from)?;
    decode(&text).ok_or_else(|| D::Error::custom("a % that no two digits follow"))
}

/// The same encoding for an optional text.
pub(in crate::install) mod option {
    use super::{Deserialize, Deserializer, OsString, Serializer, decode, encode};
    use serde::de::Error;

    #[expect(clippy::ref_option, reason = "the signature that serde's `with` calls")]
    pub(in crate::install) fn serialize<S: Serializer>(
        text: &Option<OsString>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match text {
            Some(text) => to.serialize_some(&encode(text)),
            None => to.serialize_none(),
        }
    }

    pub(in crate::install) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<OsString>, D::Error> {
        let Some(text) = Option::<String>::deserialize(from)? else {
            return Ok(None);
        };
        let text = decode(&text).ok_or_else(|| D::Error::custom("a % without two digits"))?;
        Ok(Some(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_survive_being_written_as_text() {
        for bytes in [
            &b"clang++"[..],
            b"100%",
            b"\xff\xfe a",
            "\u{e9}%\n".as_bytes(),
        ] {
            let name = OsStr::from_bytes(bytes);
            assert_eq!(decode(&encode(name)).as_deref(), Some(name));
        }
        assert_eq!(decode("%4"), None);
        assert_eq!(decode("%zz"), None);
    }
}
