//! The topology: a grid with slits, rings inside them, eyeballs, teeth; and the texture layout.
use super::skull::{self, Shape, Side};
use crate::model::Part;
use glam::{Vec2, Vec3};
use std::f32::consts::{PI, TAU};

/// Columns around the head; even, so that one lies in front and one behind.
const COLUMNS: usize = 96;
/// Rows from crown to eyes, to mouth, to the base of the neck.
const ROWS: [usize; 3] = [22, 24, 20];
/// The row of the lid slits.
const EYE_ROW: usize = ROWS[0];
/// The row of the mouth.
const MOUTH_ROW: usize = ROWS[0] + ROWS[1];
/// Rows below the crown.
const N_ROWS: usize = ROWS[0] + ROWS[1] + ROWS[2];
/// Where the chart of the skin lies in the atlas: corners at low and high u, v.
const SKIN_CHART: [Vec2; 2] = [Vec2::new(0.01, 0.20), Vec2::new(0.99, 0.99)];
/// Rings of the mouth behind the lips.
const MOUTH_RINGS: usize = 4;

/// What a vertex is made from.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// On the skin: angle (radians), row of the profile, border of a slit.
    Skin { angle: f32, row: f32, side: Side },
    /// In ring `ring` (from 1) inside a slit; `border` is the vertex of the slit it hangs on.
    Ring { slit: usize, ring: usize, border: u32, side: Side },
    /// On an eyeball (+1 left): polar angle from the pupil and angle about the gaze (radians).
    Eye { sign: f32, polar: f32, about: f32 },
    /// On a row of teeth: 0 upper, 1 lower; -1..=1 from the person's right to left, 0..=1 from gum to edge and inside.
    Tooth { row: usize, across: f32, along: f32 },
}

/// Border of a slit: corner, upper border, corner, lower border; both borders from the person's right to left.
#[derive(Clone, Debug)]
pub struct Slit {
    /// First and last corner (the person's right, left).
    pub corners: [u32; 2],
    /// Upper border without corners.
    pub upper: Vec<u32>,
    /// Lower border without corners.
    pub lower: Vec<u32>,
}

/// The mesh without positions.
pub struct Mesh {
    pub sources: Vec<Source>,
    pub faces: Vec<[u32; 4]>,
    pub face_parts: Vec<Part>,
    pub uvs: Vec<Vec2>,
    pub face_uvs: Vec<[u32; 4]>,
    /// Left eye, right eye, mouth.
    pub slits: Vec<Slit>,
    mirror: Vec<u32>,
}

impl Mesh {
    pub fn new() -> Mesh {
        let mut mesh = Mesh {
            sources: Vec::new(),
            faces: Vec::new(),
            face_parts: Vec::new(),
            uvs: Vec::new(),
            face_uvs: Vec::new(),
            slits: Vec::new(),
            mirror: Vec::new(),
        };
        mesh.add_skin();
        for slit in 0..mesh.slits.len() {
            mesh.add_rings(slit);
        }
        mesh.add_eyes();
        mesh.add_teeth();
        mesh.mirror = mesh.find_mirror();
        mesh
    }

    /// `[V]` meters.
    pub fn positions(&self, shape: &Shape) -> Vec<Vec3> {
        let mut positions: Vec<Vec3> = Vec::with_capacity(self.sources.len());
        for source in &self.sources {
            positions.push(match *source {
                Source::Skin { angle, row, side } => skull::skin(shape, angle, row, side),
                Source::Ring { slit: 2, ring, border, side } => mouth_ring(positions[border as usize], ring, side),
                Source::Ring { slit, border, .. } => lid_ring(shape, positions[border as usize], slit),
                Source::Eye { sign, polar, about } => eyeball(shape, sign, polar, about),
                Source::Tooth { row, across, along } => tooth(row, across, along),
            });
        }
        positions
    }

    /// `[V]`
    pub fn mirror(&self) -> Vec<u32> {
        self.mirror.clone()
    }

    /// Border of a slit a vertex belongs to, rings included.
    pub fn side(&self, vertex: usize) -> Side {
        match self.sources[vertex] {
            Source::Skin { side, .. } | Source::Ring { side, .. } => side,
            _ => Side::None,
        }
    }

    /// Vertices that `keep` accepts.
    pub fn select(&self, keep: impl Fn(&Source) -> bool) -> Vec<u32> {
        (0..self.sources.len()).filter(|&v| keep(&self.sources[v])).map(|v| v as u32).collect()
    }

