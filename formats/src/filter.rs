//! Conditions on the scalar columns of a table, as `--where` takes them: `age > 60 and split = 'test'`.
//!
//! | word | means |
//! |---|---|
//! | `age`, `split` | a column of the table; for `frames` also one of `identities`, by the row's `identity_id` |
//! | `expression.jawOpen` | one entry of an array whose entries have names |
//! | `light.kind` | one key of a column that holds JSON, deeper keys by more dots |
//! | `=` `!=` `<` `<=` `>` `>=` | comparison with a number or a `'text'` |
//! | `in (…)`, `between a and b`, `like 'a%'`, `is null` | as in SQL; each may be preceded by `not` |
//! | `and` `or` `not` `( )` | as in SQL, with SQL's three values: what is compared with nothing is unknown |
//!
//! Row groups whose statistics rule out a match are not read.
mod eval;
mod lex;
mod parse;
mod prune;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use std::collections::BTreeSet;

pub(crate) use prune::groups;

/// What is wrong with a condition.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{what} at character {at} of {text:?}")]
pub struct FilterError {
    /// What was found and what was expected.
    pub what: String,
    /// From 1.
    pub at: usize,
    /// The condition.
    pub text: String,
}

/// A condition, not yet bound to a table.
///
/// ```
/// use formats::filter::Filter;
/// let filter = Filter::parse("age > 60 and expression_id in (3, 4)").unwrap();
/// assert_eq!(filter.columns().into_iter().collect::<Vec<_>>(), ["age", "expression_id"]);
/// let err = Filter::parse("age >").unwrap_err();
/// assert_eq!(err.to_string(), r#"expected a number or a 'text', got the end at character 6 of "age >""#);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    text: String,
    root: Expr,
}

/// A condition in negation normal form: `not` has been pushed into the leaves.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Leaf(Name, Test),
}

/// What is asked of one column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Test {
    Compare(Op, Value),
    Like { pattern: String, negated: bool },
    Null { negated: bool },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Op {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// `column`, `column.key.key`, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Name {
    pub column: String,
    pub keys: Vec<String>,
    pub at: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Whole(i128),
    Real(f64),
    Text(String),
}

impl Filter {
    /// Reads a condition; which columns there are is not asked yet.
    ///
    /// # Errors
    /// The place and what was expected there.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let root = parse::expression(text).map_err(|(what, at)| FilterError { what, at, text: text.into() })?;
        Ok(Filter { text: text.into(), root })
    }

    /// Names of the columns it reads.
    pub fn columns(&self) -> BTreeSet<&str> {
        self.leaves().into_iter().map(|(name, _)| name.column.as_str()).collect()
    }

    /// Checks that every column is in `schema` and has the type it is compared with.
    ///
    /// # Errors
    /// The place of the first that is not, with the columns there are.
    pub fn check(&self, schema: &Schema) -> Result<(), FilterError> {
        for (name, test) in self.leaves() {
            check_leaf(schema, name, test).map_err(|what| FilterError {
                what,
                at: name.at,
                text: self.text.clone(),
            })?;
        }
        Ok(())
    }

    /// For each row of `batch`: true, false, or null where it is unknown. All its columns must be in the batch.
    ///
    /// # Errors
    /// As [`Filter::check`].
    pub fn mask(&self, batch: &RecordBatch) -> Result<BooleanArray, FilterError> {
        let complaint = |what: String| FilterError { what, at: 1, text: self.text.clone() };
        eval::mask(&self.root, batch).map_err(complaint)
    }

    pub(crate) fn root(&self) -> &Expr {
        &self.root
    }

    fn leaves(&self) -> Vec<(&Name, &Test)> {
        let (mut open, mut found) = (vec![&self.root], Vec::new());
        while let Some(expr) = open.pop() {
            match expr {
                Expr::And(parts) | Expr::Or(parts) => open.extend(parts.iter().rev()),
                Expr::Leaf(name, test) => found.push((name, test)),
            }
        }
        found
    }
}

/// What a column can be compared with.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Number,
    Text,
    /// Found out row by row.
    Json,
}

fn check_leaf(schema: &Schema, name: &Name, test: &Test) -> Result<(), String> {
    let kind = kind_of(schema, name)?;
    let column = &name.column;
    match (kind, test) {
        (Kind::Text, Test::Compare(_, Value::Whole(_) | Value::Real(_))) => {
            Err(format!("{column} holds text: expected a 'text' to compare it with"))
        }
        (Kind::Number, Test::Compare(_, Value::Text(_)) | Test::Like { .. }) => {
            Err(format!("{column} holds numbers: expected a number to compare it with"))
        }
        _ => Ok(()),
    }
}

fn kind_of(schema: &Schema, name: &Name) -> Result<Kind, String> {
    let Ok(field) = schema.field_with_name(&name.column) else {
        let known: Vec<&str> = schema.fields().iter().filter(|f| is_scalar(f)).map(|f| f.name().as_str()).collect();
        return Err(format!("no column {:?}, expected one of {}", name.column, known.join(", ")));
    };
    match (field.data_type(), name.keys.as_slice()) {
        (DataType::Utf8, []) => Ok(Kind::Text),
        (DataType::Utf8, _) => Ok(Kind::Json),
        (data_type, []) if data_type.is_numeric() => Ok(Kind::Number),
        (DataType::FixedSizeList(item, _), [key]) if item.data_type().is_numeric() => {
            let names = entry_names(field);
            match names.iter().any(|n| n == key) {
                true => Ok(Kind::Number),
                false if names.is_empty() => Err(format!("the entries of {} have no names", name.column)),
                false => Err(format!("{} has no entry {key:?}, expected one of {}", name.column, names.join(", "))),
            }
        }
        (DataType::FixedSizeList(..), []) if !entry_names(field).is_empty() => {
            let names = entry_names(field);
            Err(format!("{0} is an array: expected one entry, as {0}.{1}", name.column, names[0]))
        }
        (data_type, _) => Err(format!(
            "{} is no scalar ({}): expected a number or text",
            name.column,
            crate::schema::type_name(data_type)
        )),
    }
}

fn is_scalar(field: &Field) -> bool {
    field.data_type().is_numeric() || *field.data_type() == DataType::Utf8 || !entry_names(field).is_empty()
}

/// Names of the entries of an array column; none when it has no such metadata.
pub(crate) fn entry_names(field: &Field) -> Vec<String> {
    let names = field.metadata().get("names").map(|text| text.to_string()).unwrap_or_default();
    serde_json::from_str(&names).unwrap_or_default()
}

#[cfg(test)]
mod tests {
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
                Arc::new(StringArray::from(vec![
                    r#"{"kind":"sky","sun":{"height":2}}"#,
                    "",
                    "{}",
                    r#"{"kind":"sky"}"#,
                ])),
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
        let words =
            ["age", "id", "split", "light.kind", "and", "or", "not", "in", "is", "null", "between", "like", "("];
        let more = [
            ")",
            ",",
            "=",
            "<=",
            "<>",
            "'x'",
            "'",
            "1",
            "-2.5",
            "1e9",
            ".",
            "..",
            "é",
            "\0",
            "99999999999999999999999",
        ];
        let all: Vec<&str> = words.into_iter().chain(more).collect();
        let (mut rng, batch) = (ChaCha8Rng::seed_from_u64(1), people());
        // Conditions with up to three words struck out, changed or put in.
        let whole =
            ["age > 1 and split = 'x'", "id in ( 1 , -2.5 )", "not light.kind like 'x'", "age between 1 and 1e9"];
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
}
