//! The viewer page in a browser: it draws the avatar and its presets move the face. Skipped, with a line, where there
//! is no Chromium.
use effigy_tests::folder::{Folder, read};
use effigy_tests::tool::Tool;
use effigy_tests::toy::toy;
use image::RgbImage;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A software renderer, no network, nothing of the user's.
const FLAGS: [&str; 14] = [
    "--headless",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--hide-scrollbars",
    "--window-size=900,600",
    "--force-device-scale-factor=1",
    "--virtual-time-budget=4000",
];

/// Left of the panel and above the status line: where the avatar stands.
const STAGE: (u32, u32) = (600, 560);

#[test]
fn the_page_draws_the_avatar_and_its_presets_move_the_face() {
    let Some(browser) = browser() else {
        eprintln!("skipped: no `chromium` on PATH");
        return;
    };
    let folder = Folder::new("viewer");
    let page = folder.path().join("page.html");
    Tool::new("invert", folder.path()).words("view --quiet --out page.html --avatar").path(toy().join("avatar")).done();
    strengthen(&page);
    let shot = |hash: &str| screenshot(&browser, &page, hash, folder.path());
    let (rest, open, turned) = (shot(""), shot("#preset=Open"), shot("#yaw=0.8"));

    let background = *rest.get_pixel(2, 2);
    let drawn = stage().filter(|&(x, y)| differs(rest.get_pixel(x, y), &background)).count();
    let share = drawn as f64 / f64::from(STAGE.0 * STAGE.1);
    assert!((0.05..0.9).contains(&share), "a head fills a part of the stage, here {:.1} %", 100.0 * share);

    let moved = stage().filter(|&(x, y)| differs(rest.get_pixel(x, y), open.get_pixel(x, y))).count();
    assert!(moved > 200 && moved < drawn, "an open mouth changes some of {drawn} pixels, here {moved}");

    let other = stage().filter(|&(x, y)| differs(rest.get_pixel(x, y), turned.get_pixel(x, y))).count();
    assert!(other > moved, "a turned head changes more than an open mouth: {other} and {moved} pixels");

    let (behind, tinted) = (shot("#yaw=2.8"), shot("#yaw=2.8&unseen"));
    let unseen = stage().filter(|&(x, y)| differs(behind.get_pixel(x, y), tinted.get_pixel(x, y))).count();
    assert!(unseen * 4 > drawn, "nothing was seen of this head: {unseen} pixels are tinted");
}

