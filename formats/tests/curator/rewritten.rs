//! Tables that other programs wrote again: the types of pyarrow, Polars and DuckDB, without our metadata. (`make parity-data`
//! does the same by those programs themselves.)
use crate::set::{Set, shards, text};
use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields, Schema};
use formats::{Dataset, Part, Shard};
use parquet::arrow::ArrowWriter;
use std::path::Path;
use std::sync::Arc;

/// Other types for the same values: `lists` of any length and `signed` numbers as DuckDB has them, large texts and bytes as
/// Polars has them.
fn other_type(ours: &DataType, lists: bool) -> DataType {
    use DataType::*;
    match ours {
        Utf8 if !lists => LargeUtf8,
        Binary | FixedSizeBinary(_) if lists => Binary,
        Binary | FixedSizeBinary(_) => LargeBinary,
        UInt32 if lists => Int64,
        FixedSizeList(item, n) => {
            let item = Arc::new(Field::new("element", other_type(item.data_type(), lists), true));
            match lists {
                true => List(item),
                false => FixedSizeList(item, *n),
            }
        }
        Struct(parts) => {
            let part = |p: &Arc<Field>| Field::new(p.name(), other_type(p.data_type(), lists), true);
            Struct(parts.iter().map(part).collect::<Fields>())
        }
        other => other.clone(),
    }
}

/// The file at `path`, read and written again as another program does.
fn write_again(path: &Path, lists: bool) {
    let mut batches = Vec::new();
    let mut keep = |batch: &RecordBatch| {
        batches.push(batch.clone());
        Ok(())
    };
    Shard::open(path).unwrap().for_each_batch(Part::All, &mut keep).unwrap();
    let fields: Vec<Field> = batches[0]
        .schema()
        .fields()
        .iter()
        .map(|f| Field::new(f.name(), other_type(f.data_type(), lists), true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, schema.clone(), None).unwrap();
    for batch in batches {
        let columns: Vec<ArrayRef> =
            batch.columns().iter().zip(schema.fields()).map(|(c, f)| cast(c, f.data_type()).unwrap()).collect();
        assert!(columns.iter().all(|c| c.as_struct_opt().is_none_or(|s| s.num_columns() == 2)));
        writer.write(&RecordBatch::try_new(schema.clone(), columns).unwrap()).unwrap();
    }
    writer.close().unwrap();
}

#[test]
fn tables_written_again_are_recognized_by_their_columns() {
    for (name, lists) in [("rewritten-polars", false), ("rewritten-duckdb", true)] {
        let set = Set::new(name);
        let before = Dataset::open(Path::new(set.path())).unwrap();
        let some = [0, 3, before.len() - 1];
        let images = some.map(|i| before.frame(i).unwrap().image);
        for folder in ["frames", "identities"] {
            for entry in std::fs::read_dir(Path::new(set.path()).join(folder)).unwrap() {
                write_again(&entry.unwrap().path(), lists);
            }
        }
        let after = Dataset::open(Path::new(set.path())).unwrap();
        assert_eq!(after.all_labels(), before.all_labels(), "{name}");
        assert_eq!(after.identities(), before.identities(), "{name}");
        assert_eq!(some.map(|i| after.frame(i).unwrap().image), images, "{name}");
        let listed = shards(&["ls", set.path(), "--where", "expression.jawOpen > 0.4 and split = 'train'"]);
        assert_eq!(listed.status.code(), Some(0), "{name}: {}", text(&listed.stderr));
        let verified = shards(&["verify", set.path()]);
        let found = text(&verified.stdout) + &text(&verified.stderr);
        assert_eq!(verified.status.code(), Some(1), "{found}");
        assert!(
            found.contains("written again by another program") && found.contains("its metadata is lost"),
            "{found}"
        );
    }
    let set = Set::new("rewritten-other");
    let other = set.beside("other.parquet");
    let numbers: ArrayRef = Arc::new(arrow::array::UInt64Array::from(vec![1, 2]));
    let batch = RecordBatch::try_from_iter([("frame_id", numbers)]).unwrap();
    let mut writer = ArrowWriter::try_new(std::fs::File::create(&other).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let refused = shards(&["ls", &other]);
    assert_eq!(refused.status.code(), Some(65));
    assert!(text(&refused.stderr).contains("none of our tables"), "{}", text(&refused.stderr));
}
