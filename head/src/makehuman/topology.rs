//! Edges of a closed quad mesh: who is next to whom, and edge loops.
use crate::error::Error;
use std::collections::{BTreeMap, BTreeSet};

/// Adjacency of some quads of a mesh.
pub struct Topology {
    /// Faces at each edge (the smaller vertex first).
    faces_of_edge: BTreeMap<(u32, u32), Vec<usize>>,
    neighbors: BTreeMap<u32, BTreeSet<u32>>,
}

impl Topology {
    /// Of the faces listed, indices into `faces`.
    pub fn new(faces: &[[u32; 4]], listed: &[usize]) -> Topology {
        let mut faces_of_edge: BTreeMap<(u32, u32), Vec<usize>> = BTreeMap::new();
        let mut neighbors: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for &f in listed {
            for (a, b) in edges(&faces[f]) {
                faces_of_edge.entry(edge(a, b)).or_default().push(f);
                neighbors.entry(a).or_default().insert(b);
                neighbors.entry(b).or_default().insert(a);
            }
        }
        Topology { faces_of_edge, neighbors }
    }

    /// The vertices next to one.
    pub fn neighbors(&self, vertex: u32) -> impl Iterator<Item = u32> + '_ {
        self.neighbors.get(&vertex).into_iter().flatten().copied()
    }

    /// Faces on both sides of an edge.
    pub fn faces_of_edge(&self, a: u32, b: u32) -> &[usize] {
        self.faces_of_edge.get(&edge(a, b)).map_or(&[], Vec::as_slice)
    }

    /// The closed edge loop that starts along `a → b` and crosses every vertex straight (four edges, two on either
    /// side).
    ///
    /// # Errors
    /// [`Error::Invalid`] when it meets a vertex of another valence before it closes.
    pub fn closed_loop(&self, a: u32, b: u32) -> Result<Vec<u32>, Error> {
        let mut ring = vec![a, b];
        loop {
            let (before, here) = (ring[ring.len() - 2], ring[ring.len() - 1]);
            let next = self.straight_on(before, here).ok_or_else(|| {
                Error::invalid("mesh", format!("expected a closed edge loop through {a} and {b}, it ends at {here}"))
            })?;
            if next == a {
                return Ok(ring);
            }
            if ring.len() > self.neighbors.len() {
                return Err(Error::invalid("mesh", format!("the edge loop through {a} and {b} never closes")));
            }
            ring.push(next);
        }
    }

    fn straight_on(&self, before: u32, here: u32) -> Option<u32> {
        let around = self.neighbors.get(&here)?;
        let faces = self.faces_of_edge(before, here);
        let shares = |v: u32| self.faces_of_edge(here, v).iter().any(|f| faces.contains(f));
        (around.len() == 4).then(|| around.iter().copied().find(|&v| v != before && !shares(v)))?
    }

    /// All faces that can be reached from `seed` without crossing the ring.
    pub fn flood(&self, faces: &[[u32; 4]], seed: usize, ring: &[u32]) -> BTreeSet<usize> {
        let wall: BTreeSet<(u32, u32)> = (0..ring.len()).map(|i| edge(ring[i], ring[(i + 1) % ring.len()])).collect();
        let mut reached = BTreeSet::from([seed]);
        let mut stack = vec![seed];
        while let Some(f) = stack.pop() {
            for (a, b) in edges(&faces[f]).into_iter().filter(|&(a, b)| !wall.contains(&edge(a, b))) {
                for &other in self.faces_of_edge(a, b) {
                    if reached.insert(other) {
                        stack.push(other);
                    }
                }
            }
        }
        reached
    }
}

fn edge(a: u32, b: u32) -> (u32, u32) {
    (a.min(b), a.max(b))
}

fn edges(face: &[u32; 4]) -> Vec<(u32, u32)> {
    (0..4).map(|i| (face[i], face[(i + 1) % 4])).filter(|(a, b)| a != b).collect()
}
