//! The tool as a user runs it, on the analytic head at tiny sizes: same bytes whatever the layout, labels that agree.
use formats::Dataset;
use formats::image::{gray8_from_png, gray16_from_png};
use formats::segmentation::Class;
use glam::{Mat4, Vec3};
use head::ibug;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("datagen-{name}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&path)); // what an earlier, killed run left
        std::fs::create_dir_all(&path).expect("temporary folder");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0)); // a leftover in the temporary folder harms no one
    }
}

/// Small enough for a second; no denoiser, so that it runs with nothing installed.
const SMALL: &[&str] = &[
    "head=analytic",
    "dataset.identities=4",
    "dataset.val=1",
    "dataset.test=1",
    "dataset.expressions=2",
    "dataset.cameras=2",
    "image.size=40",
    "image.samples=2",
    "image.bounces=2",
    "image.denoise=off",
    "maps.uv_size=16",
    "maps.exr=true",
    "mesh.texture_size=32",
    "hair.strands=600",
    "light.count=3",
    "light.width=32",
    "shards.frames=3",
    "shards.identities=2",
];

fn datagen(args: &[&str], sets: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_datagen"));
    command.args(args).arg("--quiet");
    for set in sets {
        command.args(["--set", set]);
    }
    command.output().expect("datagen starts")
}

fn done(args: &[&str], sets: &[&str]) {
    let output = datagen(args, sets);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Every shard by name, with its bytes.
fn shards(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for table in ["identities", "frames", "exr"] {
        for entry in std::fs::read_dir(folder.join(table)).expect("table folder") {
            let path = entry.expect("entry").path();
            all.push((
                format!("{table}/{}", path.file_name().unwrap().to_string_lossy()),
                std::fs::read(&path).expect("shard"),
            ));
        }
    }
    all.sort();
    all
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}

#[test]
fn threads_tasks_and_order_change_no_byte() {
    let (a, b) = (Folder::new("one"), Folder::new("many"));
    done(&["render", "--out", text(&a.0), "--threads", "1"], SMALL);
    done(&["plan", "--no-sample", "--out", text(&b.0)], SMALL);
    for task in ["2/3", "0/3", "1/3", "0/1"] {
        done(&["render", "--out", text(&b.0), "--threads", "2", "--shard", task], &[]);
    }
    let (a, b) = (shards(&a.0), shards(&b.0));
    assert_eq!(
        a.len(),
        2 + 2 * (3 + 2 + 2),
        "two of identities; eight, four and four frames by three, and their layers"
    );
    assert_eq!(a.iter().map(|s| &s.0).collect::<Vec<_>>(), b.iter().map(|s| &s.0).collect::<Vec<_>>());
    for (x, y) in a.iter().zip(&b) {
        assert!(x.1 == y.1, "{} differs", x.0);
    }
}

#[test]
fn a_lost_shard_comes_back_the_same_and_others_are_left_alone() {
    let folder = Folder::new("resume");
    done(&["render", "--out", text(&folder.0)], SMALL);
    let before = shards(&folder.0);
    let lost = folder.0.join("frames/train-00001-of-00003.parquet");
    let kept = folder.0.join("frames/train-00000-of-00003.parquet");
    let stamp = std::fs::metadata(&kept).unwrap().modified().unwrap();
    std::fs::remove_file(&lost).unwrap();
    let output = datagen(&["render", "--out", text(&folder.0)], &[]);
    assert_eq!(String::from_utf8_lossy(&output.stdout).split(':').next(), Some("1 shards rendered, 8 already there"));
    assert!(shards(&folder.0) == before);
    assert_eq!(std::fs::metadata(&kept).unwrap().modified().unwrap(), stamp);
    // Another plan in the same folder is refused and changes nothing.
    let other = datagen(&["render", "--out", text(&folder.0), "--seed", "9"], SMALL);
    assert_eq!(other.status.code(), Some(65), "{}", String::from_utf8_lossy(&other.stderr));
    assert!(shards(&folder.0) == before);
}

#[test]
fn faults_have_their_exit_codes_and_one_line() {
    let folder = Folder::new("faults");
    let out = text(&folder.0);
    let cases: [(&[&str], &[&str], i32, &str); 5] = [
        (&["plan", "--out", out], &["image.sise=3"], 78, "sise"),
        (&["plan", "--out", out], &["head=analytic", "dataset.val=99"], 78, "fewer than identities"),
        (&["plan", "--out", out], &["head=/nowhere/head.safetensors"], 66, "/nowhere/head.safetensors"),
        (&["render", "--out", out], &[], 66, "datagen plan"),
        (&["render", "--out", out, "--shard", "4/4"], &[], 2, "4/4"),
    ];
    for (args, sets, code, word) in cases {
        let output = datagen(args, sets);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?} {sets:?}: {stderr}");
        assert!(stderr.contains(word) && stderr.trim_end().lines().count() == 1, "{stderr}");
    }
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 0, "nothing was written");
}

