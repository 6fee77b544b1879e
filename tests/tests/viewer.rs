//! The viewer page in a browser: it draws the avatar and its presets move the face. Skipped, with a line, where there
//! is no Chromium.
use effigy_tests::folder::{Folder, read};
use effigy_tests::tool::Tool;
use effigy_tests::toy::toy;
use image::RgbImage;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
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

/// What two fingers, one finger and a lost context do, tried by a script in the page; its findings become the title.
const HANDS: &str = r#"<script>
addEventListener("load", () => {
  const page = window.effigy, gl = page.gl;
  const point = (type, id, x) => page.canvas.dispatchEvent(new PointerEvent(type, { pointerId: id, clientX: x, clientY: 300, bubbles: true }));
  const home = page.view();
  point("pointerdown", 1, 300); point("pointerdown", 2, 400); point("pointermove", 2, 500);
  const pinched = page.view();
  point("pointerup", 1, 300); point("pointerup", 2, 500);
  point("pointerdown", 1, 300); point("pointermove", 1, 330); point("pointerup", 1, 330);
  const turned = page.view();
  const lit = () => {
    const pixels = new Uint8Array(4 * 100 * 100);
    gl.readPixels(gl.drawingBufferWidth / 2 - 50, gl.drawingBufferHeight / 2 - 50, 100, 100, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    return pixels.filter((v, i) => i % 4 === 0 && Math.abs(v - 40) > 12).length;
  };
  setTimeout(() => {
    const before = lit(), context = gl.getExtension("WEBGL_lose_context");
    context.loseContext();
    setTimeout(() => {
      const lost = gl.isContextLost();
      context.restoreContext();
      setTimeout(() => {
        document.title = JSON.stringify({ home, pinched, turned, before, lost, after: lit(), status: document.getElementById("status").textContent });
      }, 900);
    }, 300);
  }, 900);
});
</script>"#;

#[test]
fn two_fingers_zoom_and_a_lost_context_comes_back() {
    let Some(browser) = browser() else {
        eprintln!("skipped: no `chromium` on PATH");
        return;
    };
    let folder = Folder::new("viewer-hands");
    let page = folder.path().join("page.html");
    Tool::new("invert", folder.path()).words("view --quiet --out page.html --avatar").path(toy().join("avatar")).done();
    let html = String::from_utf8(read(&page)).expect("a page is text");
    std::fs::write(&page, html.replace("</html>", &format!("{HANDS}</html>"))).expect("the page is ours");
    let profile = folder.path().join("profile");
    let output = Command::new(&browser)
        .args(FLAGS)
        .args(["--dump-dom", &format!("--user-data-dir={}", profile.display()), &format!("file://{}", page.display())])
        .env("HOME", &profile)
        .output()
        .unwrap_or_else(|e| panic!("{e}: {browser:?}"));
    let dom = String::from_utf8_lossy(&output.stdout).into_owned();
    let title = dom.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next()).unwrap_or_default();
    let found: serde_json::Value = serde_json::from_str(title).unwrap_or_else(|e| panic!("{e}: {title:?}"));
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
