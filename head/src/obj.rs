//! Wavefront OBJ: the part of it that head assets use.
//!
//! Read: `v`, `vt`, `f` (3 or 4 corners, `v`, `v/vt`, `v//vn`, `v/vt/vn`, negative indices), `g`, `usemtl`.
//! Skipped: comments, normals, smoothing groups, material libraries.
use crate::error::Error;
use glam::{Vec2, Vec3};

/// In `face_uvs`: the face has no texture vertex at this corner.
pub const NO_UV: u32 = u32::MAX;

/// A mesh as the file has it. `V` positions, `T` texture vertices, `F` faces.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Obj {
    /// `[V]` in the file's unit and axes.
    pub positions: Vec<Vec3>,
    /// `[T]`
    pub uvs: Vec<Vec2>,
    /// `[F]` indices into `positions`; a triangle repeats its last index.
    pub faces: Vec<[u32; 4]>,
    /// `[F]` indices into `uvs`, or [`NO_UV`]; a triangle repeats its last index.
    pub face_uvs: Vec<[u32; 4]>,
    /// Names of the `g` groups, in order of first appearance; the first is `""`, faces before any `g`.
    pub groups: Vec<String>,
    /// `[F]` indices into `groups`.
    pub face_groups: Vec<u32>,
    /// Names of the `usemtl` materials, in order of first appearance; the first is `""`.
    pub materials: Vec<String>,
    /// `[F]` indices into `materials`.
    pub face_materials: Vec<u32>,
}

impl Obj {
    /// Index into `groups`.
    pub fn group(&self, name: &str) -> Option<u32> {
        self.groups.iter().position(|group| group == name).map(|i| i as u32)
    }

    /// Indices of the faces of a group, in file order.
    pub fn faces_of_group(&self, name: &str) -> Vec<usize> {
        let Some(group) = self.group(name) else { return Vec::new() };
        (0..self.faces.len()).filter(|&f| self.face_groups[f] == group).collect()
    }

    /// The vertices that the faces of a group touch, ascending, each once.
    pub fn vertices_of_group(&self, name: &str) -> Vec<u32> {
        let mut vertices: Vec<u32> = self.faces_of_group(name).iter().flat_map(|&f| self.faces[f]).collect();
        vertices.sort_unstable();
        vertices.dedup();
        vertices
    }
}

/// Reads a whole mesh.
///
/// # Errors
/// [`Error::Text`] with the line, when a number does not parse or is not finite, when a face has other than 3 or 4
/// corners or points at something that does not exist by the end of the file.
pub fn read(bytes: &[u8]) -> Result<Obj, Error> {
    let mut obj = Obj { groups: vec![String::new()], materials: vec![String::new()], ..Obj::default() };
    let (mut group, mut material) = (0, 0);
    let mut face_lines = Vec::new();
    for (line_idx, line) in bytes.split(|&b| b == b'\n').enumerate() {
        let mut fields = Fields { rest: line };
        let fault = |reason: String| fault(line_idx, reason);
        match fields.next() {
            Some(b"v") => obj.positions.push(Vec3::from_array(fields.numbers().map_err(fault)?)),
            Some(b"vt") => obj.uvs.push(Vec2::from_array(fields.numbers().map_err(fault)?)),
            Some(b"f") => {
                let (face, face_uv) = corners(fields, obj.positions.len(), obj.uvs.len()).map_err(fault)?;
                obj.faces.push(face);
                obj.face_uvs.push(face_uv);
                obj.face_groups.push(group);
                obj.face_materials.push(material);
                face_lines.push(line_idx as u32);
            }
            Some(b"g") => group = name_index(&mut obj.groups, fields.remainder()),
            Some(b"usemtl") => material = name_index(&mut obj.materials, fields.remainder()),
            _ => {}
        }
    }
    for f in 0..obj.faces.len() {
        check_range("position", &obj.faces[f], obj.positions.len(), face_lines[f])?;
        check_range("texture", &obj.face_uvs[f], obj.uvs.len(), face_lines[f])?;
    }
    Ok(obj)
}

