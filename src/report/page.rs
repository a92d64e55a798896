//! The report as a page: one self-contained file that loads nothing.
//!
//! Owns: putting style, script and data into the page. The script decides what the page shows.

use std::io::{self, Write};

use serde_json::Value;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
/// One function's body in several files.
const SCRIPT: &str = concat!(
    include_str!("page/calls.js"),
    include_str!("page/summary.js"),
    include_str!("page/tables.js"),
    include_str!("page/timeline.js"),
);

/// Writes the page of a report, without what the calls' results depend on: that is most of a report, and is not shown.
///
/// # Errors
/// If `to` cannot be written to.
pub fn write(mut to: impl Write, mut report: Value) -> io::Result<()> {
    if let Some(fields) = report.as_object_mut() {
        fields.remove("ingredients");
    }
    let units = report.get_mut("units").and_then(Value::as_array_mut);
    for unit in units.into_iter().flatten().filter_map(Value::as_object_mut) {
        unit.remove("made_of");
    }
    let json = serde_json::to_vec(&report)?;
    let mut rest = PAGE;
    for (mark, content) in [("@STYLE@", STYLE), ("@DATA@", ""), ("@SCRIPT@", SCRIPT)] {
        let (before, after) = rest.split_once(mark).expect("the page has this mark");
        to.write_all(before.as_bytes())?;
        to.write_all(content.as_bytes())?;
        if mark == "@DATA@" {
            write_inert(&mut to, &json)?;
        }
        rest = after;
    }
    to.write_all(rest.as_bytes())?;
    to.flush()
}

/// JSON that can stand in a script element: in JSON a `<` only occurs in strings, and without one
/// nothing ends the element or begins a comment.
fn write_inert(to: &mut impl Write, json: &[u8]) -> io::Result<()> {
    for (index, piece) in json.split(|byte| *byte == b'<').enumerate() {
        if index > 0 {
            to.write_all(b"\\u003c")?;
        }
        to.write_all(piece)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(report: Value) -> String {
        let mut page = Vec::new();
        write(&mut page, report).unwrap();
        String::from_utf8(page).unwrap()
    }

    #[test]
    fn data_cannot_end_its_element_and_says_the_same() {
        let name = "</script><script>alert(1)</script><!-- @SCRIPT@ ]]>";
        let unit = serde_json::json!({"source": name, "made_of": {}});
        let page = page(serde_json::json!({"units": [unit], "ingredients": {}}));
        assert!(!page.contains("alert(1)</script>"));
        assert_eq!(page.matches("</script").count(), 2, "data and script");
        let (_, rest) = page.split_once(r#"id="data">"#).unwrap();
        let (data, _) = rest.split_once("</script>").unwrap();
        let read: Value = serde_json::from_str(data).unwrap();
        assert_eq!(read, serde_json::json!({"units": [{"source": name}]}));
    }

    #[test]
    fn nothing_is_loaded() {
        let page = page(serde_json::json!({}));
        for way in ["http:", "https:", "src=", "@import", "url(", "fetch("] {
            assert!(!page.contains(way), "{way}");
        }
        assert!(page.contains("default-src 'none'"));
    }
}