#[test]
fn labels_agree_with_the_camera() {
    let folder = Folder::new("labels");
    done(&["render", "--out", text(&folder.0)], SMALL);
    let dataset = Dataset::open(&folder.0).unwrap();
    assert_eq!((dataset.len(), dataset.identities().len()), (16, 4));
    let (mut seen, mut near) = (0, 0);
    for i in 0..dataset.len() {
        let row = dataset.frame(i).unwrap();
        let camera_from_world = Mat4::from_cols_array_2d(&row.camera_from_world).transpose();
        let depth = gray16_from_png(row.depth.as_ref().unwrap()).unwrap().data;
        let alpha = gray8_from_png(row.alpha.as_ref().unwrap()).unwrap().data;
        let classes = gray8_from_png(row.segmentation.as_ref().unwrap()).unwrap().data;
        // The center ray may meet a strand that the two samples missed.
        let bare = alpha.iter().zip(&classes).filter(|(a, c)| **a == 0 && **c != 0).count();
        assert!(bare * 20 < classes.len(), "{bare} of {} pixels have a class but no coverage", classes.len());
        assert!(classes.iter().filter(|c| **c == Class::Skin.id()).count() > 100, "skin fills some of the picture");
        let k = row.intrinsics;
        for ((p2, p3), visible) in row.landmarks_2d.iter().zip(&row.landmarks_3d).zip(&row.landmark_visible) {
            let q = camera_from_world.transform_point3(Vec3::from(*p3));
            let (x, y) = (k[0][0] * q.x / q.z + k[0][2], k[1][1] * q.y / q.z + k[1][2]);
            assert!((x - p2[0]).abs() < 1e-2 && (y - p2[1]).abs() < 1e-2, "{x} {y} {p2:?}");
            if *visible == 1.0 {
                let d = depth[y as usize * row.width as usize + x as usize] as f32 * 1e-4;
                seen += 1;
                near += usize::from((d - q.z).abs() < 0.02);
            }
        }
    }
    // A pixel here is 9 mm wide: at the outline of the head its center may miss what the landmark hits.
    assert!(seen > 300 && near * 10 > seen * 8, "{near} of {seen} visible landmarks lie at the depth of their pixel");
}

/// Needs the user's own ICT-FaceKit: `$EFFIGY_ICT` or `target/assets/ict`.
#[test]
fn people_of_another_source_go_the_same_way() {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/assets/ict");
    let source = std::env::var_os("EFFIGY_ICT").map_or(PathBuf::from(default), PathBuf::from);
    if !source.exists() {
        eprintln!("skipped: no ICT-FaceKit checkout at {source:?}; set EFFIGY_ICT to one");
        return;
    }
    let folder = Folder::new("ict");
    let (head, data) = (folder.0.join("ict.safetensors"), folder.0.join("data"));
    done(&["head", "import", "--source", "ict", "--from", text(&source), "--out", text(&head)], &[]);
    let head = format!("head={}", text(&head));
    let mut sets = SMALL.to_vec();
    sets.extend([head.as_str(), "mesh.subdivision=0", "dataset.identities=3", "image.size=64"]);
    done(&["render", "--out", text(&data)], &sets);
    let dataset = Dataset::open(&data).unwrap();
    assert_eq!((dataset.len(), dataset.identities().len()), (12, 3));
    for i in 0..dataset.len() {
        let row = dataset.frame(i).unwrap();
        let classes = gray8_from_png(row.segmentation.as_ref().unwrap()).unwrap().data;
        let share = |class: Class| classes.iter().filter(|c| **c == class.id()).count() as f32 / classes.len() as f32;
        assert!(share(Class::Skin) > 0.04, "frame {i}: skin fills {}", share(Class::Skin));
        let eyes = row.landmarks_2d[ibug::EYES].iter().filter(|p| p.iter().all(|x| (0.0..64.0).contains(x))).count();
        assert_eq!(eyes, 12, "frame {i}: the eyes are in the picture");
    }
}