/// What two fingers, one finger and a lost context do.
const HANDS: &str = r#"
const gl = page.gl;
const point = (type, id, x) => page.canvas.dispatchEvent(new PointerEvent(type, { pointerId: id, clientX: x, clientY: 300, bubbles: true }));
const lit = () => {
  const pixels = new Uint8Array(4 * 100 * 100);
  gl.readPixels(gl.drawingBufferWidth / 2 - 50, gl.drawingBufferHeight / 2 - 50, 100, 100, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
  return pixels.filter((v, i) => i % 4 === 0 && v > 0 && Math.abs(v - 40) > 12).length; // black: not drawn
};
const home = page.view();
point("pointerdown", 1, 300); point("pointerdown", 2, 400); point("pointermove", 2, 500);
const pinched = page.view();
point("pointerup", 1, 300); point("pointerup", 2, 500);
point("pointerdown", 1, 300); point("pointermove", 1, 330); point("pointerup", 1, 330);
const turned = page.view();
await until(() => page.drawn() > 0 && page.isSettled());
const before = lit(), context = gl.getExtension("WEBGL_lose_context");
context.loseContext();
await sleep(300);
const lost = gl.isContextLost(), drawn = page.drawn();
context.restoreContext();
await until(() => page.drawn() > drawn && page.isSettled());
report({ home, pinched, turned, before, lost, after: lit(), status: node("status").textContent });
"#;

#[test]
fn two_fingers_zoom_and_a_lost_context_comes_back() {
    let Some(browser) = browser() else {
        eprintln!("skipped: no `chromium` on PATH");
        return;
    };
    let folder = Folder::new("viewer-hands");
    let found = find(&browser, folder.path(), "", HANDS);
    let number = |view: &str, key: &str| found[view][key].as_f64().unwrap_or(f64::NAN);
    assert!((number("pinched", "distance") / number("home", "distance") - 0.5).abs() < 1e-6, "twice as near: {found}");
    assert_eq!(number("pinched", "yaw"), number("home", "yaw"), "a pinch does not turn: {found}");
    assert!(number("turned", "yaw") < number("home", "yaw") - 0.2, "one finger turns: {found}");
    assert_eq!(found["lost"], true, "{found}");
    let lit = |key: &str| found[key].as_u64().unwrap_or(0);
    assert!(lit("before") > 1000 && lit("after") > 1000, "drawn before and again after the loss: {found}");
    let status = found["status"].as_str().unwrap_or_default();
    assert!(status.contains("Gaussians") && !status.contains(" 0.0 ms"), "{found}");
}

/// Drops recordings on the page: two seconds in which the jaw opens and the head turns, then damaged ones.
const DROPS: &str = r#"
const columns = ["Timecode", "BlendShapeCount", ...page.units.map(u => u[0].toUpperCase() + u.slice(1)), "HeadYaw", "HeadPitch", "HeadRoll"];
const line = (second, values) => [`14:24:0${second}:00.000`, 61, ...columns.slice(2).map(name => values[name] || 0)].join(",");
const take = [columns, line(1, {}), line(2, { JawOpen: 0.5, HeadYaw: 0.2 }), line(3, { JawOpen: 1, HeadYaw: 0.4 })].join("\r\n");
async function drop(name, text) {
  const data = new DataTransfer(), before = note();
  data.items.add(new File([text], name));
  document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
  await until(() => note() !== before);
  return note();
}
const pose = () => ({ jaw: page.weights().jawOpen, yaw: page.head()[0] });
const opened = await drop("take.csv", take), played = [];
for (let k = 0; k < 3; k++) {
  const before = pose().jaw;
  await until(() => pose().jaw !== before);
  played.push(pose().jaw);
}
node("play").click();
node("time").value = 1;
node("time").dispatchEvent(new Event("input"));
const sought = pose();
const missing = await drop("missing.csv", take.replace("JawOpen", "Chin"));
const word = await drop("word.csv", take.replace(",0.5,", ",wide,"));
const empty = await drop("empty.csv", "");
report({ opened, played, sought, missing, word, empty, kept: pose(), clock: node("clock").textContent });
"#;

#[test]
fn a_dropped_recording_plays_and_a_damaged_one_is_a_line() {
    let Some(browser) = browser() else {
        eprintln!("skipped: no `chromium` on PATH");
        return;
    };
    let folder = Folder::new("viewer-drop");
    let found = find(&browser, folder.path(), "", DROPS);
    assert_eq!(found["opened"], "take.csv: 3 frames, 2.0 s");
    let played: Vec<f64> =
        found["played"].as_array().expect("a list").iter().map(|w| w.as_f64().unwrap_or(f64::NAN)).collect();
    assert!(played.windows(2).all(|pair| pair[0] != pair[1]), "the jaw moves with time: {found}");
    for pose in ["sought", "kept"] {
        let number = |key: &str| found[pose][key].as_f64().unwrap_or(f64::NAN);
        assert!((number("jaw") - 0.5).abs() < 1e-6 && (number("yaw") - 0.2).abs() < 1e-6, "after one second: {found}");
    }
    assert_eq!(found["clock"], "1.0 / 2.0 s", "a damaged file leaves the clip: {found}");
    let missing = "missing.csv: line 1: column JawOpen is missing, expected the columns of Live Link Face";
    assert_eq!(found["missing"], missing);
    assert_eq!(found["word"], "word.csv: line 3, column JawOpen: expected a weight from 0 to 1, got \"wide\"",);
    assert_eq!(found["empty"], "empty.csv: line 1: the file is empty, expected the columns of Live Link Face");
}

/// Presses the buttons that save, and reads what would be downloaded.
const SAVES: &str = r#"
const saved = [], url = URL.createObjectURL;
URL.createObjectURL = blob => { saved.push(blob); return url.call(URL, blob); };
node("save").click();
const bytes = new Uint8Array(await saved[0].arrayBuffer());
const end = new TextDecoder("latin1").decode(bytes).indexOf("end_header\n") + 11;
const ply = { header: new TextDecoder().decode(bytes.slice(0, end)), values: [...new Float32Array(bytes.slice(end).buffer)] };
const record = node("record"), webm = { disabled: record.disabled, why: record.title };
if (!record.disabled) {
  record.click();
  await sleep(5000); // a software renderer draws few frames
  record.click();
  await until(() => record.textContent === "Record WebM");
  webm.note = note();
  webm.start = saved.length > 1 ? [...new Uint8Array(await saved[1].arrayBuffer()).slice(0, 4)] : [];
}
report({ ply, webm });
"#;

#[test]
fn the_page_saves_what_export_writes_and_records_a_film() {
    let Some(browser) = browser() else {
        eprintln!("skipped: no `chromium` on PATH");
        return;
    };
    let folder = Folder::new("viewer-save");
    let found = find(&browser, folder.path(), "", SAVES);
    Tool::new("invert", folder.path())
        .words("export --quiet --out rest.ply --avatar")
        .path(toy().join("avatar"))
        .done();
    let (header, values) = ply(&read(&folder.path().join("rest.ply")));
    assert_eq!(found["ply"]["header"], header.as_str(), "the same columns and number of vertices");
    let saved: Vec<f64> =
        found["ply"]["values"].as_array().expect("a list").iter().map(|v| v.as_f64().unwrap_or(f64::NAN)).collect();
    assert_eq!(saved.len(), values.len());
    for (i, (got, expected)) in saved.iter().zip(&values).enumerate() {
        // The page has opacities, not their logits; single precision rounds what is near 1.
        let is_opacity = i % 17 == 9;
        let shown = |v: f64| if is_opacity { 1.0 / (1.0 + (-v).exp()) } else { v };
        let off = (shown(*got) - shown(*expected)).abs();
        assert!(off < 1e-4, "vertex {}, column {}: {got}, expected {expected}", i / 17, i % 17);
    }
    let webm = &found["webm"];
    if webm["disabled"] == true {
        assert_eq!(webm["why"], "This browser does not record WebM.");
    } else {
        assert_eq!(webm["start"], serde_json::json!([0x1a, 0x45, 0xdf, 0xa3]), "Matroska's first bytes: {found}");
    }
}

/// Header and values of a binary `.ply` of floats.
fn ply(bytes: &[u8]) -> (String, Vec<f64>) {
    const END: &[u8] = b"end_header\n";
    let end = bytes.windows(END.len()).position(|w| w == END).expect("the header ends") + END.len();
    let value = |b: &[u8]| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let header = String::from_utf8_lossy(&bytes[..end]).into_owned();
    (header, bytes[end..].chunks_exact(4).map(value).collect())
}

/// Turns the head away after the first frame, which the page sorts itself, and sums up the picture.
const TURN: &str = r#"
page.canvas.style.cssText = "width: 300px; height: 300px";
await until(() => page.canvas.width === 300 && page.isSettled());
page.setView(2.8, 0.2);
await until(() => page.isSettled());
const gl = page.gl, pixels = new Uint8Array(4 * 300 * 300);
gl.readPixels(0, 0, 300, 300, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
report({ orders: page.ordersReceived(), settled: page.isSettled(), sum: pixels.reduce((sum, value) => (sum * 31 + value) >>> 0, 0) });
"#;

#[test]
fn a_worker_sorts_as_the_page_does() {
    let Some(browser) = browser() else {
        eprintln!("skipped: no `chromium` on PATH");
        return;
    };
    let folder = Folder::new("viewer-sort");
    let worker = find(&browser, folder.path(), "", TURN);
    let page = find(&browser, folder.path(), "#sort=page", TURN);
    assert!(worker["orders"].as_u64().is_some_and(|n| n > 0), "the worker answers: {worker}");
    assert_eq!(page["orders"], 0, "{page}");
    assert!(worker["settled"] == true && page["settled"] == true, "{worker} and {page}");
    assert_eq!(worker["sum"], page["sum"], "the same picture");
}

/// What the scripts of [`find`] have at hand; the page is `window.effigy`.
const TOOLS: &str = r#"
const page = window.effigy, node = id => document.getElementById(id), note = () => node("note").textContent;
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));
const until = async what => { for (let k = 0; k < 2000 && !what(); k++) await sleep(10); };
const report = found => console.log("FOUND " + JSON.stringify(found));
"#;

