//! Which Gaussians lie beside each other at rest: what is known of one says something of the next.
//! Letters: `N` Gaussians, `K` = [`K`] neighbors, `C` numbers of a field.
use glam::{IVec3, Vec3};
use std::collections::{BTreeSet, HashMap};
use tch::{Device, Kind, Tensor};

/// Neighbors of each Gaussian.
pub const K: usize = 6;
/// Side of the finest voxels that a field is filled from (meters), and how many times they double.
const FINEST_M: f32 = 0.004;
const LEVELS: i32 = 6;
/// How much a value that is fully known outweighs its neighbors' mean.
const TRUST: f64 = 20.0;
/// Steps of diffusion after the coarse filling.
const DIFFUSION_STEPS: usize = 60;

/// The graph of nearest neighbors, within each class: hair, skin, an eye, the tongue.
pub struct Neighbors {
    places: Vec<Vec3>,
    classes: Vec<u8>,
    /// `[N · K]`
    index: Tensor,
}

impl Neighbors {
    /// Of Gaussians at `places` `[N]` (meters, at rest), each of a class `[N]`; never across classes.
    pub fn new(places: Vec<Vec3>, classes: Vec<u8>, device: Device) -> Self {
        let mut index = vec![0i64; places.len() * K];
        for class in classes.iter().copied().collect::<BTreeSet<u8>>() {
            let members: Vec<usize> = (0..places.len()).filter(|&i| classes[i] == class).collect();
            let cells = Cells::new(&places, &members);
            for &i in &members {
                for (slot, j) in index[i * K..(i + 1) * K].iter_mut().zip(cells.nearest(&places, i)) {
                    *slot = j as i64;
                }
            }
        }
        Neighbors { places, classes, index: Tensor::from_slice(&index).to_device(device) }
    }

    /// `[N, C]` mean of the neighbors of each, differentiable.
    pub fn mean(&self, field: &Tensor) -> Tensor {
        let (n, c) = (field.size()[0], field.size()[1]);
        field.index_select(0, &self.index).view([n, K as i64, c]).mean_dim([1i64].as_slice(), false, Kind::Float)
    }

    /// Mean squared difference of a field `[N, C]` from its neighbors' mean, differentiable.
    pub fn roughness(&self, field: &Tensor) -> Tensor {
        (field - self.mean(field)).square().mean(Kind::Float)
    }

    /// A field `[N, C]` that keeps its values where `known` `[N]` is 1 and continues them smoothly to where it is 0: first
    /// from means over ever larger voxels (pull-push; Gortler et al. 1996, "The Lumigraph"), then by diffusion.
    pub fn filled(&self, field: &Tensor, known: &Tensor) -> Tensor {
        let weight = known.unsqueeze(-1);
        let guess = self.pulled(field, known);
        let mut now = field * &weight + (1.0 - &weight) * guess;
        for _ in 0..DIFFUSION_STEPS {
            now = (field * &weight * TRUST + self.mean(&now)) / (&weight * TRUST + 1.0);
        }
        now
    }

    /// `[N, C]` weighted means over voxels, the finest in which something is known counting most.
    fn pulled(&self, field: &Tensor, known: &Tensor) -> Tensor {
        let (n, c) = (field.size()[0] as usize, field.size()[1] as usize);
        let values: Vec<f32> = Vec::try_from(field.contiguous().view([-1])).expect("a field of floats");
        let known: Vec<f32> = Vec::try_from(known.contiguous()).expect("weights are floats");
        let mut filled = vec![0.0f32; n * c];
        for level in (0..LEVELS).rev() {
            let side = FINEST_M * 2f32.powi(level);
            let voxel = |i: usize| (self.classes[i], (self.places[i] / side).floor().as_ivec3());
            let mut sums: HashMap<(u8, IVec3), (f32, Vec<f32>)> = HashMap::new();
            for i in 0..n {
                let (weight, sum) = sums.entry(voxel(i)).or_insert_with(|| (0.0, vec![0.0; c]));
                *weight += known[i];
                sum.iter_mut().zip(&values[i * c..]).for_each(|(s, v)| *s += known[i] * v);
            }
            for i in 0..n {
                let (weight, sum) = &sums[&voxel(i)];
                // A voxel with little knowledge of its own keeps what the larger one said.
                let own = 1.0 / (weight + 1.0);
                for (f, s) in filled[i * c..(i + 1) * c].iter_mut().zip(sum) {
                    *f = s * own + *f * own;
                }
            }
        }
        Tensor::from_slice(&filled).view([n as i64, c as i64]).to_device(field.device())
    }
}

