//! The report: everything in one file, every number from the rows.
use crate::set::{Set, row, text};
use formats::{Existing, FrameWriter};

#[test]
fn the_report_is_one_page_with_the_right_counts() {
    let set = Set::new("report");
    let out = set.beside("report.html");
    let done = set.run(&["report", "--out", &out]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let page = std::fs::read_to_string(&out).unwrap();
    for words in ["<b>24</b><span>frames", "<b>3</b><span>people", "<b>48×48</b>", "<b>none</b><span>findings"] {
        assert!(page.contains(words), "{words}");
    }
    for words in ["sky: 12 frames", "studio: 12 frames", "No two frames have", "blue", "1 machine,", "cameras = 4"] {
        assert!(page.contains(words), "{words}");
    }
    assert!(
        !page.contains("http://") && !page.contains("https://") && !page.contains("<script"),
        "it needs nothing else"
    );
    // A picture's letters may say anything.
    let mut words = page.split("base64,").map(|part| part.split_once('"').map_or(part, |(_, after)| after));
    assert!(words.all(|part| !part.contains("NaN")));
}

#[test]
fn a_part_is_reported_as_a_part() {
    let set = Set::new("report-part");
    let out = set.beside("report.html");
    assert_eq!(
        set.run(&["report", "--out", &out, "--where", "age > 60 and light.kind < 'st<'"]).status.code(),
        Some(0)
    );
    let page = std::fs::read_to_string(&out).unwrap();
    assert!(page.contains("light.kind &lt; &#39;st&lt;&#39;") && page.contains("<b>4</b><span>frames"), "{page:.3000}");
    let none = set.run(&["report", "--out", &out, "--where", "age > 99"]);
    assert_eq!(none.status.code(), Some(65));
}

#[test]
fn doubled_images_and_hostile_names_are_shown_as_text() {
    let set = Set::new("report-doubled");
    let path = set.0.join("frames/test-00000-of-00001.parquet");
    let plan = formats::Provenance::new("<script>alert(1)</script>", "1", "x = '</pre><script>'", 7);
    let mut writer = FrameWriter::create(&path, &plan, Existing::Replace).unwrap();
    for camera_id in 0..2 {
        let mut frame = row("train", 0, 0, 0);
        (frame.camera_id, frame.frame_id, frame.split) = (camera_id, 900 + u64::from(camera_id), "<b>test".into());
        frame.light = r#"{"kind":"<img src=x>"}"#.into();
        writer.push(frame).unwrap();
    }
    writer.finish().unwrap();
    let out = set.beside("report.html");
    assert_eq!(set.run(&["report", "--out", &out]).status.code(), Some(0));
    let page = std::fs::read_to_string(&out).unwrap();
    assert!(page.contains("frame_id 0, 900, 901") && page.contains("2 images are copies"), "doubled ones are listed");
    assert!(!page.contains("<script") && !page.contains("<b>test") && !page.contains("<img src=x"));
    let alone = crate::set::shards(&["report", path.to_str().unwrap(), "--out", &out]);
    assert_eq!(alone.status.code(), Some(0), "{}", text(&alone.stderr));
    assert!(!std::fs::read_to_string(&out).unwrap().contains("<script"));
}
