//! The HTML page of a report, in a real browser.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::compilers;
use crate::support::launchers::{Cache, ccache, sccache};
use crate::support::rocm::{Rocm, assert_has, ran, rock_wrap};
use crate::support::skips::skip;
use crate::support::tree::Layout;
use serde_json::{Value, json};
use wait_timeout::ChildExt;

/// Debian's browser. If it is missing, the test is recorded as skipped.
fn browser() -> Option<PathBuf> {
    let path = Path::new("/usr/bin/chromium");
    if !path.exists() {
        skip("chromium", "scripts/setup.sh tells why it is not there");
        return None;
    }
    Some(path.to_owned())
}

/// A report of `calls` calls, one of which has a name that would end a script element.
fn report(calls: usize) -> Value {
    let unit = |index: usize| {
        let hip = !index.is_multiple_of(3);
        let (lane, at) = (index % 16, index / 16);
        json!({
            "start": at as f64 * 0.5 + lane as f64 * 0.01,
            "seconds": 0.01 + (index * 7919 % 480) as f64 / 1000.0,
            "end": "seen",
            "lane": lane,
            "source": match index {
                7 => "/src/</script><script>document.title='broken'</script>.hip".to_owned(),
                _ => format!("/src/lib{}/kernel_{index}.{}", index % 40, if hip { "hip" } else { "cpp" }),
            },
            "output": format!("CMakeFiles/part{}.dir/kernel_{index}.o", index % 12),
            "directory": "/build",
            "language": if hip { "hip" } else { "c++" },
            "arch_count": if hip { 2 } else { 0 },
            "archs": if hip { json!(["gfx942", "gfx950"]) } else { json!([]) },
            "launched": index % 10 != 1,
            "reason": if index % 10 == 1 { json!("save-temps") } else { Value::Null },
            "outcome": match index % 10 { 1 => Value::Null, 2 | 3 => json!("miss"), _ => json!("hit") },
            "parts": match index {
                2 => json!([{"arch": "gfx942", "outcome": "hit"}, {"arch": "gfx950", "outcome": "miss"}]),
                _ => json!([]),
            },
            "process": index,
        })
    };
    let tally = json!({"hits": 3500, "misses": 1000, "errors": 0});
    json!({
        "version": 1,
        "session": {
            "tree": "/opt/rocm", "attachment": "in place", "command": ["make", "-j16"],
            "launcher": {"path": "/usr/bin/ccache", "kind": "ccache", "version": null},
            "started": 1.8e9, "seconds": calls as f64 / 32.0 + 1.0, "exit_status": 0, "signal": null,
            "peak_memory": 1 << 30,
        },
        "calls": {
            "launched": calls * 9 / 10, "launched_hip": 6000, "launched_host": 3000, "direct": calls / 10,
            "reasons": [{"reason": "save-temps", "calls": calls / 10, "remedy": "drop -save-temps"}],
        },
        "cache": {
            "hits": 7000, "misses": 2000, "errors": 0, "hip": tally, "host": tally, "uncached": 0, "failed": 0,
            "writes": 1, "cleanups": null, "bytes_before": 1000, "bytes": 2_000_000, "bytes_limit": 5_000_000,
        },
        "cache_unknown": null, "saved": null, "slowest": [], "verdict": "used",
        "advice": [{"id": "x", "weight": "warning", "text": "<b>odd</b>", "remedy": "mend it"}],
        "why": {
            "text": "2000 of 9000 launched calls missed", "missed": 2000, "launched": 9000,
            "causes": [{"id": "compiler", "text": "libLLVM changed", "remedy": "nothing", "units": ["/src/a.hip"]}],
        },
        "units": (0..calls).map(unit).collect::<Vec<_>>(),
    })
}