/// Points in a uniform grid of cells that hold a few each.
struct Cells {
    side: f32,
    cells: HashMap<IVec3, Vec<usize>>,
}

impl Cells {
    fn new(places: &[Vec3], members: &[usize]) -> Self {
        let far = |f: fn(Vec3, Vec3) -> Vec3, from: Vec3| members.iter().map(|&i| places[i]).fold(from, f);
        let size = far(Vec3::max, Vec3::splat(f32::MIN)) - far(Vec3::min, Vec3::splat(f32::MAX));
        // A surface of that size, some four points a cell.
        let side = (size.length() / (members.len() as f32).sqrt() * 1.5).max(1e-4);
        let mut cells: HashMap<IVec3, Vec<usize>> = HashMap::new();
        for &i in members {
            cells.entry((places[i] / side).floor().as_ivec3()).or_default().push(i);
        }
        Cells { side, cells }
    }

    /// The [`K`] points nearest to point `i`, nearest first; itself where there are fewer.
    fn nearest(&self, places: &[Vec3], i: usize) -> [usize; K] {
        let here = (places[i] / self.side).floor().as_ivec3();
        let mut found: Vec<(f32, usize)> = Vec::new();
        for reach in 1..=6 {
            found.clear();
            for dx in -reach..=reach {
                for dy in -reach..=reach {
                    for dz in -reach..=reach {
                        let cell = self.cells.get(&(here + IVec3::new(dx, dy, dz)));
                        let others = cell.into_iter().flatten().filter(|&&j| j != i);
                        found.extend(others.map(|&j| (places[j].distance_squared(places[i]), j)));
                    }
                }
            }
            if found.len() >= K {
                break;
            }
        }
        found.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        std::array::from_fn(|k| found.get(k).map_or(i, |f| f.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sheet of 40 x 40 points 3 mm apart, in two classes: left and right of the middle.
    fn sheet() -> Neighbors {
        let at = |i: usize| Vec3::new((i % 40) as f32, (i / 40) as f32, 0.0) * 0.003;
        let class = |i: usize| (i % 40 >= 20) as u8;
        Neighbors::new((0..1600).map(at).collect(), (0..1600).map(class).collect(), Device::Cpu)
    }

    #[test]
    fn neighbors_are_near_and_of_the_same_class() {
        let index: Vec<i64> = Vec::try_from(&sheet().index).unwrap();
        let of = |i: usize| &index[i * K..(i + 1) * K];
        let mut four = of(810)[..4].to_vec();
        four.sort_unstable();
        assert_eq!(four, [770, 809, 811, 850]);
        assert!(of(819).iter().all(|j| j % 40 < 20), "{:?}", of(819));
    }

    #[test]
    fn what_is_known_spreads_within_its_class() {
        let neighbors = sheet();
        let column: Vec<f32> = (0..1600).map(|i| if i % 40 == 0 { 1.0 } else { 0.0 }).collect();
        let known = Tensor::from_slice(&column);
        let field = known.unsqueeze(-1) * 0.7;
        let filled: Vec<f32> = Vec::try_from(neighbors.filled(&field, &known).view([-1])).unwrap();
        assert!((filled[800] - 0.7).abs() < 0.05 && filled[819] > 0.4, "{} {}", filled[800], filled[819]);
        assert!(filled[820].abs() < 1e-6, "the other class stays as it was: {}", filled[820]);
    }

    #[test]
    fn a_speck_is_rough_and_a_slope_is_not() {
        let neighbors = sheet();
        let x: Vec<f32> = (0..1600).map(|i| (i % 40) as f32 / 40.0).collect();
        let smooth = Tensor::from_slice(&x).unsqueeze(-1);
        let speck = smooth.copy();
        _ = speck.get(810).fill_(3.0);
        let of = |field: &Tensor| neighbors.roughness(field).double_value(&[]);
        assert!(of(&speck) > 5.0 * of(&smooth), "{} {}", of(&speck), of(&smooth));
    }
}
