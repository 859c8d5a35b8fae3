//! A code object as `codes.py` writes it.
//!
//! The end-to-end crate's `loops` includes this file by its path.

use pyobserve::bytecode::{Code, Constant};
use serde::Deserialize;
use serde_json::Value;

/// A line of `codes.py`.
#[derive(Deserialize)]
pub struct Record {
    pub file: String,
    pub name: String,
    pub line: u32,
    pub minor: u8,
    #[serde(deserialize_with = "hexadecimal")]
    pub code: Vec<u8>,
    #[serde(deserialize_with = "hexadecimal")]
    pub exceptions: Vec<u8>,
    pub names: Vec<String>,
    #[serde(deserialize_with = "constants")]
    pub constants: Vec<Constant>,
    pub locals: Vec<String>,
    pub cells: Vec<String>,
    pub lines: Vec<(u32, u32)>,
}

impl Record {
    /// Its parts, with the code as it was compiled.
    pub fn code(&self) -> Code<'_> {
        Code {
            minor: self.minor,
            bytes: &self.code,
            exception_table: &self.exceptions,
            names: &self.names,
            constants: &self.constants,
            locals: &self.locals,
            cells: &self.cells,
        }
    }

    /// The line of an instruction.
    pub fn line_at(&self, offset: u32) -> u32 {
        let before = self.lines.iter().take_while(|(at, _)| *at <= offset);
        before.last().map_or(self.line, |(_, line)| *line)
    }
}

/// Bytes from their digits.
pub fn bytes(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok();
    let bytes = pairs.iter().map(byte).collect();
    rest.is_empty().then_some(bytes).flatten()
}

fn hexadecimal<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(from)?;
    bytes(&text).ok_or_else(|| serde::de::Error::custom("not hexadecimal"))
}

fn constants<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<Constant>, D::Error> {
    let all = Vec::<Vec<Value>>::deserialize(from)?;
    let one = |tagged: Vec<Value>| {
        let mut parts = tagged.into_iter();
        let tag = parts.next()?;
        let value = parts.next().unwrap_or(Value::Null);
        Some(match tag.as_str()? {
            "none" => Constant::None,
            "bool" => Constant::Bool(value.as_bool()?),
            "int" => Constant::Int(value.as_i64()?),
            "float" => Constant::Float(value.as_f64()?),
            "text" => Constant::Text(value.as_str()?.to_owned()),
            "names" => Constant::Names(serde_json::from_value(value).ok()?),
            "tuple" => Constant::Tuple,
            "other" => Constant::Other,
            _ => return None,
        })
    };
    let constants: Option<Vec<Constant>> = all.into_iter().map(one).collect();
    constants.ok_or_else(|| serde::de::Error::custom("an unknown constant"))
}