    fn push(&mut self, source: Source) -> u32 {
        self.sources.push(source);
        self.sources.len() as u32 - 1
    }

    fn push_uv(&mut self, uv: Vec2) -> u32 {
        self.uvs.push(uv);
        self.uvs.len() as u32 - 1
    }

    /// A face from `(vertex, texture vertex)` corners, counter-clockwise; three corners make a triangle.
    fn push_face(&mut self, part: Part, corners: &[(u32, u32)]) {
        let corner = |i: usize| corners[i.min(corners.len() - 1)];
        self.faces.push(std::array::from_fn(|i| corner(i).0));
        self.face_uvs.push(std::array::from_fn(|i| corner(i).1));
        self.face_parts.push(part);
    }

    fn add_skin(&mut self) {
        let angles = column_angles();
        let grid = SkinGrid::new(self, &angles);
        for column in 0..COLUMNS {
            let crown_uv = self.push_uv(chart(column as f32 + 0.5, 0.0));
            let crown = (grid.vertices[0][column][1], crown_uv);
            self.push_face(Part::Skin, &[crown, grid.corner(1, column, 0), grid.corner(1, column + 1, 0)]);
        }
        for row in 1..N_ROWS {
            for column in 0..COLUMNS {
                let corners = [
                    grid.corner(row, column, 1),
                    grid.corner(row + 1, column, 0),
                    grid.corner(row + 1, column + 1, 0),
                    grid.corner(row, column + 1, 1),
                ];
                self.push_face(Part::Skin, &corners);
            }
        }
        for (row, columns) in slit_columns(&angles) {
            let (first, last) = (columns.start, columns.end - 1);
            let border = |which: usize| columns.clone().map(|c| grid.vertices[row][c][which]).collect();
            let corners = [grid.vertices[row][first - 1][0], grid.vertices[row][last + 1][0]];
            self.slits.push(Slit { corners, upper: border(0), lower: border(1) });
        }
    }

    /// Rings of faces from the border of a slit inwards; the last ring of the mouth is closed.
    fn add_rings(&mut self, slit: usize) {
        let Slit { corners, upper, lower } = self.slits[slit].clone();
        let n_rings = if slit == 2 { MOUTH_RINGS } else { 1 };
        // Around the opening as seen from outside: right corner, lower border, left corner, upper border (reversed).
        let mut ring: Vec<(u32, Side)> = vec![(corners[0], Side::None)];
        ring.extend(lower.iter().map(|&v| (v, Side::Lower)));
        ring.push((corners[1], Side::None));
        ring.extend(upper.iter().rev().map(|&v| (v, Side::Upper)));
        let border = ring.clone();
        let border_uvs: Vec<Vec2> = border.iter().map(|&(v, _)| self.slit_uv(v)).collect();
        let center = 0.5 * (border_uvs[0] + border_uvs[lower.len() + 1]);
        let mut uvs: Vec<u32> = border_uvs.iter().map(|&uv| self.push_uv(uv)).collect();
        for k in 1..=n_rings {
            let scale = 1.0 - k as f32 / (n_rings + 1) as f32;
            let next: Vec<(u32, Side)> = border
                .iter()
                .map(|&(v, side)| (self.push(Source::Ring { slit, ring: k, border: v, side }), side))
                .collect();
            let next_uvs: Vec<u32> =
                border_uvs.iter().map(|&uv| self.push_uv(center + scale * (uv - center))).collect();
            let part = if slit == 2 && k > 1 { Part::Mouth } else { Part::Skin };
            for i in 0..ring.len() {
                let j = (i + 1) % ring.len();
                let corners =
                    [(ring[i].0, uvs[i]), (ring[j].0, uvs[j]), (next[j].0, next_uvs[j]), (next[i].0, next_uvs[i])];
                self.push_face(part, &corners);
            }
            (ring, uvs) = (next, next_uvs);
        }
        if slit == 2 {
            self.close_ring(&ring, &uvs, lower.len());
        }
    }

    /// Quads between the lower and the upper half of a ring, a triangle at both ends.
    fn close_ring(&mut self, ring: &[(u32, Side)], uvs: &[u32], n_half: usize) {
        let at = |i: usize| (ring[i].0, uvs[i]);
        let upper = |i: usize| ring.len() - i; // opposite of lower vertex i in 1..=n_half
        self.push_face(Part::Mouth, &[at(0), at(1), at(upper(1))]);
        for i in 1..n_half {
            self.push_face(Part::Mouth, &[at(upper(i)), at(i), at(i + 1), at(upper(i + 1))]);
        }
        self.push_face(Part::Mouth, &[at(upper(n_half)), at(n_half), at(n_half + 1)]);
    }