/// What a script in the toy's page reports. It runs in real time, for workers and files do not follow a virtual clock.
fn find(browser: &Path, at: &Path, hash: &str, script: &str) -> serde_json::Value {
    let name: String = hash.chars().filter(char::is_ascii_alphanumeric).collect();
    let (page, profile) = (at.join(format!("page{name}.html")), at.join(format!("profile{name}")));
    Tool::new("invert", at).words("view --quiet --avatar").path(toy().join("avatar")).words("--out").path(&page).done();
    let html = String::from_utf8(read(&page)).expect("a page is text");
    let module = format!("<script type=\"module\">{TOOLS}{script}</script></html>");
    std::fs::write(&page, html.replace("</html>", &module)).expect("the page is ours");
    let mut child = Command::new(browser)
        .args(FLAGS.iter().filter(|flag| !flag.starts_with("--virtual-time-budget")))
        .args(["--enable-logging=stderr", &format!("--user-data-dir={}", profile.display())])
        .arg(format!("file://{}{hash}", page.display()))
        .env("HOME", &profile)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{e}: {browser:?}"));
    let log = BufReader::new(child.stderr.take().expect("the log is ours"));
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let is_end = |line: &String| line.contains("\"FOUND ") || line.contains("\"Uncaught ");
        if let Some(line) = log.lines().map_while(Result::ok).find(is_end) {
            sender.send(line).ok(); // nobody listens any more after two minutes
        }
    });
    let line = receiver.recv_timeout(Duration::from_secs(120));
    child.kill().expect("our child can be ended");
    child.wait().expect("our child has ended");
    let line = line.unwrap_or_else(|e| panic!("{e}: no report from {page:?}"));
    let json = line.split_once("\"FOUND ").and_then(|(_, rest)| rest.rsplit_once("\", source: "));
    let (json, _) = json.unwrap_or_else(|| panic!("the script fails: {line}"));
    serde_json::from_str(json).unwrap_or_else(|e| panic!("{e}: {json}"))
}

