//! The kernels' source, put together for a variant.
use crate::rasterize::{ALPHA_CAP, ALPHA_CUT, Cutoff, DILATION_PX2, LEAST_ALPHA, TRANSMITTANCE_STOP};
use crate::{Colors, loss};
use std::fmt::Write;

/// Most channels of an image on the GPU: more would not fit a thread's registers.
pub const MOST_CHANNELS: usize = 32;

/// Source text to be compiled in one go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Program {
    /// What it is, for messages and tables, e.g. `draw sh3 depth`.
    pub name: String,
    /// CUDA C++.
    pub source: String,
    /// Its kernels, in the order of their first launch.
    pub kernels: &'static [&'static str],
}

/// What the kernels of the rasterizer are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant {
    /// How colors are stored.
    pub kind: Colors,
    /// Whether expected depth is drawn.
    pub depth: bool,
    /// Whether alpha's cutoff is smooth, as tests need it.
    pub smooth: bool,
}

impl Variant {
    /// The variant for a scene and its settings.
    pub fn new(kind: Colors, depth: bool, cutoff: Cutoff) -> Self {
        Variant { kind, depth, smooth: cutoff != Cutoff::Hard }
    }

    /// Floats a splat, a whole number of `float4`; as SPLAT_FLOATS in common.cuh.
    pub(super) fn splat_floats(self) -> usize {
        (7 + self.kind.channels()).next_multiple_of(4)
    }

    /// Floats a gradient slot; as SLOT_FLOATS in common.cuh.
    pub(super) fn slot_floats(self) -> usize {
        (8 + self.planes()).next_multiple_of(4)
    }

    /// Floats of a pixel's state; as 1 + PLANES in common.cuh.
    pub(super) fn state_floats(self) -> usize {
        1 + self.planes()
    }

    /// Instances a bucket; as BUCKET in common.cuh.
    pub(super) fn bucket(self) -> usize {
        if self.planes() <= 4 { 64 } else { 32 }
    }

    fn planes(self) -> usize {
        self.kind.channels() + self.depth as usize
    }

    fn name(self) -> String {
        let mut name = match self.kind {
            Colors::Sh { degree } => format!("sh{degree}"),
            Colors::Features { channels } => format!("features{channels}"),
        };
        name.push_str(if self.depth { " depth" } else { "" });
        name.push_str(if self.smooth { " smooth" } else { "" });
        name
    }

    /// The constants that the kernels share with the CPU, and the variant's own.
    fn prologue(self) -> String {
        let degree = match self.kind {
            Colors::Sh { degree } => degree as i32,
            Colors::Features { .. } => -1,
        };
        let mut text = String::new();
        for (name, value) in [
            ("ALPHA_CUT", ALPHA_CUT),
            ("LOG2_ALPHA_CUT", ALPHA_CUT.log2()),
            ("ALPHA_CAP", ALPHA_CAP),
            ("TRANSMITTANCE_STOP", TRANSMITTANCE_STOP),
            ("DILATION_PX2", DILATION_PX2),
            ("LEAST_ALPHA", LEAST_ALPHA),
        ] {
            constant(&mut text, name, value);
        }
        for (name, value) in [
            ("CHANNELS", self.kind.channels() as i32),
            ("SH_DEGREE", degree),
            ("DEPTH", self.depth as i32),
            ("SMOOTH", self.smooth as i32),
        ] {
            whole(&mut text, name, value);
        }
        text
    }
}

impl Program {
    /// Scan and radix sort.
    pub fn sort() -> Self {
        Program {
            name: "sort".into(),
            source: include_str!("../rasterize/sort.cu").into(),
            kernels: &["sort_histogram", "sort_starts", "sort_pass", "scan"],
        }
    }

    /// The forward pass.
    pub fn draw(variant: Variant) -> Self {
        let parts = [
            include_str!("../rasterize/common.cuh"),
            include_str!("../rasterize/project.cu"),
            include_str!("../rasterize/tiles.cu"),
            include_str!("../rasterize/blend.cu"),
        ];
        Program {
            name: format!("draw {}", variant.name()),
            source: variant.prologue() + &parts.concat(),
            kernels: &["project", "emit_instances", "tile_ranges", "blend"],
        }
    }

