//! `.target` files: lines of a base vertex and its displacement.
use super::wheel::Wheel;
use crate::error::Error;
use glam::Vec3;

/// Reads one target as a dense field over the `n` base vertices (units of the file).
///
/// # Errors
/// [`Error::Text`] with the line when it is not `index x y z`, finite, in range.
pub fn read(wheel: &mut Wheel, name: &str, n: usize) -> Result<Vec<Vec3>, Error> {
    let bytes = wheel.bytes(name)?;
    parse(&bytes, name, n)
}

fn parse(bytes: &[u8], name: &str, n: usize) -> Result<Vec<Vec3>, Error> {
    let mut field = vec![Vec3::ZERO; n];
    let text = std::str::from_utf8(bytes).map_err(|e| Error::invalid(name, e.to_string()))?;
    for (line_idx, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (vertex, displacement) = parse_line(line, n).ok_or_else(|| Error::Text {
            what: name.into(),
            line: line_idx + 1,
            reason: format!("expected a vertex below {n} and three finite numbers, got {line:?}"),
        })?;
        field[vertex] = displacement;
    }
    Ok(field)
}

fn parse_line(line: &str, n: usize) -> Option<(usize, Vec3)> {
    let mut fields = line.split_whitespace();
    let vertex = fields.next()?.parse::<usize>().ok().filter(|&v| v < n)?;
    let mut number = || fields.next()?.parse::<f32>().ok().filter(|x| x.is_finite());
    let displacement = Vec3::new(number()?, number()?, number()?);
    fields.next().is_none().then_some((vertex, displacement))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_field_and_names_the_bad_line() {
        let field = parse(b"# basis\n1 .5 -1e-2 0\r\n\n", "t", 3).expect("valid");
        assert_eq!(field, [Vec3::ZERO, Vec3::new(0.5, -0.01, 0.0), Vec3::ZERO]);
        for bad in ["3 0 0 0", "0 0 0", "0 0 0 nan", "0 0 0 0 0", "-1 0 0 0", "x"] {
            let message = parse(format!("\n{bad}").as_bytes(), "t", 3).expect_err(bad).to_string();
            assert!(message.starts_with("t, line 2: expected a vertex below 3"), "{message}");
        }
    }
}