#[cfg(unix)]
#[test]
fn a_signal_drops_the_open_shard_and_a_rerun_goes_on() {
    let folder = Folder::new("signal");
    let mut sets = SMALL.to_vec();
    sets.extend(["image.samples=400", "shards.frames=8", "dataset.expressions=4"]);
    done(&["plan", "--no-sample", "--out", text(&folder.0)], &sets);
    let mut child = Command::new(env!("CARGO_BIN_EXE_datagen"))
        .args(["render", "--quiet", "--out", text(&folder.0)])
        .spawn()
        .unwrap();
    let identities = folder.0.join("identities/part-00001-of-00002.parquet");
    let start = std::time::Instant::now();
    while !identities.exists() && start.elapsed().as_secs() < 60 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    // SAFETY: the process is our own child and has not been waited for.
    unsafe { libc::kill(child.id() as i32, libc::SIGTERM) };
    assert_eq!(child.wait().unwrap().code(), Some(75));
    let leftovers = |table: &str| {
        let Ok(entries) = std::fs::read_dir(folder.0.join(table)) else { return 0 };
        entries.filter(|e| e.as_ref().is_ok_and(|e| e.file_name().to_string_lossy().ends_with(".tmp"))).count()
    };
    assert_eq!(leftovers("frames") + leftovers("identities"), 0);
}

#[test]
fn clips_are_consecutive_frames_under_one_light() {
    let folder = Folder::new("clips");
    let clips = ["sequence.kind=any", "sequence.frames=8", "sequence.camera=orbit", "dataset.expressions=16"];
    let sets: Vec<&str> = SMALL.iter().filter(|s| !s.contains("expressions")).chain(&clips).copied().collect();
    done(&["render", "--out", text(&folder.0)], &sets);
    let dataset = Dataset::open(&folder.0).expect("dataset");
    let rows = dataset.all_labels();
    assert_eq!(rows.len(), 4 * 16 * 2);
    for row in rows {
        let action: serde_json::Value = serde_json::from_str(&row.action).expect("action is JSON");
        let moment = &action["moment"];
        assert_eq!(moment["clip"], row.expression_id / 8);
        assert_eq!(moment["frame"], row.expression_id % 8);
        assert_eq!(moment["fps"], 25.0);
        let capture: serde_json::Value = serde_json::from_str(&row.capture).expect("capture is JSON");
        assert_eq!(capture["path"], "orbit");
        let first = |r: &&formats::FrameRow| {
            (r.identity_id, r.camera_id, r.expression_id) == (row.identity_id, row.camera_id, row.expression_id / 8 * 8)
        };
        assert_eq!(rows.iter().find(first).expect("the clip's first frame").light_id, row.light_id);
    }
}

/// Temporary files in a dataset's folders.
#[cfg(unix)]
fn leftovers(folder: &Path) -> usize {
    let of = |table: &str| {
        let Ok(entries) = std::fs::read_dir(folder.join(table)) else { return 0 };
        entries.filter(|e| e.as_ref().is_ok_and(|e| e.file_name().to_string_lossy().ends_with(".tmp"))).count()
    };
    ["identities", "frames", "exr", "meta"].map(of).iter().sum()
}

#[cfg(unix)]
#[test]
fn a_killed_rendering_resumes_to_the_same_bytes() {
    let (whole, killed) = (Folder::new("whole"), Folder::new("killed"));
    let mut sets = SMALL.to_vec();
    sets.extend(["image.samples=200", "shards.frames=6"]);
    done(&["render", "--out", text(&whole.0)], &sets);
    done(&["plan", "--no-sample", "--out", text(&killed.0)], &sets);
    let mut child = Command::new(env!("CARGO_BIN_EXE_datagen"))
        .args(["render", "--quiet", "--out", text(&killed.0)])
        .spawn()
        .unwrap();
    let start = std::time::Instant::now();
    let open = |table: &str| std::fs::read_dir(killed.0.join(table)).is_ok_and(|mut entries| entries.next().is_some());
    while !open("frames") && start.elapsed().as_secs() < 60 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child.kill().unwrap(); // SIGKILL: nothing is tidied up
    child.wait().unwrap();
    assert!(leftovers(&killed.0) > 0, "the kill came while a shard was open");
    // Another writer's temporary file stays: its process lives.
    let other = formats::publish::temp_beside(&killed.0.join("frames/x"));
    std::fs::write(&other, b"").unwrap();
    done(&["render", "--out", text(&killed.0), "--threads", "2"], &[]);
    assert!(other.exists(), "a living writer's file was swept away");
    std::fs::remove_file(&other).unwrap();
    assert_eq!(leftovers(&killed.0), 0, "what the killed run left is gone");
    assert!(shards(&whole.0) == shards(&killed.0));
}