    /// Texture coordinates of a vertex on the border of a slit.
    fn slit_uv(&self, vertex: u32) -> Vec2 {
        let face = self.faces.iter().position(|face| face.contains(&vertex));
        let corner = face.and_then(|f| self.faces[f].iter().position(|&v| v == vertex).map(|corner| (f, corner)));
        corner.map_or(Vec2::ZERO, |(f, corner)| self.uvs[self.face_uvs[f][corner] as usize])
    }

    fn add_eyes(&mut self) {
        const RINGS: usize = 16;
        const SPOKES: usize = 24;
        for (sign, part, center) in
            [(1.0, Part::EyeLeft, Vec2::new(0.60, 0.10)), (-1.0, Part::EyeRight, Vec2::new(0.40, 0.10))]
        {
            let pupil = self.push(Source::Eye { sign, polar: 0.0, about: 0.0 });
            let pupil_uv = self.push_uv(center);
            let mut inner = vec![(pupil, pupil_uv); SPOKES];
            for ring in 1..=RINGS {
                // Denser in front, open behind; the ring at the equator carries the joint.
                let half = RINGS / 2;
                let polar = match ring.checked_sub(half) {
                    None => 0.5 * PI * ring as f32 / half as f32,
                    Some(behind) => 0.5 * PI + 0.055 * PI * behind as f32,
                };
                let outer: Vec<(u32, u32)> = (0..SPOKES)
                    .map(|spoke| {
                        let about = sign * spoke as f32 / SPOKES as f32 * TAU;
                        let uv = center + 0.085 * polar / PI * Vec2::new(about.sin(), about.cos());
                        (self.push(Source::Eye { sign, polar, about }), self.push_uv(uv))
                    })
                    .collect();
                for a in 0..SPOKES {
                    let b = (a + 1) % SPOKES;
                    let mut corners = vec![inner[a], outer[a], outer[b], inner[b]];
                    if ring == 1 {
                        corners.pop();
                    }
                    if sign > 0.0 {
                        corners.reverse();
                    }
                    self.push_face(part, &corners);
                }
                inner = outer;
            }
        }
    }

    fn add_teeth(&mut self) {
        const ACROSS: usize = 28;
        const ALONG: usize = 5;
        for (row, part, low_u) in [(0, Part::TeethUpper, 0.03), (1, Part::TeethLower, 0.73)] {
            let mut grid = Vec::new();
            for j in 0..=ALONG {
                for i in 0..=ACROSS {
                    let (across, along) = (2.0 * i as f32 / ACROSS as f32 - 1.0, j as f32 / ALONG as f32);
                    let v = if row == 0 { 0.17 - 0.14 * along } else { 0.03 + 0.14 * along };
                    let uv = self.push_uv(Vec2::new(low_u + 0.24 * i as f32 / ACROSS as f32, v));
                    grid.push((self.push(Source::Tooth { row, across, along }), uv));
                }
            }
            for j in 0..ALONG {
                for i in 0..ACROSS {
                    let at = |i: usize, j: usize| grid[j * (ACROSS + 1) + i];
                    let mut corners = [at(i, j), at(i, j + 1), at(i + 1, j + 1), at(i + 1, j)];
                    if row == 1 {
                        corners.reverse();
                    }
                    self.push_face(part, &corners);
                }
            }
        }
    }

    /// Pairs the vertices of the template by reflection at x = 0: of those that coincide, the one on the same side of
    /// a slit.
    fn find_mirror(&self) -> Vec<u32> {
        let positions = self.positions(&Shape::default());
        let side_of = |v: usize| self.side(v) as u32;
        let key = |p: Vec3, side: u32| (p * 1e5).round().as_ivec3().extend(side as i32);
        let mut by_place = std::collections::HashMap::new();
        for (v, p) in positions.iter().enumerate() {
            by_place.insert(key(*p, side_of(v)), v as u32);
        }
        let reflected = |v: usize| {
            let p = positions[v] * Vec3::new(-1.0, 1.0, 1.0);
            let exact = by_place.get(&key(p, side_of(v))).copied();
            exact.unwrap_or_else(|| nearest(&positions, p, |other| side_of(other) == side_of(v)))
        };
        (0..positions.len()).map(reflected).collect()
    }
}

fn nearest(positions: &[Vec3], p: Vec3, keep: impl Fn(usize) -> bool) -> u32 {
    let candidates = (0..positions.len()).filter(|&v| keep(v));
    candidates
        .min_by(|&a, &b| positions[a].distance_squared(p).total_cmp(&positions[b].distance_squared(p)))
        .unwrap_or(0) as u32
}

