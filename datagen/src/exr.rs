//! A film as a multi-part OpenEXR file: one part a layer, so that a reader takes only what it wants.
//!
//! | part     | channels     | type | unit and space                                              |
//! |----------|--------------|------|-------------------------------------------------------------|
//! | `beauty` | `R G B A`    | half | linear, premultiplied by coverage                           |
//! | `albedo` | `R G B`      | half | linear, premultiplied by coverage                           |
//! | `normal` | `X Y Z`      | half | world, of the ray through the pixel center                  |
//! | `depth`  | `Z`          | f32  | meters along the camera's z, 0 where nothing is hit         |
//! | `uv`     | `U V`        | half | texture coordinate, origin bottom left                      |
//! | `id`     | `class part` | u32  | class id of `formats::segmentation`, part id                |
//!
//! Compressed by ZIP16, the best of the lossless ones on such pictures. The same film gives the same bytes.
use crate::tracer::film::Film;
use crate::tracer::trace::TraceError;
use exr::prelude::{
    AnyChannel, AnyChannels, Encoding, FlatSamples, Image, ImageAttributes, Layer, LayerAttributes, WritableImage,
};
use glam::Vec3;
use half::f16;
use std::io::Cursor;

/// The file's bytes.
///
/// # Errors
/// [`TraceError::Exr`] if the encoder refuses, which would be a bug of ours.
pub fn encode(film: &Film) -> Result<Vec<u8>, TraceError> {
    let size = (film.width, film.height);
    let labels = &film.labels;
    let mut beauty = color(&film.rgb, ["R", "G", "B"]);
    beauty.push(half("A", film.alpha.iter().copied()));
    let uv = vec![half("U", labels.uv.iter().map(|t| t.x)), half("V", labels.uv.iter().map(|t| t.y))];
    let parts = [
        ("beauty", beauty),
        ("albedo", color(&film.albedo, ["R", "G", "B"])),
        ("normal", color(&labels.normal, ["X", "Y", "Z"])),
        ("depth", vec![AnyChannel::new("Z", FlatSamples::F32(labels.depth.clone()))]),
        ("uv", uv),
        ("id", vec![whole("class", &labels.class), whole("part", &labels.part)]),
    ];
    let layers: Vec<Layer<AnyChannels<FlatSamples>>> = parts
        .into_iter()
        .map(|(name, channels)| {
            let channels = AnyChannels::sort(channels.into_iter().collect());
            Layer::new(size, LayerAttributes::named(name), Encoding::SMALL_LOSSLESS, channels)
        })
        .collect();
    let mut bytes = Cursor::new(Vec::new());
    let image = Image::from_layers(ImageAttributes::with_size(size), layers);
    image.write().non_parallel().to_buffered(&mut bytes).map_err(|err| TraceError::Exr(err.to_string()))?;
    Ok(bytes.into_inner())
}

fn half(name: &str, values: impl Iterator<Item = f32>) -> AnyChannel<FlatSamples> {
    AnyChannel::new(name, FlatSamples::F16(values.map(f16::from_f32).collect()))
}

fn color(values: &[Vec3], names: [&str; 3]) -> Vec<AnyChannel<FlatSamples>> {
    names.iter().enumerate().map(|(c, name)| half(name, values.iter().map(|v| v[c]))).collect()
}

fn whole(name: &str, values: &[u8]) -> AnyChannel<FlatSamples> {
    AnyChannel::new(name, FlatSamples::U32(values.iter().map(|&v| v.into()).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use exr::prelude::*;

    #[test]
    fn every_layer_comes_back() {
        let mut film = Film::new(20, 9);
        for i in 0..film.rgb.len() {
            film.rgb[i] = Vec3::new(i as f32, 0.5, 0.25);
            film.alpha[i] = 0.5;
            film.labels.depth[i] = 0.1 + i as f32;
            film.labels.class[i] = (i % 16) as u8;
            film.labels.uv[i].y = 0.125;
        }
        let bytes = encode(&film).unwrap();
        assert_eq!(bytes, encode(&film).unwrap());
        let image = read().no_deep_data().largest_resolution_level().all_channels().all_layers().all_attributes();
        let image = image.from_buffered(Cursor::new(bytes)).unwrap();
        let channel = |layer: &str, name: &str| {
            let wanted =
                |l: &&Layer<AnyChannels<FlatSamples>>| l.attributes.layer_name.as_ref().is_some_and(|n| n == layer);
            let layer = image.layer_data.iter().find(wanted).unwrap();
            layer.channel_data.list.iter().find(|c| c.name == *name).unwrap().sample_data.clone()
        };
        assert_eq!(image.layer_data.len(), 6);
        assert_eq!(channel("depth", "Z"), FlatSamples::F32(film.labels.depth.clone()));
        let FlatSamples::F16(red) = channel("beauty", "R") else { panic!("beauty is half") };
        assert_eq!(red[7].to_f32(), 7.0);
        let FlatSamples::U32(class) = channel("id", "class") else { panic!("ids are whole") };
        assert_eq!((class[3], class.len()), (3, 180));
        let FlatSamples::F16(v) = channel("uv", "V") else { panic!("uv is half") };
        assert_eq!(v[0].to_f32(), 0.125);
    }
}