/// Opens the page in two widths, uses it, and leaves the results in `data-seen`.
const USE: &str = r#"<!doctype html><body>
<iframe src="page.html" style="width:400px;height:1200px"></iframe>
<iframe src="page.html" style="width:1600px;height:1200px"></iframe>
<script>
const used = (frame) => {
  const [page, view] = [frame.contentDocument, frame.contentWindow];
  const section = (name) => page.querySelector(`section[aria-label="${name}"]`);
  const column = (name, at) => [...section(name).querySelectorAll(`tbody tr td:nth-child(${at})`)].map((cell) => cell.textContent);
  const press = (name, at) => section(name).querySelectorAll('th button')[at].click();
  const canvas = page.getElementById('canvas');
  const colours = () => new Set(new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size;
  const point = (kind, x, y) => {
    const box = canvas.getBoundingClientRect();
    canvas.dispatchEvent(new view.PointerEvent(kind, { clientX: box.x + x, clientY: box.y + y, pointerId: 1, bubbles: true }));
  };
  const seen = { ready: Number(page.documentElement.dataset.ready), title: page.title, width: view.innerWidth,
    wide: page.documentElement.scrollWidth, colours: colours(), summary: page.getElementById('summary').textContent,
    why: page.getElementById('why').textContent, bold: page.querySelectorAll('#advice b').length, rows: column('All calls', 4).length };
  press('All calls', 1);
  seen.slowest = column('All calls', 2).slice(0, 3);
  press('All calls', 1);
  seen.quickest = column('All calls', 2).slice(0, 3);
  seen.order = section('All calls').querySelectorAll('th')[1].getAttribute('aria-sort');
  seen.archs = column('Architectures', 1);
  seen.missed = column('Architectures', 4);
  seen.targets = column('CMake targets', 1).length;
  seen.reasons = column('Direct calls', 4);
  point('pointermove', 4, 30);
  seen.tip = page.getElementById('tip').textContent;
  try { point('pointerdown', 4, 30); } catch {}
  point('pointerup', 4, 30);
  seen.details = page.getElementById('details').textContent;
  const box = page.getElementById('search');
  box.value = 'gfx950 miss';
  box.dispatchEvent(new view.KeyboardEvent('keydown', { key: 'Enter' }));
  seen.found = page.getElementById('found').textContent;
  page.getElementById('theme').click();
  seen.theme = page.documentElement.dataset.theme;
  return seen;
};
addEventListener('load', () => {
  document.body.dataset.seen = JSON.stringify([...document.querySelectorAll('iframe')].map(used));
});
</script>"#;

/// Opens a document with `content` in `dir`, and returns what its script left in `data-seen`. Panics if anything is
/// printed on the console.
fn browse(browser: &Path, dir: &Path, content: &str) -> Value {
    let at = |name: &str| dir.join(name);
    std::fs::write(at("use.html"), content).unwrap();
    let (out, err) = (at("out"), at("err"));
    let mut child = Command::new(browser)
        .args([
            "--headless",
            "--hide-scrollbars",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-dev-shm-usage",
        ])
        .args(["--allow-file-access-from-files", "--enable-logging=stderr"])
        .args(["--window-size=1700,1300", "--dump-dom"])
        .arg(format!("--user-data-dir={}", at("profile").display()))
        .arg(format!("file://{}", at("use.html").display()))
        .env("HOME", dir)
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&out).unwrap())
        .stderr(std::fs::File::create(&err).unwrap())
        .spawn()
        .unwrap();
    let ended = child.wait_timeout(Duration::from_secs(60)).unwrap();
    if ended.is_none() {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let err = String::from_utf8_lossy(&std::fs::read(&err).unwrap()).into_owned();
    assert!(ended.is_some_and(|status| status.success()), "{err}");
    let said: Vec<_> = err
        .lines()
        .filter(|line| line.contains("CONSOLE"))
        .collect();
    assert_eq!(said, [""; 0], "the console must be empty");
    let dom = std::fs::read_to_string(&out).unwrap();
    let (_, rest) = dom
        .split_once("data-seen=\"")
        .unwrap_or_else(|| panic!("{dom}"));
    let (seen, _) = rest.split_once('"').unwrap();
    serde_json::from_str(&seen.replace("&quot;", "\"").replace("&amp;", "&")).unwrap()
}

