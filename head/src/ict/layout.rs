//! Which vertices and faces of the ICT topology are what (table in its README), and where they lie in the atlas.
use super::Kept;
use crate::model::Part;
use crate::obj::Obj;
use glam::{Vec2, Vec3};
use std::collections::HashMap;

/// Vertices of the Light topology.
pub const ICT_VERTICES: usize = 26_719;
/// Faces of the Light topology.
pub const ICT_FACES: usize = 26_384;
/// The first so many vertices are the narrow face.
pub const NARROW_FACE: usize = 6_706;

/// Faces of the tongue: the charts of its underside and of its back, found by where they lie.
const TONGUE: [std::ops::Range<usize>; 2] = [16_254..16_522, 16_572..17_006];

/// Part of the ICT mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Block {
    Face,
    Head,
    MouthSocket,
    EyeSocket,
    GumsTongue,
    TeethUpper,
    TeethLower,
    EyeLeft,
    EyeRight,
    LashLeft,
    LashRight,
    Dropped,
}

/// `(block, first vertex after it, first face after it)`, in file order.
const BLOCKS: [(Block, usize, usize); 15] = [
    (Block::Face, 9_409, 9_230),
    (Block::Head, 11_248, 11_144),
    (Block::MouthSocket, 13_294, 13_226),
    (Block::EyeSocket, 14_062, 14_034),
    (Block::GumsTongue, 17_039, 17_006),
    (Block::TeethUpper, 19_247, 19_250),
    (Block::TeethLower, 21_451, 21_496),
    (Block::EyeLeft, 22_221, 22_296),
    (Block::Dropped, 23_021, 23_094), // left iris
    (Block::EyeRight, 23_791, 23_894),
    (Block::Dropped, 24_591, 24_692), // right iris
    (Block::Dropped, 25_351, 25_304), // lacrimal fluid, blend and occlusion meshes
    (Block::LashLeft, 26_035, 25_844),
    (Block::LashRight, 26_719, 26_384),
    (Block::Dropped, ICT_VERTICES, ICT_FACES),
];

/// `[ICT_VERTICES]`
pub fn blocks_of_vertices() -> Vec<Block> {
    let mut blocks = Vec::with_capacity(ICT_VERTICES);
    BLOCKS.iter().for_each(|&(block, end, _)| blocks.resize(end, block));
    blocks
}

/// `[ICT_FACES]`
pub fn blocks_of_faces() -> Vec<Block> {
    let mut blocks = Vec::with_capacity(ICT_FACES);
    BLOCKS.iter().for_each(|&(block, _, end)| blocks.resize(end, block));
    blocks
}

impl Block {
    /// Which chart of the files' texture space it uses, and where that lies in ours: low corner and size here, whole
    /// tiles of the files counted from `u = tile`.
    fn chart(self) -> (f32, Vec2, Vec2) {
        let place = |tile: f32, x: f32, y: f32, w: f32, h: f32| (tile, Vec2::new(x, y), Vec2::new(w, h));
        match self {
            Block::Face => place(0.0, 0.0, 0.38, 0.62, 0.62),
            Block::Head | Block::MouthSocket | Block::EyeSocket => place(1.0, 0.62, 0.38, 0.38, 0.62),
            Block::GumsTongue => place(2.0, 0.31, 0.0, 0.30, 0.37),
            Block::TeethUpper | Block::TeethLower => place(3.0, 0.0, 0.0, 0.31, 0.37),
            Block::EyeLeft => place(0.0, 0.62, 0.0, 0.185, 0.185),
            Block::EyeRight => place(0.0, 0.81, 0.0, 0.185, 0.185),
            Block::LashLeft | Block::LashRight => place(6.0, 0.62, 0.195, 0.37, 0.17),
            Block::Dropped => place(0.0, 0.0, 0.0, 0.0, 0.0),
        }
    }

    /// Charts that share texture vertices in the files have the same number.
    pub fn tile(self) -> u32 {
        match self {
            Block::EyeLeft => 101,
            Block::EyeRight => 102,
            _ => self.chart().0 as u32,
        }
    }

    /// What face `face` of the files is.
    pub fn part(self, face: usize) -> Part {
        match self {
            Block::Face | Block::Head | Block::EyeSocket | Block::Dropped => Part::Skin,
            Block::MouthSocket => Part::Mouth,
            Block::GumsTongue if TONGUE.iter().any(|range| range.contains(&face)) => Part::Tongue,
            Block::GumsTongue => Part::Gums,
            Block::TeethUpper => Part::TeethUpper,
            Block::TeethLower => Part::TeethLower,
            Block::EyeLeft => Part::EyeLeft,
            Block::EyeRight => Part::EyeRight,
            Block::LashLeft | Block::LashRight => Part::Lashes,
        }
    }
}

/// `[T]` texture coordinates in one atlas, every chart in its place.
pub fn atlas(neutral: &Obj, kept: &Kept) -> Vec<Vec2> {
    let place = |&(t, block): &(u32, Block)| {
        let (tile, corner, size) = block.chart();
        let uv = neutral.uvs[t as usize] - Vec2::new(tile, 0.0);
        (corner + uv * size).clamp(Vec2::ZERO, Vec2::ONE)
    };
    kept.uvs.iter().map(place).collect()
}

/// `[V]` pairs by reflection at x = 0 within mirrored blocks, each vertex in one pair; of vertices that coincide the
/// first takes the first. What has no partner within half a millimeter is its own.
pub fn mirror(template: &[Vec3], blocks: &[Block]) -> Vec<u32> {
    const REACH_M: f32 = 5e-4;
    let other_side = |block: Block| match block {
        Block::EyeLeft => Block::EyeRight,
        Block::EyeRight => Block::EyeLeft,
        Block::LashLeft => Block::LashRight,
        Block::LashRight => Block::LashLeft,
        same => same,
    };
    let cell = |p: Vec3| (p / REACH_M).floor().as_ivec3();
    let mut cells: HashMap<(glam::IVec3, Block), Vec<u32>> = HashMap::new();
    for (v, p) in template.iter().enumerate() {
        cells.entry((cell(*p), blocks[v])).or_default().push(v as u32);
    }
    const FREE: u32 = u32::MAX;
    let mut mirror = vec![FREE; template.len()];
    for v in (0..template.len()).filter(|&v| template[v].x >= 0.0).chain(0..template.len()) {
        if mirror[v] != FREE {
            continue;
        }
        let reflected = template[v] * Vec3::new(-1.0, 1.0, 1.0);
        let around = (0..27).map(|i| cell(reflected) + glam::IVec3::new(i / 9 - 1, i / 3 % 3 - 1, i % 3 - 1));
        let near = around.flat_map(|c| cells.get(&(c, other_side(blocks[v]))).into_iter().flatten().copied());
        let distance = |w: u32| template[w as usize].distance(reflected);
        let free = near.filter(|&w| mirror[w as usize] == FREE && distance(w) < REACH_M);
        let partner = free.min_by(|&a, &b| distance(a).total_cmp(&distance(b)).then(a.cmp(&b))).unwrap_or(v as u32);
        (mirror[v], mirror[partner as usize]) = (partner, v as u32);
    }
    mirror
}