/// Reads the positions alone: what a morph target of known topology needs.
///
/// # Errors
/// [`Error::Text`] when a number does not parse or is not finite.
pub fn read_positions(bytes: &[u8]) -> Result<Vec<Vec3>, Error> {
    let mut positions = Vec::new();
    for (line_idx, line) in bytes.split(|&b| b == b'\n').enumerate() {
        if !line.starts_with(b"v ") {
            continue;
        }
        let mut fields = Fields { rest: &line[2..] };
        positions.push(Vec3::from_array(fields.numbers().map_err(|reason| fault(line_idx, reason))?));
    }
    Ok(positions)
}

/// Blank-separated fields of one line.
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn remainder(&self) -> String {
        String::from_utf8_lossy(self.rest.trim_ascii()).into_owned()
    }

    /// The next `N` fields as finite numbers; further fields (colors, a third texture coordinate) are left alone.
    fn numbers<const N: usize>(&mut self) -> Result<[f32; N], String> {
        let mut values = [0.0; N];
        for (i, value) in values.iter_mut().enumerate() {
            let field = self.next().ok_or_else(|| format!("expected {N} numbers, got {i}"))?;
            *value = std::str::from_utf8(field)
                .ok()
                .and_then(|text| text.parse::<f32>().ok())
                .filter(|number| number.is_finite())
                .ok_or_else(|| format!("expected a finite number, got {:?}", String::from_utf8_lossy(field)))?;
        }
        Ok(values)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.rest = self.rest.trim_ascii_start();
        let end = self.rest.iter().position(u8::is_ascii_whitespace).unwrap_or(self.rest.len());
        let (field, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!field.is_empty()).then_some(field)
    }
}

fn corners(fields: Fields, n_positions: usize, n_uvs: usize) -> Result<([u32; 4], [u32; 4]), String> {
    let (mut face, mut face_uv, mut n) = ([0; 4], [NO_UV; 4], 0);
    for field in fields {
        if n == 4 {
            return Err("expected 3 or 4 corners, got more".into());
        }
        let mut parts = field.split(|&b| b == b'/');
        face[n] = corner(parts.next().unwrap_or_default(), n_positions)?;
        if let Some(uv) = parts.next().filter(|uv| !uv.is_empty()) {
            face_uv[n] = corner(uv, n_uvs)?;
        }
        n += 1;
    }
    if n < 3 {
        return Err(format!("expected 3 or 4 corners, got {n}"));
    }
    if n == 3 {
        (face[3], face_uv[3]) = (face[2], face_uv[2]);
    }
    Ok((face, face_uv))
}

/// 0-based index from the file's: counted from 1, or back from the newest when negative.
fn corner(field: &[u8], n_so_far: usize) -> Result<u32, String> {
    let bad = || format!("expected an index, got {:?}", String::from_utf8_lossy(field));
    let index: i64 = std::str::from_utf8(field).ok().and_then(|text| text.parse().ok()).ok_or_else(bad)?;
    let index = if index < 0 { index.checked_add(n_so_far as i64).ok_or_else(bad)? } else { index - 1 };
    u32::try_from(index).ok().filter(|&i| i != NO_UV).ok_or_else(bad)
}

fn check_range(what: &str, indices: &[u32; 4], count: usize, line_idx: u32) -> Result<(), Error> {
    match indices.iter().find(|&&i| i as usize >= count && i != NO_UV) {
        Some(i) => Err(fault(line_idx as usize, format!("{what} {} of {count}", *i as u64 + 1))),
        None => Ok(()),
    }
}

fn name_index(names: &mut Vec<String>, name: String) -> u32 {
    let found = names.iter().position(|other| *other == name).unwrap_or_else(|| {
        names.push(name);
        names.len() - 1
    });
    found as u32
}

