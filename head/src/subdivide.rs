//! Catmull–Clark subdivision with fixed stencils: built once per topology, applied to every pose.
//!
//! Rules: Catmull & Clark 1978, "Recursively generated B-spline surfaces on arbitrary topological meshes". Border and
//! non-manifold edges are creases: new points of a crease follow the cubic B-spline through its points (1/8, 3/4, 1/8),
//! so open loops stay smooth curves; a vertex where more than two creases meet stays. Texture coordinates are
//! interpolated linearly in their own topology, so seams stay seams.
use glam::{Vec2, Vec3};
use std::collections::HashMap;
use std::ops::{Add, Mul};

/// A refined topology and the weights that carry vertex data onto it. `V`, `F`, `T`: vertices, faces, texture vertices
/// before; primed after all levels.
#[derive(Clone, Debug)]
pub struct Subdivision {
    /// `[F']` quads; a vertex of the coarse mesh keeps its index.
    pub faces: Vec<[u32; 4]>,
    /// `[T']`
    pub uvs: Vec<Vec2>,
    /// `[F']` indices into `uvs`.
    pub face_uvs: Vec<[u32; 4]>,
    /// `[F']` the coarse face that each lies in.
    pub parent: Vec<u32>,
    /// `V`
    pub n_coarse: usize,
    levels: Vec<Stencils>,
}

impl Subdivision {
    /// Refines `levels` times. `faces` and `face_uvs` are `[F]` quads (a triangle repeats its last index),
    /// `n_vertices` is `V`, `uvs` is `[T]`. With zero levels everything stays as it is.
    pub fn new(faces: &[[u32; 4]], face_uvs: &[[u32; 4]], n_vertices: usize, uvs: &[Vec2], levels: usize) -> Self {
        assert_eq!(faces.len(), face_uvs.len(), "one row of texture indices per face");
        let mut out = Subdivision {
            faces: faces.to_vec(),
            uvs: uvs.to_vec(),
            face_uvs: face_uvs.to_vec(),
            parent: (0..faces.len() as u32).collect(),
            n_coarse: n_vertices,
            levels: Vec::new(),
        };
        let mut n_vertices = n_vertices;
        for _ in 0..levels {
            let edges = Edges::new(&out.faces, &out.faces);
            let stencils = Stencils::catmull_clark(&out.faces, &edges, n_vertices);
            let parents = out.faces.iter().zip(&out.parent);
            out.parent = parents.flat_map(|(face, &parent)| std::iter::repeat_n(parent, n_corners(face))).collect();
            let uv_edges = Edges::new(&out.face_uvs, &out.faces);
            (out.uvs, out.face_uvs) = refine_uvs(&out.uvs, &out.face_uvs, &out.faces, &uv_edges);
            out.faces = refine_faces(&out.faces, &out.faces, &edges, n_vertices);
            n_vertices = stencils.len();
            out.levels.push(stencils);
        }
        out
    }

    /// `V'`
    pub fn n_vertices(&self) -> usize {
        self.levels.last().map_or(self.n_coarse, Stencils::len)
    }

    /// `[V']` refined positions (or any vector per vertex) from `[V]`.
    pub fn apply(&self, positions: &[Vec3]) -> Vec<Vec3> {
        self.carry(positions)
    }

    /// `[V']` refined numbers per vertex (masks, weights) from `[V]`. All weights of the stencils are positive and sum
    /// to one, so values stay in range.
    pub fn apply_scalars(&self, values: &[f32]) -> Vec<f32> {
        self.carry(values)
    }

    fn carry<T: Copy + Default + Add<Output = T> + Mul<f32, Output = T>>(&self, values: &[T]) -> Vec<T> {
        assert_eq!(values.len(), self.n_coarse, "one value per coarse vertex");
        let Some((first, rest)) = self.levels.split_first() else { return values.to_vec() };
        rest.iter().fold(first.apply(values), |values, level| level.apply(&values))
    }
}