/// The toy's prior has hardly learned expressions in its few steps: every unit of the page is made to move its farthest
/// Gaussian by three centimeters, so that what the page does with units shows.
fn strengthen(page: &Path) {
    const OPENING: &str = r#"<script id="avatar" type="application/json">"#;
    let html = String::from_utf8(read(page)).expect("a page is text");
    let from = html.find(OPENING).expect("the page holds the avatar") + OPENING.len();
    let to = from + html[from..].find("</script>").expect("the avatar ends");
    let mut avatar: serde_json::Value = serde_json::from_str(&html[from..to]).expect("the avatar is JSON");
    for unit in avatar["units"].as_array_mut().expect("the avatar has units") {
        // Displacements are bytes in steps: the farthest is 127 steps long.
        unit["step"] = (0.03 / 127.0).into();
    }
    // Three pictures show something of each of the toy's few Gaussians; here they show nothing.
    let seen = avatar["seen"].as_str().expect("the avatar says what was seen");
    let padding = seen.len() - seen.trim_end_matches('=').len();
    avatar["seen"] = format!("{}{}", "A".repeat(seen.len() - padding), "=".repeat(padding)).into();
    std::fs::write(page, format!("{}{avatar}{}", &html[..from], &html[to..])).expect("the page is ours");
}

/// Where `PATH` has a Chromium.
fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    ["chromium", "chromium-browser"]
        .iter()
        .flat_map(|name| std::env::split_paths(&path).map(move |folder| folder.join(name)))
        .find(|p| p.is_file())
}

fn stage() -> impl Iterator<Item = (u32, u32)> {
    (0..STAGE.1).flat_map(|y| (0..STAGE.0).map(move |x| (x, y)))
}

fn differs(a: &image::Rgb<u8>, b: &image::Rgb<u8>) -> bool {
    a.0.iter().zip(b.0).any(|(a, b)| a.abs_diff(b) > 12)
}

fn screenshot(browser: &Path, page: &Path, hash: &str, at: &Path) -> RgbImage {
    let name: String = hash.chars().filter(char::is_ascii_alphanumeric).collect();
    let (out, profile) = (at.join(format!("shot{name}.png")), at.join(format!("profile{name}")));
    let mut child = Command::new(browser)
        .args(FLAGS)
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("--screenshot={}", out.display()))
        .arg(format!("file://{}{hash}", page.display()))
        .env("HOME", &profile)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|e| panic!("{e}: {browser:?}"));
    let clock = Instant::now();
    while child.try_wait().expect("the state of our child").is_none() {
        if clock.elapsed() > Duration::from_secs(120) {
            child.kill().expect("our child can be ended");
            child.wait().expect("our child has ended");
            panic!("no screenshot of {hash:?} after two minutes");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    image::open(&out).unwrap_or_else(|e| panic!("{e}: {out:?}")).to_rgb8()
}