fn fault(line_idx: usize, reason: String) -> Error {
    Error::Text { what: "obj".into(), line: line_idx + 1, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_quads_triangles_groups_and_negative_indices() {
        let text =
            b"# two faces\nv 0 0 0\nv 1 0 0\r\nv 1 1 0\nv 0 1 0 0.5\nvt 0 0\nvt 1 0 0\ng body\nf 1/1 2/2 3/1 4/2\n\
                     g helper\nusemtl M\nf -4//7 -3//7 -2//7\n";
        let obj = read(text).expect("valid");
        assert_eq!(obj.positions.len(), 4);
        assert_eq!(obj.faces, [[0, 1, 2, 3], [0, 1, 2, 2]]);
        assert_eq!(obj.face_uvs, [[0, 1, 0, 1], [NO_UV; 4]]);
        assert_eq!(obj.vertices_of_group("helper"), [0, 1, 2]);
        assert_eq!(obj.materials[obj.face_materials[1] as usize], "M");
        assert_eq!(read_positions(text).expect("valid"), obj.positions);
    }

    #[test]
    fn hostile_input_names_the_line() {
        let cases: [(&[u8], &str); 9] = [
            (b"v 0 0\n", "line 1: expected 3 numbers, got 2"),
            (b"\nv 0 x 0\n", "line 2: expected a finite number, got \"x\""),
            (b"v 0 nan 0\n", "line 1: expected a finite number, got \"nan\""),
            (b"v 0 1e99 0\n", "line 1: expected a finite number, got \"1e99\""),
            (b"v 0 0 0\nf 1 1\n", "line 2: expected 3 or 4 corners, got 2"),
            (b"v 0 0 0\nf 1 1 1 1 1\n", "line 2: expected 3 or 4 corners, got more"),
            (b"v 0 0 0\nf 1 1 2\n", "line 2: position 2 of 1"),
            (b"v 0 0 0\nf 1 1 0\n", "line 2: expected an index, got \"0\""),
            (b"v 0 0 0\nf 1/5 1/1 1/1\n", "line 2: texture 5 of 0"),
        ];
        for (text, expected) in cases {
            let message = read(text).expect_err(expected).to_string();
            assert_eq!(message, format!("obj, {expected}"));
        }
        for text in [
            &b"f -9223372036854775808 1 1"[..],
            b"f 99999999999999999999 1 1",
            b"f 4294967296 1 1",
            b"v \xff\xfe 0 0",
            b"f / / /",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn damaged_text_never_panics_and_never_dangles() {
        use rand::{RngExt, SeedableRng};
        let text = b"v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 1 1\ng a\nf 1/1 2/2 3/3 4/1\nf -1/-1 -2/-2 -3/-3\n";
        let letters = b"0123456789-+.eE/ \n\tvtfg\xff\x00nai";
        let mut n_accepted = 0;
        for seed in 0..4000 {
            let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
            let mut damaged = text.to_vec();
            for _ in 0..rng.random_range(1..5) {
                let at = rng.random_range(0..damaged.len());
                damaged[at] = letters[rng.random_range(0..letters.len())];
            }
            damaged.truncate(rng.random_range(damaged.len() / 2..damaged.len() + 1));
            if let Ok(obj) = read(&damaged) {
                n_accepted += 1;
                assert!(obj.positions.iter().all(|p| p.is_finite()), "seed {seed}");
                assert!(obj.faces.iter().flatten().all(|&v| (v as usize) < obj.positions.len()), "seed {seed}");
                let in_range = |&t: &u32| t == NO_UV || (t as usize) < obj.uvs.len();
                assert!(obj.face_uvs.iter().flatten().all(in_range), "seed {seed}");
            }
        }
        assert!((200..3800).contains(&n_accepted), "{n_accepted} of 4000 damaged files still parse");
    }
}
