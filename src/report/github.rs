//! Formats a report for GitHub Actions: annotations and a job summary.

use std::fmt::Write;

use super::{Advice, Report};

/// A workflow command that shows `advice` as a warning of the job.
#[must_use]
pub fn annotation(advice: &Advice) -> String {
    let text = match &advice.remedy {
        Some(remedy) => format!("{}\nhint: {remedy}", advice.text),
        None => advice.text.clone(),
    };
    // @actions/core escapes a command's data in this way.
    let text = text
        .replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A");
    format!("::warning title=rock-wrap::{text}")
}

/// The report in Markdown.
#[must_use]
pub fn summary(report: &Report) -> String {
    // Wide enough that hardly any line has to be cut or wrapped.
    const WIDTH: usize = 120;
    let mut text = String::from("### rock-wrap\n\n```text\n");
    for line in report.lines(WIDTH) {
        // A code fence in a file's name would end the block.
        let _ = writeln!(text, "{}", line.replace("```", "'''"));
    }
    text.push_str("```\n\n");
    for advice in report.advice() {
        let _ = write!(text, "- **{}**: {}", advice.weight.as_str(), advice.text);
        if let Some(remedy) = &advice.remedy {
            let _ = write!(text, "<br>hint: {remedy}");
        }
        text.push('\n');
    }
    for cause in report.main_causes() {
        let _ = write!(text, "- **{} missed**: {}", cause.units.len(), cause.text);
        if let Some(remedy) = cause.remedy {
            let _ = write!(text, "<br>hint: {remedy}");
        }
        text.push('\n');
    }
    text
}
