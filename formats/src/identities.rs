//! The table `identities`: columns of [`IdentityRow`].
use crate::columns::{self, Columns, Complaint};
use crate::identity::{IdentityRow, UvMap};
use crate::table::{Row, check_array, check_optional};
use crate::{image, schema};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, SchemaRef};

impl Row for IdentityRow {
    const TABLE: &'static str = "identities";
    const VERSION: u32 = crate::frame::SCHEMA_VERSION;
    const SORTED_BY: &'static [&'static str] = &["identity_id"];

    fn fields(&self) -> Vec<Field> {
        use DataType::{Float32, UInt32, UInt64, Utf8};
        let mut fields = vec![
            schema::scalar("identity_id", UInt32, "0..n", ""),
            schema::scalar("split", Utf8, "train, val or test", ""),
            schema::scalar("seed", UInt64, "everything about the person is drawn from it", ""),
        ];
        if !self.shape.is_empty() {
            let what = "coefficients of the head model's identity basis";
            fields.push(schema::array("shape", &[self.shape.len()], what, ""));
        }
        fields.extend([
            schema::scalar("age", Float32, "age", "years"),
            schema::scalar("sex", Float32, "0 female … 1 male", "0..1"),
            schema::array("ancestry", &[3], "weights of the african, asian and caucasian axis, sum 1", "0..1"),
            schema::scalar("skin_tone", Utf8, "skin tone class I … VI (Fitzpatrick)", ""),
            schema::scalar("hair_style", Utf8, "name of the hair style", ""),
            schema::scalar("parameters", Utf8, "every other drawn parameter (JSON)", ""),
        ]);
        if self.albedo.is_some() {
            fields.push(schema::image("albedo", "UV albedo of the bare skin, sRGB", ""));
        }
        if self.appearance.is_some() {
            let what = "what the head shows from outside, unlit: skin, and hair and cloth before it; UV image, sRGB";
            fields.push(schema::image("appearance", what, ""));
        }
        if let Some(map) = &self.position {
            let shape = [map.height as usize, map.width as usize, 3];
            let what = "UV position map of the neutral head, little-endian; rows top to bottom, v from 1 to 0";
            fields.push(schema::binary("position", shape.iter().product::<usize>() * 4, &shape, "float32", what, "m"));
        }
        fields
    }

    fn key(&self) -> [u64; 4] {
        [self.identity_id.into(), 0, 0, 0]
    }

    fn wide_bytes(&self) -> usize {
        let bytes = |image: &Option<Vec<u8>>| image.as_ref().map_or(0, Vec::len);
        bytes(&self.albedo) + bytes(&self.appearance) + self.position.as_ref().map_or(0, |m| m.values.len() * 4)
    }

    fn check(&self, schema: &SchemaRef) -> Result<(), Complaint> {
        check_optional(schema, "albedo", self.albedo.is_some())?;
        check_optional(schema, "appearance", self.appearance.is_some())?;
        check_optional(schema, "position", self.position.is_some())?;
        if let Some(map) = &self.position {
            let (found, expected) = (map.values.len(), map.height as usize * map.width as usize * 3);
            let column = schema.field_with_name("position").map_err(|e| e.to_string())?;
            if found != expected || position_shape(column)? != [map.height, map.width] {
                return Err(format!(
                    "position: {} x {} with {found} values, the column is {}",
                    map.height,
                    map.width,
                    column.data_type()
                ));
            }
        }
        check_array(schema, "shape", self.shape.len())
    }

    fn batch(rows: &[Self], schema: &SchemaRef) -> Result<RecordBatch, Complaint> {
        let columns: Result<Vec<ArrayRef>, Complaint> =
            schema.fields().iter().map(|field| column(rows, field)).collect();
        RecordBatch::try_new(schema.clone(), columns?).map_err(|e| e.to_string())
    }

    fn rows(batch: &RecordBatch) -> Result<Vec<Self>, Complaint> {
        rows_of(&Columns(batch))
    }
}