    /// The backward pass. Two programs, so that they compile side by side.
    pub fn draw_back(variant: Variant) -> Self {
        let parts = [
            include_str!("../rasterize/common.cuh"),
            include_str!("../rasterize/project.cu"),
            include_str!("../rasterize/blend.cu"),
            include_str!("../rasterize/blend_back.cu"),
            include_str!("../rasterize/gather.cu"),
        ];
        Program {
            name: format!("draw back {}", variant.name()),
            // The kernels of the forward pass are there for their functions only.
            source: format!("#define BACKWARD 1\n{}{}", variant.prologue(), parts.concat()),
            kernels: &["pixels_back", "blend_back", "gather", "reduce_shares"],
        }
    }

    /// The image loss.
    pub fn loss(channels: usize) -> Self {
        let mut text = String::new();
        whole(&mut text, "CHANNELS", channels as i32);
        let taps = 2 * loss::REACH + 1;
        whole(&mut text, "WINDOW", taps as i32);
        constant(&mut text, "SSIM_C1", loss::C1);
        constant(&mut text, "SSIM_C2", loss::C2);
        let weights: Vec<String> =
            (0..taps).map(|tap| format!("{:e}f", loss::WINDOW[tap.min(taps - 1 - tap)])).collect();
        // Infallible: a `String` takes all that is written.
        let _ = writeln!(text, "__device__ constexpr float WEIGHTS[WINDOW] = {{{}}};", weights.join(", "));
        Program {
            name: format!("loss {channels}"),
            source: text + include_str!("../loss.cu"),
            kernels: &["loss", "loss_back", "loss_sum"],
        }
    }

    /// Adam.
    pub fn adam() -> Self {
        Program { name: "adam".into(), source: include_str!("../adam.cu").into(), kernels: &["adam"] }
    }

    /// Every program that the tools may ask for but feature widths in between: what is compiled and gated without a GPU.
    pub fn all() -> Vec<Self> {
        let degrees = (0..=3).map(|degree| (Colors::Sh { degree }, true));
        let widths = [0, 1, 3, 8, 16, MOST_CHANNELS].map(|channels| (Colors::Features { channels }, true));
        let flat = [(Colors::Sh { degree: 3 }, false), (Colors::Features { channels: 3 }, false)];
        let smooth = Variant { kind: Colors::Sh { degree: 3 }, depth: true, smooth: true };
        let variants = degrees.chain(widths).chain(flat).map(|(kind, depth)| Variant { kind, depth, smooth: false });
        let drawing = variants.chain([smooth]).flat_map(|v| [Program::draw(v), Program::draw_back(v)]);
        drawing.chain([Program::sort(), Program::adam(), Program::loss(1), Program::loss(3)]).collect()
    }
}

fn constant(text: &mut String, name: &str, value: f32) {
    let _ = writeln!(text, "constexpr float {name} = {value:e}f;");
}

fn whole(text: &mut String, name: &str, value: i32) {
    let _ = writeln!(text, "constexpr int {name} = {value};");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_the_cpu_rasterizers() {
        let variant = Variant::new(Colors::Sh { degree: 2 }, true, Cutoff::Hard);
        let text = variant.prologue();
        let of = |name: &str| -> f32 {
            let line = text.lines().find(|l| l.contains(&format!(" {name} = "))).expect(name);
            line.split(" = ").nth(1).unwrap().trim_end_matches("f;").parse().unwrap()
        };
        assert_eq!(of("ALPHA_CUT"), ALPHA_CUT);
        assert_eq!(of("TRANSMITTANCE_STOP"), TRANSMITTANCE_STOP);
        assert!(text.contains("constexpr int SH_DEGREE = 2;") && text.contains("constexpr int SMOOTH = 0;"));
    }

    #[test]
    fn every_listed_kernel_is_in_the_source() {
        for program in Program::all() {
            for kernel in program.kernels {
                assert!(program.source.contains(&format!(" {kernel}(")), "{}: {kernel}", program.name);
            }
        }
    }
}
