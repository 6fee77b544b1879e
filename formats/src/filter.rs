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
mod tests;