/// Rows of weights over the vertices of the level before, one row per new vertex: first the old vertices, then one per
/// edge, then one per face.
#[derive(Clone, Debug)]
struct Stencils {
    /// `[V' + 1]`
    start: Vec<u32>,
    sources: Vec<u32>,
    weights: Vec<f32>,
}

impl Stencils {
    fn len(&self) -> usize {
        self.start.len() - 1
    }

    fn apply<T: Copy + Default + Add<Output = T> + Mul<f32, Output = T>>(&self, values: &[T]) -> Vec<T> {
        let row = |range: &[u32]| {
            let range = range[0] as usize..range[1] as usize;
            let terms = self.sources[range.clone()].iter().zip(&self.weights[range]);
            terms.fold(T::default(), |sum, (&source, &weight)| sum + values[source as usize] * weight)
        };
        self.start.windows(2).map(row).collect()
    }

    fn catmull_clark(faces: &[[u32; 4]], edges: &Edges, n_vertices: usize) -> Stencils {
        let around = Around::new(faces, edges, n_vertices);
        let mut out = Stencils { start: vec![0], sources: Vec::new(), weights: Vec::new() };
        let mut row = Vec::new();
        for v in 0..n_vertices {
            around.vertex_rule(v as u32, faces, edges, &mut row);
            out.push(&mut row);
        }
        for edge in &edges.list {
            edge_rule(edge, faces, &mut row);
            out.push(&mut row);
        }
        for face in faces {
            face_rule(face, 1.0, &mut row);
            out.push(&mut row);
        }
        out
    }

    /// Appends a row: sums the weights of equal sources, in order of the sources.
    fn push(&mut self, row: &mut Vec<(u32, f32)>) {
        row.sort_by_key(|&(source, _)| source);
        for (source, weight) in row.drain(..) {
            let begin = *self.start.last().unwrap_or(&0) as usize;
            if self.sources.len() > begin && self.sources.last() == Some(&source) {
                let last = self.weights.len() - 1;
                self.weights[last] += weight;
            } else {
                self.sources.push(source);
                self.weights.push(weight);
            }
        }
        self.start.push(self.sources.len() as u32);
    }
}

fn n_corners(face: &[u32; 4]) -> usize {
    if face[2] == face[3] { 3 } else { 4 }
}

/// An undirected edge and the faces on it.
struct Edge {
    ends: [u32; 2],
    faces: Vec<u32>,
}

impl Edge {
    /// Border, or more than two faces.
    fn is_crease(&self) -> bool {
        self.faces.len() != 2
    }
}

/// The edges of a mesh in order of first appearance.
struct Edges {
    list: Vec<Edge>,
    index: HashMap<[u32; 2], u32>,
}

impl Edges {
    /// Of `rows` of indices (vertices or texture vertices); `shape` says which faces are triangles.
    fn new(rows: &[[u32; 4]], shape: &[[u32; 4]]) -> Edges {
        let mut edges = Edges { list: Vec::new(), index: HashMap::with_capacity(2 * rows.len()) };
        for (f, row) in rows.iter().enumerate() {
            let n = n_corners(&shape[f]);
            for corner in 0..n {
                let ends = [row[corner], row[(corner + 1) % n]];
                let next = edges.list.len() as u32;
                let e = *edges.index.entry(key(ends)).or_insert(next);
                if e == next {
                    edges.list.push(Edge { ends, faces: Vec::with_capacity(2) });
                }
                edges.list[e as usize].faces.push(f as u32);
            }
        }
        edges
    }

    fn between(&self, a: u32, b: u32) -> u32 {
        self.index[&key([a, b])]
    }
}

fn key([a, b]: [u32; 2]) -> [u32; 2] {
    [a.min(b), a.max(b)]
}

/// Faces and edges around every vertex.
struct Around {
    faces: Vec<Vec<u32>>,
    edges: Vec<Vec<u32>>,
}

