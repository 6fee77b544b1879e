//! Conditions on small tables.
use super::*;
use arrow::array::{Array, ArrayRef, Float32Array, StringArray, UInt32Array};
use std::sync::Arc;

fn people() -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(UInt32Array::from(vec![0, 1, 2, 3]))),
        ("age", Arc::new(Float32Array::from(vec![Some(20.0), Some(0.1), None, Some(70.5)]))),
        ("split", Arc::new(StringArray::from(vec!["train", "test", "train", "o'val"]))),
        (
            "light",
            Arc::new(StringArray::from(vec![r#"{"kind":"sky","sun":{"height":2}}"#, "", "{}", r#"{"kind":"sky"}"#])),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap()
}

/// Ids of the people for whom it is true.
fn ids(text: &str) -> Vec<usize> {
    let (filter, batch) = (Filter::parse(text).unwrap(), people());
    filter.check(&batch.schema()).unwrap();
    let mask = filter.mask(&batch).unwrap();
    (0..4).filter(|&i| mask.is_valid(i) && mask.value(i)).collect()
}

#[test]
fn conditions_choose_as_sql_does() {
    let cases: [(&str, &[usize]); 20] = [
        ("age > 60", &[3]),
        ("age = 0.1", &[1]),
        ("not age > 60", &[0, 1]),
        ("age is null", &[2]),
        ("NOT (age is null) and id < 3", &[0, 1]),
        ("id in (1, 3, 99)", &[1, 3]),
        ("id not in (1, 3)", &[0, 2]),
        ("id between 1 and 2", &[1, 2]),
        ("id not between 1 and 2", &[0, 3]),
        ("split = 'train' or split = 'test' and id = 3", &[0, 2]),
        ("(split = 'train' or split = 'test') and id = 1", &[1]),
        ("split = 'o''val'", &[3]),
        ("split like 't%' and not split like '%n'", &[1]),
        ("id > -1 and id < 1e9", &[0, 1, 2, 3]),
        ("id >= 1.5", &[2, 3]),
        ("id = 5000000000", &[]),
        ("light.kind = 'sky'", &[0, 3]),
        ("light.sun.height >= 2", &[0]),
        ("light.kind is null", &[1, 2]),
        ("age != 20", &[1, 3]),
    ];
    for (text, expected) in cases {
        assert_eq!(ids(text), expected, "{text}");
    }
}

#[test]
fn complaints_name_the_place() {
    let complaint = |text: &str| match Filter::parse(text).and_then(|f| f.check(&people().schema())) {
        Ok(()) => panic!("{text:?} was taken"),
        Err(err) => (err.at, err.what),
    };
    for (text, at, words) in [
        ("", 1, "expected a column"),
        ("age", 4, "expected a comparison"),
        ("age > 'x'", 1, "holds numbers"),
        ("split = 3", 1, "'text'"),
        ("id = 1 and aeg > 3", 12, "no column \"aeg\", expected one of id, age, split, light"),
        ("(id = 1", 8, "expected )"),
        ("id = 1)", 7, "expected and, or"),
        ("id in 3", 7, "expected ("),
        ("id = 'x", 6, "no closing quote"),
        ("split = \"x\"", 9, "single quotes"),
        ("id # 3", 4, "unexpected '#'"),
        ("id = 1e999", 6, "number"),
        ("id.x = 1", 1, "id is no scalar"),
    ] {
        let (found, what) = complaint(text);
        assert!(found == at && what.contains(words), "{text:?}: {what} at {found}");
    }
}

#[test]
fn no_text_breaks_the_reader() {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};
    let words = ["age", "id", "split", "light.kind", "and", "or", "not", "in", "is", "null", "between", "like", "("];
    let more =
        [")", ",", "=", "<=", "<>", "'x'", "'", "1", "-2.5", "1e9", ".", "..", "é", "\0", "99999999999999999999999"];
    let all: Vec<&str> = words.into_iter().chain(more).collect();
    let (mut rng, batch) = (ChaCha8Rng::seed_from_u64(1), people());
    // Conditions with up to three words struck out, changed or put in.
    let whole = ["age > 1 and split = 'x'", "id in ( 1 , -2.5 )", "not light.kind like 'x'", "age between 1 and 1e9"];
    let mut good = 0;
    for _ in 0..20_000 {
        let mut draw = |n: usize| rng.next_u32() as usize % n;
        let mut text: Vec<&str> = whole[draw(whole.len())].split(' ').collect();
        for _ in 0..draw(4) {
            let at = draw(text.len());
            match draw(3) {
                0 if text.len() > 1 => _ = text.remove(at),
                1 => text[at] = all[draw(all.len())],
                _ => text.insert(at, all[draw(all.len())]),
            }
        }
        let text = text.join(if draw(4) == 0 { "" } else { " " });
        if let Ok(filter) = Filter::parse(&text)
            && filter.check(&batch.schema()).is_ok()
        {
            filter.mask(&batch).unwrap_or_else(|e| panic!("{e}"));
            good += 1;
        }
    }
    assert!(good > 100, "some of the texts are conditions: {good}");
}

#[test]
fn deep_nesting_is_refused_not_survived_by_luck() {
    let text = format!("{}id = 1{}", "(".repeat(100_000), ")".repeat(100_000));
    assert!(Filter::parse(&text).unwrap_err().what.contains("deep"));
    let text = format!("{} id = 1", "not ".repeat(100_000));
    assert!(Filter::parse(&text).unwrap_err().what.contains("deep"));
}
