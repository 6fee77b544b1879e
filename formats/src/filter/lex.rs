//! A condition's text as tokens.

/// A token and the character it begins at, from 1.
pub type Place = (Token, usize);

#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// A name or a keyword, as typed.
    Word(String),
    Whole(i128),
    Real(f64),
    Text(String),
    /// `=`, `<=`, `(`, `,` …
    Sign(&'static str),
    End,
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Token::Word(word) => write!(f, "{word:?}"),
            Token::Whole(value) => write!(f, "{value}"),
            Token::Real(value) => write!(f, "{value}"),
            Token::Text(text) => write!(f, "'{text}'"),
            Token::Sign(sign) => write!(f, "{sign}"),
            Token::End => write!(f, "the end"),
        }
    }
}

const SIGNS: [&str; 11] = ["<=", ">=", "!=", "<>", "==", "=", "<", ">", "(", ")", ","];

/// All tokens, [`Token::End`] last; or what is wrong and where.
pub fn tokens(text: &str) -> Result<Vec<Place>, (String, usize)> {
    let chars: Vec<char> = text.chars().collect();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < chars.len() {
        let here = at + 1;
        let (token, next) = match chars[at] {
            c if c.is_whitespace() => {
                at += 1;
                continue;
            }
            c if c.is_alphabetic() || c == '_' => {
                let end = run(&chars, at, |c| c.is_alphanumeric() || c == '_' || c == '.');
                (Token::Word(chars[at..end].iter().collect()), end)
            }
            c if c.is_ascii_digit() || (matches!(c, '-' | '+' | '.') && starts_number(&chars, at + 1)) => {
                number(&chars, at)?
            }
            '\'' => quoted(&chars, at)?,
            '"' => return Err(("unexpected \": use single quotes for text".into(), here)),
            c => match SIGNS.iter().find(|s| chars[at..].iter().copied().take(s.len()).eq(s.chars())) {
                Some(sign) => (Token::Sign(sign), at + sign.len()),
                None => return Err((format!("unexpected {c:?}"), here)),
            },
        };
        found.push((token, here));
        at = next;
    }
    found.push((Token::End, chars.len() + 1));
    Ok(found)
}

fn run(chars: &[char], from: usize, belongs: impl Fn(char) -> bool) -> usize {
    from + chars[from..].iter().take_while(|&&c| belongs(c)).count()
}

fn starts_number(chars: &[char], at: usize) -> bool {
    chars.get(at).is_some_and(|c| c.is_ascii_digit() || *c == '.')
}

fn number(chars: &[char], from: usize) -> Result<(Token, usize), (String, usize)> {
    let mut end = from + 1;
    while let Some(&c) = chars.get(end) {
        let exponent_sign = matches!(c, '-' | '+') && matches!(chars[end - 1], 'e' | 'E');
        if !(c.is_ascii_alphanumeric() || c == '.' || exponent_sign) {
            break;
        }
        end += 1;
    }
    let text: String = chars[from..end].iter().collect();
    let real = || text.parse::<f64>().ok().filter(|v| v.is_finite()).map(Token::Real);
    match text.parse().ok().map(Token::Whole).or_else(real) {
        Some(token) => Ok((token, end)),
        None => Err((format!("{text} is not a number"), from + 1)),
    }
}

/// `'it''s'`
fn quoted(chars: &[char], from: usize) -> Result<(Token, usize), (String, usize)> {
    let (mut text, mut at) = (String::new(), from + 1);
    loop {
        match (chars.get(at), chars.get(at + 1)) {
            (Some('\''), Some('\'')) => {
                text.push('\'');
                at += 2;
            }
            (Some('\''), _) => return Ok((Token::Text(text), at + 1)),
            (Some(&c), _) => {
                text.push(c);
                at += 1;
            }
            (None, _) => return Err(("no closing quote for the text".into(), from + 1)),
        }
    }
}