/// The rows and columns of the skin. `vertices[row][column]` holds the vertex that the faces above and the one that the
/// faces below use: different on a slit, else the same.
struct SkinGrid {
    vertices: Vec<Vec<[u32; 2]>>,
    /// Like `vertices`, with one column more: the seam behind the head.
    uvs: Vec<Vec<[u32; 2]>>,
}

impl SkinGrid {
    fn new(mesh: &mut Mesh, angles: &[f32]) -> SkinGrid {
        let crown = mesh.push(Source::Skin { angle: 0.0, row: 0.0, side: Side::None });
        let mut grid = SkinGrid { vertices: vec![vec![[crown; 2]; COLUMNS]], uvs: vec![Vec::new()] };
        let slits = slit_columns(angles);
        for row in 1..=N_ROWS {
            let is_cut = |column: usize| slits.iter().any(|(r, columns)| *r == row && columns.contains(&column));
            let profile_row = profile_row(row);
            let vertices = (0..COLUMNS).map(|column| {
                let mut vertex = |side| mesh.push(Source::Skin { angle: angles[column], row: profile_row, side });
                if is_cut(column) { [vertex(Side::Upper), vertex(Side::Lower)] } else { [vertex(Side::None); 2] }
            });
            grid.vertices.push(vertices.collect());
            let uvs = (0..=COLUMNS).map(|column| {
                if is_cut(column) {
                    [-1e-3, 1e-3].map(|offset| mesh.push_uv(opened_chart(&slits, column, row as f32 + offset)))
                } else {
                    [mesh.push_uv(opened_chart(&slits, column, row as f32)); 2]
                }
            });
            grid.uvs.push(uvs.collect());
        }
        grid
    }

    /// `(vertex, texture vertex)` for a face below the row (`below` = 1) or above it (0).
    fn corner(&self, row: usize, column: usize, below: usize) -> (u32, u32) {
        (self.vertices[row][column % COLUMNS][below], self.uvs[row][column][below])
    }
}

/// Angles of the columns from −π, denser over the face and the ears; symmetric.
fn column_angles() -> Vec<f32> {
    let density =
        |angle: f64| 1.0 + 2.2 / (1.0 + (angle / 0.62).powi(6)) + 0.9 * (-((angle - 1.72) / 0.22).powi(2)).exp();
    const STEPS: usize = 4096;
    let mut sum = vec![0.0; STEPS + 1];
    for i in 0..STEPS {
        sum[i + 1] = sum[i] + density((i as f64 + 0.5) / STEPS as f64 * std::f64::consts::PI);
    }
    let half: Vec<f32> = (0..=COLUMNS / 2)
        .map(|k| {
            let goal = sum[STEPS] * k as f64 / (COLUMNS / 2) as f64;
            let i = sum.partition_point(|&s| s < goal).clamp(1, STEPS);
            ((i as f64 - (sum[i] - goal) / (sum[i] - sum[i - 1])) / STEPS as f64 * std::f64::consts::PI) as f32
        })
        .collect();
    (0..COLUMNS).map(|c| if c < COLUMNS / 2 { -half[COLUMNS / 2 - c] } else { half[c - COLUMNS / 2] }).collect()
}

/// Rows of the profile: exact at eyes and mouth, denser there.
fn profile_row(row: usize) -> f32 {
    let toward_end = |s: f32| 1.0 - (1.0 - s) * (0.55 + 0.45 * (1.0 - s));
    let from_start = |s: f32| s * (0.55 + 0.45 * s);
    if row <= EYE_ROW {
        skull::EYE_ROW * toward_end(row as f32 / ROWS[0] as f32)
    } else if row <= MOUTH_ROW {
        skull::EYE_ROW + (skull::MOUTH_ROW - skull::EYE_ROW) * (row - EYE_ROW) as f32 / ROWS[1] as f32
    } else {
        let s = from_start((row - MOUTH_ROW) as f32 / ROWS[2] as f32);
        skull::MOUTH_ROW + (skull::LAST_ROW - skull::MOUTH_ROW) * s
    }
}