#[test]
fn positions_depths_and_landmarks_lie_on_each_other() {
    let folder = Folder::new("maps");
    let mut sets = SMALL.to_vec();
    sets.extend(["maps.frame_position=true", "maps.frame_albedo=true", "image.size=160", "hair.strands=0"]);
    done(&["render", "--out", text(&folder.0)], &sets);
    let dataset = Dataset::open(&folder.0).unwrap();
    let (mut pixels, mut colored, mut seen) = (0, 0, 0);
    for i in 0..dataset.len() {
        let row = dataset.frame(i).unwrap();
        let (camera, size) = (row.camera(), row.width as usize);
        let depth = gray16_from_png(row.depth.as_ref().unwrap()).unwrap().data;
        let position = formats::image::rgb16_from_png(row.position.as_ref().unwrap()).unwrap().data;
        let classes = gray8_from_png(row.segmentation.as_ref().unwrap()).unwrap().data;
        let albedo = formats::image::rgb8_from_encoded(row.albedo.as_ref().unwrap()).unwrap().data;
        let world = |k: usize| {
            let p = &position[3 * k..3 * k + 3];
            Vec3::new(p[0] as f32, p[1] as f32, p[2] as f32) * (2.0 / 65535.0) - 1.0
        };
        for k in (0..depth.len()).filter(|k| depth[*k] > 0) {
            let (pixel, z) = camera.project(world(k));
            let center = glam::Vec2::new((k % size) as f32 + 0.5, (k / size) as f32 + 0.5);
            // half a unit of depth, half of position along each axis
            assert!((z - depth[k] as f32 * 1e-4).abs() < 1e-4, "frame {i} pixel {k}: {z} m, {} 0.1 mm", depth[k]);
            assert!((pixel - center).length() < 0.1, "frame {i} pixel {k}: {pixel} {center}");
            colored += usize::from(albedo[3 * k..3 * k + 3].iter().any(|c| *c > 0));
            pixels += 1;
        }
        // A landmark that is seen whole lies on the surface that its pixel shows: on the plane of the pixels around it.
        for ((p2, p3), visible) in row.landmarks_2d.iter().zip(&row.landmarks_3d).zip(&row.landmark_visible) {
            let (pixel, z) = camera.project(Vec3::from(*p3));
            assert!((pixel - glam::Vec2::from(*p2)).length() < 0.01);
            let (x, y) = ((pixel.x - 0.5) as usize, (pixel.y - 0.5) as usize);
            if *visible < 1.0 || x + 1 >= size || y + 1 >= size {
                continue;
            }
            let around = [y * size + x, y * size + x + 1, (y + 1) * size + x, (y + 1) * size + x + 1];
            // Hair that lies close leaves what is under it visible, but the pixel shows the hair.
            if around.iter().any(|k| classes[*k] == Class::Brow.id()) {
                continue;
            }
            let d = around.map(|k| depth[k] as f32 * 1e-4);
            let steep = d.iter().fold(0.0f32, |m, v| m.max(*v)) - d.iter().fold(9.0f32, |m, v| m.min(*v));
            if steep > 0.002 {
                continue; // an edge
            }
            let (fx, fy) = (pixel.x - 0.5 - x as f32, pixel.y - 0.5 - y as f32);
            let flat = (d[0] * (1.0 - fx) + d[1] * fx) * (1.0 - fy) + (d[2] * (1.0 - fx) + d[3] * fx) * fy;
            seen += 1;
            // a pixel is 2.5 mm wide here, and noses are round
            // the plane of pixels some millimeters wide, on skin that curves between them
            assert!((flat - z).abs() < 0.002, "frame {i}: a landmark at {z} m, the surface at {flat} m");
        }
    }
    assert!(pixels > 50_000 && seen > 100, "{pixels} pixels, {seen} landmarks");
    // the center of a pixel may meet what its two samples missed, and some things are black
    assert!(colored * 100 > pixels * 97, "{colored} of {pixels} pixels have a colour");
}
