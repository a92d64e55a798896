//! The report as a page: one file with everything in it, which loads nothing.
//!
//! Owns: putting style, script and data into the page. What it shows is decided by its script.

use std::io::{self, Write};

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// Writes the page of a report, which is given as JSON.
///
/// # Errors
/// Those of `to`.
pub fn write(mut to: impl Write, json: &[u8]) -> io::Result<()> {
    let mut rest = PAGE;
    for (mark, content) in [("@STYLE@", STYLE), ("@DATA@", ""), ("@SCRIPT@", SCRIPT)] {
        let (before, after) = rest.split_once(mark).expect("the page has this mark");
        to.write_all(before.as_bytes())?;
        to.write_all(content.as_bytes())?;
        if mark == "@DATA@" {
            write_inert(&mut to, json)?;
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

    fn page(json: &str) -> String {
        let mut page = Vec::new();
        write(&mut page, json.as_bytes()).unwrap();
        String::from_utf8(page).unwrap()
    }

    #[test]
    fn data_cannot_end_its_element_and_says_the_same() {
        let name = "</script><script>alert(1)</script><!-- @SCRIPT@ ]]>";
        let json = serde_json::json!({"source": name}).to_string();
        let page = page(&json);
        assert!(!page.contains("alert(1)</script>"));
        assert_eq!(page.matches("</script").count(), 2, "data and script");
        let (_, rest) = page.split_once(r#"id="data">"#).unwrap();
        let (data, _) = rest.split_once("</script>").unwrap();
        let read: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(read["source"], name);
    }

    #[test]
    fn nothing_is_loaded() {
        let page = page("{}");
        for way in ["http:", "https:", "src=", "@import", "url(", "fetch("] {
            assert!(!page.contains(way), "{way}");
        }
        assert!(page.contains("default-src 'none'"));
    }
}