/// `(row, columns)` of the left eye, the right eye and the mouth, without their corners.
fn slit_columns(angles: &[f32]) -> Vec<(usize, std::ops::Range<usize>)> {
    let run = |row: usize, profile_row: f32, inside: &dyn Fn(f32) -> bool| {
        let x = |c: usize| skull::skin(&Shape::default(), angles[c], profile_row, Side::None);
        let columns: Vec<usize> = (0..COLUMNS).filter(|&c| x(c).z > -0.03 && inside(x(c).x)).collect();
        (row, columns[0]..columns[columns.len() - 1] + 1)
    };
    let eye = |sign: f32| move |x: f32| (sign * x - skull::EYE_X).abs() < skull::LID_HALF_WIDTH * 0.97;
    vec![
        run(EYE_ROW, skull::EYE_ROW, &eye(1.0)),
        run(EYE_ROW, skull::EYE_ROW, &eye(-1.0)),
        run(MOUTH_ROW, skull::MOUTH_ROW, &|x: f32| x.abs() < skull::MOUTH_HALF_WIDTH * 0.97),
    ]
}

/// Texture coordinates at a column and row of the grid.
fn chart(column: f32, row: f32) -> Vec2 {
    let [low, high] = SKIN_CHART;
    Vec2::new(low.x + (high.x - low.x) * column / COLUMNS as f32, high.y + (low.y - high.y) * row / N_ROWS as f32)
}

/// Like [`chart`], with the slits drawn open so that their rings find room inside.
fn opened_chart(slits: &[(usize, std::ops::Range<usize>)], column: usize, row: f32) -> Vec2 {
    let mut opened = row;
    for (slit_row, columns) in slits {
        let (first, last) = (columns.start as f32 - 1.0, columns.end as f32);
        let across = (2.0 * column as f32 - first - last) / (last - first);
        let from_slit = row - *slit_row as f32;
        let opening = 1.8 * (1.0 - across * across).max(0.0).sqrt();
        if from_slit != 0.0 {
            opened += opening * from_slit.signum() * (-from_slit.abs() / 3.0).exp();
        }
    }
    chart(column as f32, opened)
}

/// The lid margin runs from the border of the slit into the eyeball.
fn lid_ring(shape: &Shape, border: Vec3, slit: usize) -> Vec3 {
    let center = skull::eye_center(shape, if slit == 0 { 1.0 } else { -1.0 });
    center + (border - center).normalize_or(Vec3::Z) * (skull::eye_radius(shape) - 0.0004)
}

/// The mouth behind the lips: wide behind the teeth, narrower at the throat.
fn mouth_ring(border: Vec3, ring: usize, side: Side) -> Vec3 {
    const BACK: [f32; MOUTH_RINGS] = [0.0055, 0.0100, 0.0350, 0.0520];
    const HEIGHT: [f32; MOUTH_RINGS] = [0.0012, 0.0115, 0.0140, 0.0070];
    const WIDTH: [f32; MOUTH_RINGS] = [0.98, 1.04, 1.05, 0.70];
    let k = ring - 1;
    let across = (border.x / skull::MOUTH_HALF_WIDTH).clamp(-1.0, 1.0);
    let up = match side {
        Side::Upper => 1.0,
        Side::Lower => -1.0,
        Side::None => 0.0,
    };
    let height = up * HEIGHT[k] * (1.0 - 0.6 * across * across);
    Vec3::new(border.x * WIDTH[k], border.y + height, border.z - BACK[k])
}

/// Sphere with a corneal bulge.
fn eyeball(shape: &Shape, sign: f32, polar: f32, about: f32) -> Vec3 {
    let radius = skull::eye_radius(shape) * (1.0 + 0.05 * skull::ramp(0.62, 0.20, polar));
    let ring = radius * polar.sin();
    skull::eye_center(shape, sign) + Vec3::new(ring * about.sin(), ring * about.cos(), radius * polar.cos())
}

/// An arch of teeth as one ribbon: down the outside, round the edge, up the inside; grooves between teeth.
fn tooth(row: usize, across: f32, along: f32) -> Vec3 {
    let angle = across * 1.35;
    let (outer_x, outer_z) = if row == 0 { (0.0265, 0.0360) } else { (0.0250, 0.0335) };
    let inside = skull::ramp(0.55, 0.75, along) * 0.0055;
    let groove = 0.0004 * (across * 7.0 * PI).cos().powi(8);
    let (x, z) = ((outer_x - inside - groove) * angle.sin(), (outer_z - inside - groove) * angle.cos());
    let down = if along < 0.6 { along / 0.6 } else { (1.0 - along) / 0.4 };
    let y = if row == 0 { skull::MOUTH_Y + 0.0080 - 0.0105 * down } else { skull::MOUTH_Y - 0.0115 + 0.0085 * down };
    Vec3::new(x, y, z - 0.0175)
}
