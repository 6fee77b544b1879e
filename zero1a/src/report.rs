//! How a run's clips changed from version to version, as a page or a section of one.
use crate::set::frames_of;
use anyhow::Result;
use formats::card::read_json;
use formats::exit::Failure;
use formats::page::{STYLE, data_uri, escape};
use formats::versions::Version;
use formats::{AvatarCard, ClipRow, Part, VersionedSet};
use nets::view::sheet_png;
use std::path::Path;
use tch::{Device, Tensor};

const PAGE: &str = include_str!("report/report.html");
const SECTION: &str = include_str!("report/section.html");
/// Versions of a clip that are shown.
const SHOWN: usize = 5;
/// Frames of each.
const FRAMES: usize = 8;

/// A page that needs nothing else. `run` is what `zero1a run` filled.
///
/// # Errors
/// A part that is missing.
pub fn page(run: &Path) -> Result<String> {
    Ok(PAGE.replace("{{style}}", STYLE).replace("{{section}}", &section(run)?))
}

/// The same as a section of another page in the same style.
///
/// # Errors
/// As [`page`].
pub fn section(run: &Path) -> Result<String> {
    let card: AvatarCard = read_json(&run.join("avatar").join(formats::avatar::CARD), "avatar card")?;
    let preview = run.join("preview.png");
    let missing = |e: std::io::Error| Failure::missing(format!("incomplete run ({e}): {preview:?}"));
    let preview = data_uri("image/png", &std::fs::read(&preview).map_err(missing)?);
    let folder = run.join("set");
    let clips = if VersionedSet::is_at(&folder) { evolution(&VersionedSet::open(&folder)?)? } else { String::new() };
    Ok(SECTION
        .replace("{{facts}}", &escape(&facts(&card)))
        .replace("{{preview}}", &preview)
        .replace("{{clips}}", &clips))
}

fn facts(card: &AvatarCard) -> String {
    let m = &card.metrics;
    let versions = m["versions"]["number"].as_u64().unwrap_or_default();
    format!(
        "{} iterations, {versions} versions of the clips, {} Gaussians on the triangles of the fitted head.",
        m["iterations"], card.gaussians
    )
}

/// One figure a clip: rows are versions, columns frames.
fn evolution(set: &VersionedSet) -> Result<String> {
    let latest = set.latest()?;
    let ids: Vec<u64> = latest.groups().into_iter().map(|(id, _)| id).collect();
    // The first clip, the one in the middle and the last: a spatial one, and the latest kinds.
    let mut shown: Vec<u64> =
        [0, ids.len() / 2, ids.len().saturating_sub(1)].iter().filter_map(|&i| ids.get(i).copied()).collect();
    shown.dedup();
    let mut html = String::new();
    for id in shown {
        let versions = versions_of(set, &latest, id)?;
        let picked = spread(versions.len(), SHOWN).into_iter().map(|i| &versions[i]);
        let (mut rows, mut labels) = (Vec::new(), Vec::new());
        for version in picked {
            let Some(range) = version.group(id) else { continue };
            let clip = frames_of(&version.rows::<ClipRow>(range, Part::All)?)?;
            let frames = clip.pictures(Device::Cpu);
            let n = frames.size()[0] as usize;
            let row: Vec<Tensor> = (0..FRAMES).map(|i| frames.get((i * n / FRAMES) as i64)).collect();
            rows.push(row);
            labels.push(format!("version {} (iteration {})", version.number(), clip.iteration));
        }
        let picture = data_uri("image/png", &sheet_png(&rows)?);
        html += &format!(
            "<figure><img src=\"{picture}\" alt=\"Clip {id} over versions\"><figcaption>Clip {id}, from above: {}</figcaption></figure>\n<p></p>\n",
            escape(&labels.join(", "))
        );
    }
    Ok(html)
}

/// The versions in which a clip was made anew, oldest first, those that were collected left out.
fn versions_of(set: &VersionedSet, latest: &Version, clip: u64) -> Result<Vec<Version>> {
    let mut versions = Vec::new();
    for number in 1..=latest.number() {
        if set.log(number)?.put.contains(&clip) && !set.is_collected(number)? {
            versions.push(set.version(number)?);
        }
    }
    Ok(versions)
}

/// At most `n` of `0..len`, evenly, first and last among them.
fn spread(len: usize, n: usize) -> Vec<usize> {
    let n = n.min(len);
    (0..n).map(|i| if n == 1 { len - 1 } else { i * (len - 1) / (n - 1) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_shown_evenly() {
        assert_eq!(spread(3, 5), [0, 1, 2]);
        assert_eq!(spread(9, 5), [0, 2, 4, 6, 8]);
        assert_eq!(spread(1, 5), [0]);
        assert!(spread(0, 5).is_empty());
    }
}
