//! Tokens → condition, by recursive descent: `or` binds least, then `and`, then `not`.
use super::lex::{Place, Token, tokens};
use super::{Expr, Name, Op, Test, Value};

/// Brackets and `not`s within one another.
const DEEPEST: usize = 100;

/// What was expected, and the character it was expected at.
type Fault = (String, usize);

pub fn expression(text: &str) -> Result<Expr, Fault> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0 };
    let expr = parser.any_of(false)?;
    match parser.peek() {
        Token::End => Ok(expr),
        _ => Err(parser.expected("and, or, or the end")),
    }
}

struct Parser {
    tokens: Vec<Place>,
    next: usize,
    depth: usize,
}

impl Parser {
    /// `a or b or …`; under `not` it becomes `and` of the negated.
    fn any_of(&mut self, negated: bool) -> Result<Expr, Fault> {
        let mut parts = vec![self.all_of(negated)?];
        while self.take_word("or") {
            parts.push(self.all_of(negated)?);
        }
        Ok(joined(parts, if negated { Expr::And } else { Expr::Or }))
    }

    fn all_of(&mut self, negated: bool) -> Result<Expr, Fault> {
        let mut parts = vec![self.single(negated)?];
        while self.take_word("and") {
            parts.push(self.single(negated)?);
        }
        Ok(joined(parts, if negated { Expr::Or } else { Expr::And }))
    }

    fn single(&mut self, negated: bool) -> Result<Expr, Fault> {
        if self.depth >= DEEPEST {
            return Err((format!("nested too deep, expected at most {DEEPEST} levels"), self.at()));
        }
        self.depth += 1;
        let expr = if self.take_word("not") {
            self.single(!negated)
        } else if self.take_sign("(") {
            let inner = self.any_of(negated)?;
            self.expect_sign(")").map(|()| inner)
        } else {
            self.leaf(negated)
        };
        self.depth -= 1;
        expr
    }

    fn leaf(&mut self, negated: bool) -> Result<Expr, Fault> {
        let name = self.name()?;
        if self.take_word("is") {
            let negated = self.take_word("not") != negated;
            return match self.take_word("null") {
                true => Ok(Expr::Leaf(name, Test::Null { negated })),
                false => Err(self.expected("null")),
            };
        }
        let negated = self.take_word("not") != negated;
        if self.take_word("in") {
            return self.list(name, negated);
        }
        if self.take_word("between") {
            let low = self.value()?;
            match self.take_word("and") {
                true => {
                    let high = self.value()?;
                    return Ok(between(name, low, high, negated));
                }
                false => return Err(self.expected("and")),
            }
        }
        if self.take_word("like") {
            return match self.value()? {
                Value::Text(pattern) => Ok(Expr::Leaf(name, Test::Like { pattern, negated })),
                _ => Err(("like expects a 'text'".into(), name.at)),
            };
        }
        let op = self.operator().ok_or_else(|| self.expected("a comparison (= != < <= > >= in between like is)"))?;
        let op = if negated { op.negated() } else { op };
        Ok(Expr::Leaf(name, Test::Compare(op, self.value()?)))
    }

    fn list(&mut self, name: Name, negated: bool) -> Result<Expr, Fault> {
        self.expect_sign("(")?;
        let op = if negated { Op::NotEqual } else { Op::Equal };
        let mut parts = Vec::new();
        loop {
            parts.push(Expr::Leaf(name.clone(), Test::Compare(op, self.value()?)));
            if !self.take_sign(",") {
                break;
            }
        }
        self.expect_sign(")")?;
        Ok(joined(parts, if negated { Expr::And } else { Expr::Or }))
    }

    fn name(&mut self) -> Result<Name, Fault> {
        let at = self.at();
        match self.peek().clone() {
            Token::Word(word) if !is_keyword(&word) => {
                self.next += 1;
                let mut parts = word.split('.').map(str::to_owned);
                let column = parts.next().unwrap_or_default();
                Ok(Name { column, keys: parts.collect(), at })
            }
            _ => Err(self.expected("a column")),
        }
    }

    fn value(&mut self) -> Result<Value, Fault> {
        let value = match self.peek().clone() {
            Token::Whole(value) => Value::Whole(value),
            Token::Real(value) => Value::Real(value),
            Token::Text(text) => Value::Text(text),
            _ => return Err(self.expected("a number or a 'text'")),
        };
        self.next += 1;
        Ok(value)
    }

    fn operator(&mut self) -> Option<Op> {
        let Token::Sign(sign) = self.peek() else { return None };
        let op = match *sign {
            "=" | "==" => Op::Equal,
            "!=" | "<>" => Op::NotEqual,
            "<" => Op::Less,
            "<=" => Op::LessEqual,
            ">" => Op::Greater,
            ">=" => Op::GreaterEqual,
            _ => return None,
        };
        self.next += 1;
        Some(op)
    }

    fn peek(&self) -> &Token {
        &self.tokens[self.next].0
    }

    fn at(&self) -> usize {
        self.tokens[self.next].1
    }

    fn take_word(&mut self, keyword: &str) -> bool {
        let there = matches!(self.peek(), Token::Word(word) if word.eq_ignore_ascii_case(keyword));
        self.next += usize::from(there);
        there
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let there = matches!(self.peek(), Token::Sign(s) if *s == sign);
        self.next += usize::from(there);
        there
    }

    fn expect_sign(&mut self, sign: &str) -> Result<(), Fault> {
        match self.take_sign(sign) {
            true => Ok(()),
            false => Err(self.expected(sign)),
        }
    }

    fn expected(&self, what: &str) -> Fault {
        (format!("expected {what}, got {}", self.peek()), self.at())
    }
}

fn is_keyword(word: &str) -> bool {
    ["and", "or", "not", "in", "is", "null", "between", "like"].iter().any(|k| word.eq_ignore_ascii_case(k))
}

fn joined(mut parts: Vec<Expr>, join: fn(Vec<Expr>) -> Expr) -> Expr {
    if parts.len() == 1 { parts.remove(0) } else { join(parts) }
}

fn between(name: Name, low: Value, high: Value, negated: bool) -> Expr {
    let leaf = |op: Op, value: Value| Expr::Leaf(name.clone(), Test::Compare(op, value));
    match negated {
        false => Expr::And(vec![leaf(Op::GreaterEqual, low), leaf(Op::LessEqual, high)]),
        true => Expr::Or(vec![leaf(Op::Less, low), leaf(Op::Greater, high)]),
    }
}

impl Op {
    fn negated(self) -> Op {
        match self {
            Op::Equal => Op::NotEqual,
            Op::NotEqual => Op::Equal,
            Op::Less => Op::GreaterEqual,
            Op::LessEqual => Op::Greater,
            Op::Greater => Op::LessEqual,
            Op::GreaterEqual => Op::Less,
        }
    }
}