#[test]
fn ten_thousand_calls_are_shown_sorted_and_searched_at_both_widths() {
    let Some(browser) = browser() else { return };
    const CALLS: usize = 10_000;
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("report.json"), report(CALLS).to_string()).unwrap();
    let mut make = rock_wrap(["report", "report.json", "--html", "page.html"]);
    ran(make.current_dir(dir.path())).ok();
    let seen = browse(&browser, dir.path(), USE);
    let seen = seen.as_array().unwrap();
    let quickest = seen
        .iter()
        .map(|page| page["ready"].as_u64().unwrap())
        .min();
    // The limit is a second on an idle machine; the quick form also runs on busy ones.
    let bar = if compilers::full() { 1000 } else { 5000 };
    assert!((1..bar).contains(&quickest.unwrap()), "{seen:#?}");
    for (page, width) in seen.iter().zip([400, 1600]) {
        assert_eq!(page["title"], "rock-wrap: make 5m14s", "{page:#}");
        assert_eq!(
            (&page["width"], &page["wide"]),
            (&json!(width), &json!(width)),
            "{page:#}"
        );
        assert!(page["colours"].as_u64().unwrap() > 3, "{page:#}");
        let summary = page["summary"].as_str().unwrap();
        assert_has(
            summary,
            &[
                "succeeded after 5m14s",
                "9,000 calls went to the launcher",
                "7,000 were found",
            ],
        );
        assert_eq!(
            (&page["bold"], &page["rows"]),
            (&json!(0), &json!(50)),
            "{page:#}"
        );
        assert_has(
            page["why"].as_str().unwrap(),
            &["libLLVM changed: 1 unit", "What to do: nothing"],
        );
        assert_eq!(page["slowest"], json!(["489 ms", "489 ms", "489 ms"]));
        assert_eq!(page["quickest"], json!(["10 ms", "10 ms", "10 ms"]));
        assert_eq!(page["order"], "ascending");
        assert_eq!(page["archs"], json!(["gfx942", "gfx950"]));
        // One of the units missed for gfx950 only.
        assert_eq!(page["missed"], json!(["1332", "1333"]));
        assert_eq!(page["targets"], 12);
        assert_eq!(page["reasons"], json!(["drop -save-temps"]));
        assert_has(page["tip"].as_str().unwrap(), &["kernel_"]);
        assert_has(
            page["details"].as_str().unwrap(),
            &["/src/lib", "Directory", "/build"],
        );
        assert_has(page["found"].as_str().unwrap(), &["1,333 calls of 10,000"]);
        assert!(page["theme"] == "dark" || page["theme"] == "light");
    }
}

/// Compiles two HIP units for two architectures, of which one includes a header, and one host unit.
const BUILD: &str = r#"
    set -e
    hip="-w -x hip -nogpuinc -nogpulib --offload-arch=gfx900 --offload-arch=gfx906"
    "$BIN/clang++" $hip -c one.hip -o one.o
    "$BIN/clang++" $hip -c two.hip -o two.o
    "$BIN/clang++" -c host.cpp -o host.o
    "$BIN/clang++" --version >/dev/null
"#;

/// Opens each page in two widths and both themes, points at every place of the timeline, and leaves the results in
/// `data-seen`.
const LOOK: &str = r#"<!doctype html><body><script>
const pages = PAGES;
for (const page of pages) for (const width of [400, 1600]) {
  const frame = document.createElement('iframe');
  Object.assign(frame, { src: page, style: `width:${width}px;height:1200px` });
  document.body.append(frame);
}
const looked = (frame) => {
  const [page, view] = [frame.contentDocument, frame.contentWindow];
  const canvas = page.getElementById('canvas');
  const copy = page.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const back = () => {
    copy.drawImage(canvas, 1 - canvas.width, 1 - canvas.height);
    return [...copy.getImageData(0, 0, 1, 1).data].join();
  };
  const seen = { page: frame.getAttribute('src'), width: view.innerWidth, wide: page.documentElement.scrollWidth, themes: {} };
  for (let time = 0; time < 2; time += 1) {
    seen.themes[page.documentElement.dataset.theme] = back();
    page.getElementById('theme').click();
  }
  const box = canvas.getBoundingClientRect();
  const tips = new Set();
  for (let y = 30; y < box.height; y += 10) for (let x = 0; x < box.width; x += 2) {
    canvas.dispatchEvent(new view.PointerEvent('pointermove', { clientX: box.x + x, clientY: box.y + y, pointerId: 1, bubbles: true }));
    const tip = page.getElementById('tip');
    if (!tip.hidden) tips.add(tip.querySelector('strong').textContent);
  }
  const outside = (box) => box.getBoundingClientRect().right > view.innerWidth && !box.closest('.scroll, #chart');
  seen.outside = [...page.body.querySelectorAll('*')].filter(outside).map((box) => box.outerHTML.slice(0, 200));
  const text = (part) => [...part.querySelectorAll('p, th, td, li')].map((cell) => cell.textContent);
  seen.tips = [...tips];
  seen.why = page.getElementById('why').textContent;
  seen.tables = Object.fromEntries([...page.querySelectorAll('#tables section')].map((part) => [part.getAttribute('aria-label'), text(part)]));
  return seen;
};
addEventListener('load', () => { document.body.dataset.seen = JSON.stringify([...document.querySelectorAll('iframe')].map(looked)); });
</script>"#;

