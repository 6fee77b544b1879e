//! The dental arches: the base mesh has a bent strip of 17 × 4 vertices for each jaw; it is read as a surface.
use super::Base;
use glam::Vec3;

/// Left half of a strip, middle first; the right half mirrors it.
struct Strip {
    /// Where gum meets cheek or chin.
    fold: [u32; 9],
    /// Margin of the gum in front.
    margin: [u32; 9],
    /// Bite.
    edge: [u32; 9],
    /// Gum behind the teeth.
    back: [u32; 9],
}

const UPPER: Strip = Strip {
    fold: [15061, 15060, 15062, 15063, 15064, 15065, 15066, 15067, 15068],
    margin: [15079, 15075, 15074, 15073, 15072, 15084, 15083, 15082, 15081],
    edge: [15069, 15086, 15071, 15070, 15085, 15078, 15077, 15076, 15080],
    back: [15087, 15095, 15089, 15088, 15094, 15092, 15091, 15090, 15093],
};
const LOWER: Strip = Strip {
    fold: [14993, 14992, 14994, 14995, 14996, 14997, 14998, 14999, 15000],
    margin: [15012, 15013, 15014, 15015, 15011, 15016, 15017, 15018, 15009],
    edge: [15010, 15001, 15002, 15003, 15004, 15005, 15006, 15007, 15008],
    back: [15027, 15019, 15020, 15021, 15022, 15023, 15024, 15025, 15026],
};
/// The strips are 72 mm wide at the back, a fifth wider than the arches of adults (some 60 mm
/// over the last molars); so much of the width is kept.
const KEPT_WIDTH: f32 = 0.9;
/// Steps of the arc length table.
const STEPS: usize = 256;

/// A row of a strip.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Row {
    /// Where gum meets cheek or chin.
    Fold,
    /// Margin of the gum in front.
    Margin,
    /// Bite.
    Edge,
    /// Gum behind the teeth.
    Back,
}

/// Which jaw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Jaw {
    /// Fixed to the skull.
    Upper,
    /// Moves.
    Lower,
}

/// A place as a weighted sum of base vertices plus a fixed offset (meters).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Blend {
    pub weights: Vec<(u32, f32)>,
    pub offset: Vec3,
}

impl Blend {
    /// The sum over a field on the base mesh, without the offset.
    pub fn of(&self, field: &[Vec3]) -> Vec3 {
        self.weights.iter().map(|&(v, w)| field[v as usize] * w).sum()
    }

    /// The same place on the other side.
    pub fn mirrored(&self, table: &[u32]) -> Blend {
        let weights = self.weights.iter().map(|&(v, w)| (table[v as usize], w)).collect();
        Blend { weights, offset: self.offset * Vec3::new(-1.0, 1.0, 1.0) }
    }

    /// `(1 − t)·self + t·other`.
    pub fn lerp(&self, other: &Blend, t: f32) -> Blend {
        let scaled = |blend: &Blend, by: f32| blend.weights.iter().map(|&(v, w)| (v, w * by)).collect::<Vec<_>>();
        let mut weights = scaled(self, 1.0 - t);
        weights.extend(scaled(other, t));
        Blend { weights, offset: self.offset.lerp(other.offset, t) }
    }
}

/// Left half of an arch.
pub struct Arch<'a> {
    base: &'a Base,
    mirror: &'a [u32],
    strip: &'static Strip,
    /// `[STEPS + 1]` length of the margin from the middle (meters).
    lengths: Vec<f32>,
}

impl<'a> Arch<'a> {
    /// The arch of a jaw; `mirror` is the table of the base mesh.
    pub fn new(base: &'a Base, mirror: &'a [u32], jaw: Jaw) -> Arch<'a> {
        let strip = if jaw == Jaw::Upper { &UPPER } else { &LOWER };
        let mut arch = Arch { base, mirror, strip, lengths: vec![0.0] };
        for i in 0..STEPS {
            let [a, b] = [i, i + 1].map(|i| arch.place(&arch.at(Row::Margin, 8.0 * i as f32 / STEPS as f32)));
            arch.lengths.push(arch.lengths[i] + a.distance(b));
        }
        arch
    }

    /// Length of the half arch along the margin (meters).
    pub fn length(&self) -> f32 {
        self.lengths[STEPS]
    }

    /// The column (0 middle … 8 back) at a length from the middle (meters).
    pub fn column(&self, length: f32) -> f32 {
        let after = self.lengths.partition_point(|&l| l < length).clamp(1, STEPS);
        let (a, b) = (self.lengths[after - 1], self.lengths[after]);
        8.0 / STEPS as f32 * (after as f32 - 1.0 + (length - a) / (b - a))
    }

    /// A row at a column, by Catmull-Rom through the strip's vertices.
    pub fn at(&self, row: Row, column: f32) -> Blend {
        let cell = (column.floor() as i32).clamp(0, 7);
        let t = column - cell as f32;
        let (t2, t3) = (t * t, t * t * t);
        let factors =
            [-0.5 * t3 + t2 - 0.5 * t, 1.5 * t3 - 2.5 * t2 + 1.0, -1.5 * t3 + 2.0 * t2 + 0.5 * t, 0.5 * t3 - 0.5 * t2];
        let mut weights = Vec::new();
        for (i, factor) in factors.into_iter().enumerate().filter(|(_, factor)| *factor != 0.0) {
            match cell + i as i32 - 1 {
                // Beyond the last column the strip goes straight on.
                9 => weights.extend([(self.vertex(row, 8), 2.0 * factor), (self.vertex(row, 7), -factor)]),
                c => weights.push((self.vertex(row, c), factor)),
            }
        }
        let mut blend = Blend { weights, offset: Vec3::ZERO };
        blend.offset.x = (KEPT_WIDTH - 1.0) * self.place(&blend).x;
        blend
    }

    fn vertex(&self, row: Row, column: i32) -> u32 {
        let line = match row {
            Row::Fold => &self.strip.fold,
            Row::Margin => &self.strip.margin,
            Row::Edge => &self.strip.edge,
            Row::Back => &self.strip.back,
        };
        let v = line[column.unsigned_abs() as usize];
        if column < 0 { self.mirror[v as usize] } else { v }
    }

    /// Where a blend lies on the template (meters).
    pub fn place(&self, blend: &Blend) -> Vec3 {
        blend.of(&self.base.positions) + blend.offset
    }

    /// Unit horizontal direction out of the mouth at a column.
    pub fn outward(&self, column: f32) -> Vec3 {
        let [a, b] = [-0.2, 0.2].map(|d| self.place(&self.at(Row::Margin, (column + d).max(0.0))));
        if column < 0.2 {
            return Vec3::Z;
        }
        Vec3::new(a.z - b.z, 0.0, b.x - a.x).normalize_or(Vec3::Z)
    }
}
