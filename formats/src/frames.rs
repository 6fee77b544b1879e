//! The table `frames`: columns of [`FrameRow`].
use crate::columns::{self, Columns, Complaint};
use crate::frame::{FrameRow, SCHEMA_VERSION};
use crate::segmentation;
use crate::table::{Row, check_array, check_optional};
use crate::{digest, image, schema};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, SchemaRef};

impl Row for FrameRow {
    const TABLE: &'static str = "frames";
    const VERSION: u32 = SCHEMA_VERSION;
    const SORTED_BY: &'static [&'static str] = &["identity_id", "expression_id", "camera_id", "light_id"];

    fn fields(&self) -> Vec<Field> {
        let mut fields = id_fields();
        fields.extend(self.image_fields());
        fields.extend(self.label_fields());
        fields
    }

    fn key(&self) -> [u64; 4] {
        [self.identity_id, self.expression_id, self.camera_id, self.light_id].map(u64::from)
    }

    fn wide_bytes(&self) -> usize {
        self.image.len() + self.maps().iter().map(|(_, bytes)| bytes.map_or(0, <[u8]>::len)).sum::<usize>()
    }

    fn check(&self, schema: &SchemaRef) -> Result<(), Complaint> {
        if self.image.is_empty() {
            return Err("image: empty, expected an encoded image".into());
        }
        for (name, bytes) in self.maps() {
            check_optional(schema, name, bytes.is_some())?;
        }
        if self.frame_time.is_some() != schema.field_with_name("frame_time").is_ok() {
            return Err("frame_time: some rows of the file have one, others have none".into());
        }
        check_array(schema, "landmarks_2d", self.landmarks_2d.len())?;
        check_array(schema, "landmarks_3d", self.landmarks_3d.len())?;
        check_array(schema, "landmark_visible", self.landmark_visible.len())?;
        check_array(schema, "landmark_spread", self.landmark_spread.len())?;
        check_array(schema, "expression_spread", self.expression_spread.len())?;
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

impl FrameRow {
    /// The optional maps by column name.
    pub fn maps(&self) -> [(&'static str, Option<&[u8]>); 8] {
        [
            ("alpha", self.alpha.as_deref()),
            ("valid", self.valid.as_deref()),
            ("segmentation", self.segmentation.as_deref()),
            ("depth", self.depth.as_deref()),
            ("normal", self.normal.as_deref()),
            ("uv", self.uv.as_deref()),
            ("albedo", self.albedo.as_deref()),
            ("position", self.position.as_deref()),
        ]
    }

    fn image_fields(&self) -> Vec<Field> {
        let mut fields = vec![schema::image("image", "RGB, straight (not premultiplied) sRGB", "")];
        if self.alpha.is_some() {
            fields.push(schema::image("alpha", "coverage of the head, hair included; 8-bit grey", "1/255"));
        }
        if self.valid.is_some() {
            let what = "255 where the photo covers the frame, 0 beyond its edge; 8-bit gray";
            fields.push(schema::image("valid", what, "1/255"));
        }
        if self.segmentation.is_some() {
            let mut field = schema::image("segmentation", "class of each pixel; 8-bit grey", "class id");
            let classes = serde_json::to_string(&segmentation::NAMES).unwrap_or_default();
            field.metadata_mut().insert("classes".to_string(), classes);
            fields.push(field);
        }
        if self.depth.is_some() {
            let what = "depth along the camera's z axis; 16-bit grey, 0 where nothing is hit";
            fields.push(schema::image("depth", what, "0.1 mm"));
        }
        if self.normal.is_some() {
            let what = "unit normal in world space as (n + 1) / 2; RGB, 0 0 0 where nothing is hit";
            fields.push(schema::image("normal", what, ""));
        }
        if self.uv.is_some() {
            let what = "u, v and part id of the first hit; 16-bit RGB, 0 where nothing is hit";
            fields.push(schema::image("uv", what, "1/65535 (u, v), id (part)"));
        }
        if self.albedo.is_some() {
            let what = "colour of what is hit, without light; RGB, straight sRGB, 0 0 0 where nothing is hit";
            fields.push(schema::image("albedo", what, ""));
        }
        if self.position.is_some() {
            let what = "world position of the first hit as (p + 1) / 2; 16-bit RGB, 0 0 0 where nothing is hit";
            fields.push(schema::image("position", what, "2/65535 m, less 1 m"));
        }
        fields.push(schema::scalar("image_sha256", DataType::FixedSizeBinary(32), "SHA-256 of image.bytes", ""));
        fields
    }

    fn label_fields(&self) -> Vec<Field> {
        let mut expression = schema::array("expression", &[52], "ARKit units, order in the field metadata", "0..1");
        let names = serde_json::to_string(&head::model::ARKIT[..]).unwrap_or_default();
        expression.metadata_mut().insert("names".to_string(), names);
        let mut fields = vec![
            expression,
            schema::array(
                "pose",
                &[5, 3],
                "axis-angle of neck, head, jaw, left eye, right eye in the parent joint",
                "rad",
            ),
            schema::array(
                "camera_from_world",
                &[4, 4],
                "rigid transform, row-major; camera x right, y down, z forward",
                "m",
            ),
            schema::array("intrinsics", &[3, 3], "[[fx, 0, cx], [0, fy, cy], [0, 0, 1]], row-major", "px"),
            schema::array("gaze", &[2, 3], "unit gaze directions in world space: left, right eye of the person", ""),
        ];
        let mut landmarks = |name: &str, n: usize, inner: &[usize], what: &str, unit: &str| {
            if n > 0 {
                fields.push(schema::array(name, &[&[n], inner].concat(), what, unit));
            }
        };
        let which = "68 iBUG landmarks, then dense ones";
        landmarks(
            "landmarks_2d",
            self.landmarks_2d.len(),
            &[2],
            &format!("{which}; x right, y down, pixel centres at +0.5"),
            "px",
        );
        landmarks("landmarks_3d", self.landmarks_3d.len(), &[3], &format!("{which}; world space"), "m");
        landmarks(
            "landmark_visible",
            self.landmark_visible.len(),
            &[],
            "share seen: 1 whole, 0 hidden; tracked rows: confidence",
            "0..1",
        );
        landmarks("landmark_spread", self.landmark_spread.len(), &[], "expected error of each landmark", "px");
        landmarks(
            "expression_spread",
            self.expression_spread.len(),
            &[],
            "standard deviation of each ARKit unit, order as expression",
            "0..1",
        );
        landmarks("shape", self.shape.len(), &[], "coefficients of the head model's identity basis", "");
        fields.extend([
            schema::scalar("light", DataType::Utf8, "what is known of the light (JSON)", ""),
            schema::scalar("action", DataType::Utf8, "what the person does; in a sequence clip, frame, fps (JSON)", ""),
            schema::scalar("capture", DataType::Utf8, "how the picture was taken (JSON)", ""),
        ]);
        if self.frame_time.is_some() {
            fields.push(schema::scalar("frame_time", DataType::Float64, "time of the frame in its video", "s"));
        }
        fields.extend([
            schema::scalar("samples_per_pixel", DataType::UInt32, "Monte-Carlo samples a pixel; 0 for photos", ""),
            schema::scalar("seed", DataType::UInt64, "seed of the row's random numbers", ""),
            schema::scalar("source_path", DataType::Utf8, "file the image came from; empty when rendered", ""),
        ]);
        fields
    }
}

fn id_fields() -> Vec<Field> {
    use DataType::{UInt32, UInt64, Utf8};
    vec![
        schema::scalar("frame_id", UInt64, "unique in the dataset", ""),
        schema::scalar("identity_id", UInt32, "row of the table identities", ""),
        schema::scalar("expression_id", UInt32, "index within the identity", ""),
        schema::scalar("camera_id", UInt32, "index within the expression", ""),
        schema::scalar("light_id", UInt32, "environment light", ""),
        schema::scalar("split", Utf8, "train, val or test; split by identity", ""),
        schema::scalar("width", UInt32, "image width", "px"),
        schema::scalar("height", UInt32, "image height", "px"),
    ]
}

/// The column `field` of `rows`.
fn column(rows: &[FrameRow], field: &Field) -> Result<ArrayRef, Complaint> {
    let text = |of: fn(&FrameRow) -> &String| columns::of_text(rows.iter().map(move |r| of(r).as_str()));
    let array = |of: fn(&FrameRow) -> &[f32]| columns::of_array(field, rows.iter().flat_map(of).copied().collect());
    Ok(match field.name().as_str() {
        "frame_id" => columns::of_u64(rows.iter().map(|r| r.frame_id)),
        "identity_id" => columns::of_u32(rows.iter().map(|r| r.identity_id)),
        "expression_id" => columns::of_u32(rows.iter().map(|r| r.expression_id)),
        "camera_id" => columns::of_u32(rows.iter().map(|r| r.camera_id)),
        "light_id" => columns::of_u32(rows.iter().map(|r| r.light_id)),
        "split" => text(|r| &r.split),
        "width" => columns::of_u32(rows.iter().map(|r| r.width)),
        "height" => columns::of_u32(rows.iter().map(|r| r.height)),
        "image" => images(rows, "", |r| Some(&r.image)),
        "alpha" => images(rows, "-alpha", |r| r.alpha.as_deref()),
        "valid" => images(rows, "-valid", |r| r.valid.as_deref()),
        "segmentation" => images(rows, "-segmentation", |r| r.segmentation.as_deref()),
        "depth" => images(rows, "-depth", |r| r.depth.as_deref()),
        "normal" => images(rows, "-normal", |r| r.normal.as_deref()),
        "uv" => images(rows, "-uv", |r| r.uv.as_deref()),
        "albedo" => images(rows, "-albedo", |r| r.albedo.as_deref()),
        "position" => images(rows, "-position", |r| r.position.as_deref()),
        "image_sha256" => {
            let digests: Vec<[u8; 32]> = rows.iter().map(|r| digest::sha256(&r.image)).collect();
            columns::of_binary(32, digests.iter().map(|d| Some(&d[..])))?
        }
        "expression" => array(|r| &r.expression)?,
        "pose" => array(|r| r.pose.as_flattened())?,
        "camera_from_world" => array(|r| r.camera_from_world.as_flattened())?,
        "intrinsics" => array(|r| r.intrinsics.as_flattened())?,
        "gaze" => array(|r| r.gaze.as_flattened())?,
        "landmarks_2d" => array(|r| r.landmarks_2d.as_flattened())?,
        "landmarks_3d" => array(|r| r.landmarks_3d.as_flattened())?,
        "landmark_visible" => array(|r| &r.landmark_visible)?,
        "landmark_spread" => array(|r| &r.landmark_spread)?,
        "expression_spread" => array(|r| &r.expression_spread)?,
        "shape" => array(|r| &r.shape)?,
        "light" => text(|r| &r.light),
        "action" => text(|r| &r.action),
        "capture" => text(|r| &r.capture),
        "frame_time" => columns::of_f64(rows.iter().map(|r| r.frame_time.unwrap_or_default())),
        "samples_per_pixel" => columns::of_u32(rows.iter().map(|r| r.samples_per_pixel)),
        "seed" => columns::of_u64(rows.iter().map(|r| r.seed)),
        "source_path" => text(|r| &r.source_path),
        other => return Err(format!("no such column: {other:?}")),
    })
}

fn images(rows: &[FrameRow], suffix: &str, of: fn(&FrameRow) -> Option<&[u8]>) -> ArrayRef {
    let name = |r: &FrameRow| format!("{:012}{suffix}.{}", r.frame_id, image::extension_of(of(r).unwrap_or_default()));
    columns::of_images(rows.iter().map(of), rows.iter().map(name))
}

fn rows_of(batch: &Columns) -> Result<Vec<FrameRow>, Complaint> {
    let n = batch.0.num_rows();
    let mut rows = vec![FrameRow::default(); n];
    macro_rules! fill {
        ($($target:ident: $values:expr),* $(,)?) => {$(
            for (row, value) in rows.iter_mut().zip($values?) {
                row.$target = value;
            }
        )*};
    }
    fill! {
        frame_id: batch.u64("frame_id"),
        identity_id: batch.u32("identity_id"),
        expression_id: batch.u32("expression_id"),
        camera_id: batch.u32("camera_id"),
        light_id: batch.u32("light_id"),
        split: batch.text("split"),
        width: batch.u32("width"),
        height: batch.u32("height"),
        alpha: batch.images("alpha"),
        valid: batch.images("valid"),
        segmentation: batch.images("segmentation"),
        depth: batch.images("depth"),
        normal: batch.images("normal"),
        uv: batch.images("uv"),
        albedo: batch.images("albedo"),
        position: batch.images("position"),
        pose: batch.array("pose"),
        camera_from_world: batch.array("camera_from_world"),
        intrinsics: batch.array("intrinsics"),
        gaze: batch.array("gaze"),
        landmarks_2d: batch.array_or_empty("landmarks_2d"),
        landmarks_3d: batch.array_or_empty("landmarks_3d"),
        light: batch.text("light"),
        action: batch.text_or_empty("action"),
        capture: batch.text_or_empty("capture"),
        frame_time: batch.f64_or_none("frame_time"),
        samples_per_pixel: batch.u32("samples_per_pixel"),
        seed: batch.u64("seed"),
        source_path: batch.text("source_path"),
    }
    for (row, [value]) in rows.iter_mut().zip(batch.array::<52, 1>("expression")?) {
        row.expression = value;
    }
    for (row, value) in rows.iter_mut().zip(batch.array_or_empty::<1>("landmark_visible")?) {
        row.landmark_visible = value.into_flattened();
    }
    for (row, value) in rows.iter_mut().zip(batch.array_or_empty::<1>("landmark_spread")?) {
        row.landmark_spread = value.into_flattened();
    }
    for (row, value) in rows.iter_mut().zip(batch.array_or_empty::<1>("expression_spread")?) {
        row.expression_spread = value.into_flattened();
    }
    for (row, value) in rows.iter_mut().zip(batch.array_or_empty::<1>("shape")?) {
        row.shape = value.into_flattened();
    }
    for (row, value) in rows.iter_mut().zip(batch.images("image")?) {
        row.image = value.unwrap_or_default();
    }
    Ok(rows)
}