impl Around {
    fn new(faces: &[[u32; 4]], edges: &Edges, n_vertices: usize) -> Around {
        let mut around = Around { faces: vec![Vec::new(); n_vertices], edges: vec![Vec::new(); n_vertices] };
        for (f, face) in faces.iter().enumerate() {
            face[..n_corners(face)].iter().for_each(|&v| around.faces[v as usize].push(f as u32));
        }
        for (e, edge) in edges.list.iter().enumerate() {
            edge.ends.iter().for_each(|&v| around.edges[v as usize].push(e as u32));
        }
        around
    }

    /// Inside: `(F + 2E + (n − 3) v) / n`, with `F` the mean of the face points and `E` of the edge midpoints around.
    fn vertex_rule(&self, v: u32, faces: &[[u32; 4]], edges: &Edges, row: &mut Vec<(u32, f32)>) {
        let around = &self.edges[v as usize];
        let creases: Vec<&Edge> = around.iter().map(|&e| &edges.list[e as usize]).filter(|e| e.is_crease()).collect();
        if around.is_empty() || creases.len() > 2 || creases.len() == 1 {
            row.push((v, 1.0));
        } else if creases.len() == 2 {
            row.push((v, 0.75));
            row.extend(creases.iter().map(|edge| (other_end(edge, v), 0.125)));
        } else {
            let n = around.len() as f32;
            let n_faces = self.faces[v as usize].len() as f32;
            row.push((v, (n - 3.0) / n));
            for &e in around {
                row.extend(edges.list[e as usize].ends.map(|end| (end, 1.0 / (n * n))));
            }
            self.faces[v as usize].iter().for_each(|&f| face_rule(&faces[f as usize], 1.0 / (n * n_faces), row));
        }
    }
}

fn other_end(edge: &Edge, v: u32) -> u32 {
    if edge.ends[0] == v { edge.ends[1] } else { edge.ends[0] }
}

/// Inside: the mean of both ends and both face points; on a crease: the midpoint.
fn edge_rule(edge: &Edge, faces: &[[u32; 4]], row: &mut Vec<(u32, f32)>) {
    let of_ends = if edge.is_crease() { 0.5 } else { 0.25 };
    row.extend(edge.ends.map(|end| (end, of_ends)));
    if !edge.is_crease() {
        edge.faces.iter().for_each(|&f| face_rule(&faces[f as usize], 0.25, row));
    }
}

fn face_rule(face: &[u32; 4], share: f32, row: &mut Vec<(u32, f32)>) {
    let n = n_corners(face);
    row.extend(face[..n].iter().map(|&v| (v, share / n as f32)));
}

/// New quads, one per corner: corner, edge ahead, center, edge behind. `shape` says which faces are triangles
/// (texture rows may repeat an index where the face does not).
fn refine_faces(rows: &[[u32; 4]], shape: &[[u32; 4]], edges: &Edges, n_old: usize) -> Vec<[u32; 4]> {
    let (first_edge, first_center) = (n_old as u32, (n_old + edges.list.len()) as u32);
    let mut out = Vec::with_capacity(4 * rows.len());
    for (f, row) in rows.iter().enumerate() {
        let n = n_corners(&shape[f]);
        for corner in 0..n {
            let (here, ahead, behind) = (row[corner], row[(corner + 1) % n], row[(corner + n - 1) % n]);
            let edge = |a, b| first_edge + edges.between(a, b);
            out.push([here, edge(here, ahead), first_center + f as u32, edge(behind, here)]);
        }
    }
    out
}

fn refine_uvs(uvs: &[Vec2], face_uvs: &[[u32; 4]], faces: &[[u32; 4]], edges: &Edges) -> (Vec<Vec2>, Vec<[u32; 4]>) {
    let mut refined = uvs.to_vec();
    refined.extend(edges.list.iter().map(|edge| 0.5 * (uvs[edge.ends[0] as usize] + uvs[edge.ends[1] as usize])));
    for (row, face) in face_uvs.iter().zip(faces) {
        let n = n_corners(face);
        refined.push(row[..n].iter().map(|&t| uvs[t as usize]).sum::<Vec2>() / n as f32);
    }
    (refined, refine_faces(face_uvs, faces, edges, uvs.len()))
}