fn column(rows: &[IdentityRow], field: &Field) -> Result<ArrayRef, Complaint> {
    let text = |of: fn(&IdentityRow) -> &String| columns::of_text(rows.iter().map(move |r| of(r).as_str()));
    Ok(match field.name().as_str() {
        "identity_id" => columns::of_u32(rows.iter().map(|r| r.identity_id)),
        "split" => text(|r| &r.split),
        "seed" => columns::of_u64(rows.iter().map(|r| r.seed)),
        "shape" => columns::of_array(field, rows.iter().flat_map(|r| &r.shape).copied().collect())?,
        "age" => columns::of_f32(rows.iter().map(|r| r.age)),
        "sex" => columns::of_f32(rows.iter().map(|r| r.sex)),
        "ancestry" => columns::of_array(field, rows.iter().flat_map(|r| r.ancestry).collect())?,
        "skin_tone" => text(|r| &r.skin_tone),
        "hair_style" => text(|r| &r.hair_style),
        "parameters" => text(|r| &r.parameters),
        "albedo" => of_maps(rows, "albedo", |r| r.albedo.as_deref()),
        "appearance" => of_maps(rows, "appearance", |r| r.appearance.as_deref()),
        "position" => {
            let DataType::FixedSizeBinary(size) = field.data_type() else { return Err("position: not binary".into()) };
            let bytes = |map: &UvMap| -> Vec<u8> { map.values.iter().flat_map(|v| v.to_le_bytes()).collect() };
            let maps: Vec<Option<Vec<u8>>> = rows.iter().map(|r| r.position.as_ref().map(bytes)).collect();
            columns::of_binary(*size as usize, maps.iter().map(|m| m.as_deref()))?
        }
        other => return Err(format!("no such column: {other:?}")),
    })
}

fn of_maps(rows: &[IdentityRow], name: &str, map: fn(&IdentityRow) -> Option<&[u8]>) -> arrow::array::ArrayRef {
    let path =
        |r: &IdentityRow| format!("{:06}-{name}.{}", r.identity_id, image::extension_of(map(r).unwrap_or_default()));
    columns::of_images(rows.iter().map(map), rows.iter().map(path))
}

fn rows_of(batch: &Columns) -> Result<Vec<IdentityRow>, Complaint> {
    let mut rows = vec![IdentityRow::default(); batch.0.num_rows()];
    macro_rules! fill {
        ($($target:ident: $values:expr),* $(,)?) => {$(
            for (row, value) in rows.iter_mut().zip($values?) {
                row.$target = value;
            }
        )*};
    }
    fill! {
        identity_id: batch.u32("identity_id"),
        split: batch.text("split"),
        seed: batch.u64("seed"),
        age: batch.f32("age"),
        sex: batch.f32("sex"),
        skin_tone: batch.text("skin_tone"),
        hair_style: batch.text("hair_style"),
        parameters: batch.text("parameters"),
        albedo: batch.images("albedo"),
        appearance: batch.images("appearance"),
    }
    for (row, value) in rows.iter_mut().zip(batch.array_or_empty::<1>("shape")?) {
        row.shape = value.into_flattened();
    }
    for (row, [value]) in rows.iter_mut().zip(batch.array::<3, 1>("ancestry")?) {
        row.ancestry = value;
    }
    if let Ok(field) = batch.0.schema().field_with_name("position") {
        let [height, width] = position_shape(field)?;
        for (row, bytes) in rows.iter_mut().zip(batch.binary("position")?) {
            row.position = bytes.map(|b| {
                let values = b.chunks_exact(4).map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]])).collect();
                UvMap { height, width, values }
            });
        }
    }
    Ok(rows)
}

/// Rows and columns of the position map, from the field's metadata.
fn position_shape(field: &Field) -> Result<[u32; 2], Complaint> {
    let text = field.metadata().get("shape").map(|s| s.to_string()).unwrap_or_default();
    let shape: Vec<u32> = serde_json::from_str(&text).unwrap_or_default();
    match shape[..] {
        [height, width, 3] if matches!(field.data_type(), DataType::FixedSizeBinary(n) if *n as u64 == height as u64 * width as u64 * 12) => {
            Ok([height, width])
        }
        _ => Err(format!(
            "column \"position\" has shape {text:?} and type {}, expected [H, W, 3] floats",
            field.data_type()
        )),
    }
}