#[test]
fn pages_of_real_builds_and_of_their_difference_show_parts_memory_and_causes() {
    let Some(browser) = browser() else { return };
    let clangs = compilers::clangs(&[19]);
    let dir = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for program in [sccache(), ccache()] {
            let (dir, clangs) = (dir.path(), &clangs);
            scope.spawn(move || {
                for clang in clangs {
                    build_twice(*clang, &program, dir);
                }
            });
        }
    });
    let names = ["sccache", "ccache", "ccache-diff"];
    let page = |clang: &u32| names.map(|name| format!("{clang}-{name}.html"));
    let pages: Vec<_> = clangs.iter().flat_map(page).collect();
    let look = LOOK.replace("PAGES", &json!(pages).to_string());
    let seen = browse(&browser, dir.path(), &look);
    let seen = seen.as_array().unwrap();
    assert_eq!(seen.len(), 2 * pages.len());
    for (index, page) in seen.iter().enumerate() {
        let width = if index % 2 == 0 { 400 } else { 1600 };
        assert_eq!(page["outside"], json!([]), "{page:#}");
        assert_eq!(
            (&page["width"], &page["wide"]),
            (&json!(width), &json!(width)),
            "{page:#}"
        );
        assert_ne!(page["themes"]["light"], page["themes"]["dark"], "{page:#}");
        let has = |list: &Value, wanted: &str| {
            let list = list.as_array().unwrap();
            list.iter()
                .any(|text| text.as_str().unwrap().contains(wanted))
        };
        let slowest = &page["tables"]["Slowest units"];
        assert!(has(slowest, "Memory") && has(slowest, "MiB"), "{page:#}");
        for part in ["gfx900 of one.hip", "gfx906 of one.hip", "host of one.hip"] {
            assert!(has(&page["tips"], part), "{part}: {page:#}");
        }
        assert!(has(slowest, "gfx900: found in the cache"), "{page:#}");
        assert!(has(slowest, "gfx906: compiled and stored"), "{page:#}");
        let why = page["why"].as_str().unwrap();
        assert_has(
            why,
            &["own.h changed, and only gfx906 was compiled: 1 unit"],
        );
        let figures = &page["tables"]["Figures before and after"];
        let is_difference = page["page"].as_str().unwrap().ends_with("diff.html");
        assert_eq!(!figures.is_null(), is_difference, "{page:#}");
        assert!(!is_difference || has(figures, "elapsed"), "{page:#}");
    }
}

/// Builds twice, with a header changed in between for one of the architectures. Writes the page of the second build
/// and the page of the difference to `dir`.
fn build_twice(clang: u32, program: &Path, dir: &Path) {
    let rocm = Rocm::new(clang, Layout::Symlink);
    let cache = Cache::new(program);
    let name = program.file_name().unwrap().to_str().unwrap();
    let name = format!("{clang}-{name}");
    // A name that is wider than a narrow page and has no place for a line break.
    let build = rocm.beside(&"directory".repeat(12));
    std::fs::create_dir(&build).unwrap();
    let write = |name: &str, content: &str| std::fs::write(build.join(name), content).unwrap();
    write(
        "one.hip",
        "#include \"own.h\"\n__attribute__((device)) int a;\n",
    );
    write("two.hip", "__attribute__((device)) int b;\n");
    write("host.cpp", "int c;\n");
    for (number, kind) in [(1, "int"), (2, "long")] {
        let text = format!("#ifdef __gfx906__\n__attribute__((device)) {kind} own;\n#endif\n");
        write("own.h", &text);
        let mut run = rocm.rock_wrap("run");
        run.arg("--launcher").arg(&cache.program);
        run.args(["--per-arch=always", "--report"])
            .arg(build.join(format!("{number}.json")));
        run.arg("--html").arg(dir.join(format!("{name}.html")));
        run.args(["--", "sh", "-c", BUILD]);
        run.envs(cache.env()).env("BIN", rocm.bin());
        ran(run.current_dir(&build)).ok();
    }
    let mut diff = rock_wrap(["report", "diff", "1.json", "2.json", "--html"]);
    diff.arg(dir.join(format!("{name}-diff.html")));
    ran(diff.current_dir(&build)).ok();
}

#[test]
fn a_file_that_is_not_a_report_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("trace.json");
    std::fs::write(&file, r#"{"traceEvents": []}"#).unwrap();
    for name in ["trace.json", "missing.json"] {
        let mut show = rock_wrap(["report", name, "--html", "page.html"]);
        let message = ran(show.current_dir(dir.path())).refused(4);
        assert_has(
            &message,
            &["cannot read the report", name, "run --report FILE"],
        );
        assert!(!dir.path().join("page.html").exists());
    }
}
