//! Nearest points on a triangle mesh: a bounding volume hierarchy over its triangles.
use crate::surface::nearest_in_triangle;
use glam::Vec3;

/// Triangles in a leaf, at most.
const LEAF: usize = 6;

/// A mesh that is asked for nearest points. Any unit.
#[derive(Clone, Debug)]
pub struct SurfaceTree {
    /// `[T]` corners, in the order of the leaves.
    corners: Vec<[Vec3; 3]>,
    /// `[T]` number of the triangle in the list it was built from.
    numbers: Vec<u32>,
    nodes: Vec<Node>,
}

/// Where on the mesh.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nearest {
    /// Index into the triangles.
    pub triangle: usize,
    /// Barycentric coordinates of the point in it.
    pub weights: [f32; 3],
    /// The point.
    pub point: Vec3,
    /// Distance to the query.
    pub distance: f32,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    low: Vec3,
    high: Vec3,
    /// Leaf: its first triangle; else its second child (the first one follows the node).
    at: u32,
    /// Triangles of a leaf, or 0.
    count: u32,
}

impl Node {
    fn distance2(&self, p: Vec3) -> f32 {
        (p.clamp(self.low, self.high) - p).length_squared()
    }
}

impl SurfaceTree {
    /// Over `triangles` `[T]` of `positions` `[V]`.
    pub fn new(positions: &[Vec3], triangles: &[[u32; 3]]) -> SurfaceTree {
        let mut order: Vec<u32> = (0..triangles.len() as u32).collect();
        let all: Vec<[Vec3; 3]> = triangles.iter().map(|t| t.map(|v| positions[v as usize])).collect();
        let mut nodes = Vec::new();
        if !order.is_empty() {
            split(&mut nodes, &all, &mut order, 0);
        }
        SurfaceTree { corners: order.iter().map(|&t| all[t as usize]).collect(), numbers: order, nodes }
    }

    /// The point nearest to `query`, if one lies within `reach`.
    pub fn nearest(&self, query: Vec3, reach: f32) -> Option<Nearest> {
        let mut best: Option<Nearest> = None;
        let mut least2 = reach * reach;
        let mut stack = vec![0u32];
        while let Some(n) = stack.pop() {
            let Some(node) = self.nodes.get(n as usize) else { continue };
            if node.distance2(query) >= least2 {
                continue;
            }
            if node.count == 0 {
                let (first, second) = (n + 1, node.at);
                let nearer = |n: u32| self.nodes[n as usize].distance2(query);
                let ordered = if nearer(first) < nearer(second) { [second, first] } else { [first, second] };
                stack.extend(ordered);
                continue;
            }
            for t in node.at as usize..(node.at + node.count) as usize {
                let weights = nearest_in_triangle(query, self.corners[t]);
                let point: Vec3 = (0..3).map(|i| weights[i] * self.corners[t][i]).sum();
                let distance2 = point.distance_squared(query);
                if distance2 < least2 {
                    least2 = distance2;
                    let triangle = self.numbers[t] as usize;
                    best = Some(Nearest { triangle, weights, point, distance: distance2.sqrt() });
                }
            }
        }
        best
    }
}

/// Appends the node over `order` and those below it; `first` is the place of `order` in the whole.
fn split(nodes: &mut Vec<Node>, all: &[[Vec3; 3]], order: &mut [u32], first: usize) {
    let corners = || order.iter().flat_map(|&t| all[t as usize]);
    let low = corners().fold(Vec3::INFINITY, Vec3::min);
    let high = corners().fold(Vec3::NEG_INFINITY, Vec3::max);
    let here = nodes.len();
    nodes.push(Node { low, high, at: first as u32, count: order.len() as u32 });
    if order.len() <= LEAF {
        return;
    }
    let size = high - low;
    let axis = if size.x >= size.y && size.x >= size.z { 0 } else { usize::from(size.z > size.y) + 1 };
    let middle = |t: u32| all[t as usize].iter().map(|p| p[axis]).sum::<f32>();
    let half = order.len() / 2;
    order.select_nth_unstable_by(half, |&a, &b| middle(a).total_cmp(&middle(b)).then(a.cmp(&b)));
    let (left, right) = order.split_at_mut(half);
    split(nodes, all, left, first);
    (nodes[here].at, nodes[here].count) = (nodes.len() as u32, 0);
    split(nodes, all, right, first + half);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analytic;
    use crate::normals::triangles;
    use crate::surface::nearest_point;

    #[test]
    fn it_finds_what_trying_every_triangle_finds() {
        let model = analytic::head();
        let tree = SurfaceTree::new(&model.template, &triangles(&model.faces).indices);
        for i in 0..60 {
            let a = i as f32;
            let query = 0.15 * Vec3::new((1.3 * a).sin(), (0.7 * a).cos(), (2.1 * a).sin());
            let found = tree.nearest(query, 1.0).expect("something is within a meter");
            let slow = nearest_point(&model.faces, &model.template, query, |_| true).expect("a face");
            let least = slow.at(&model.faces, &model.template).distance(query);
            assert!((found.distance - least).abs() < 1e-6, "{} {least}", found.distance);
            assert!(found.point.distance(query) - found.distance < 1e-6);
            assert!(tree.nearest(query, 0.99 * least).is_none());
        }
    }
}
