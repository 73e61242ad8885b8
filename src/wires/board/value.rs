//! Values of a description's keys.

use std::borrow::Cow;

use toml::de::DeValue;

use super::LineName;

/// Why a key is not taken.
pub(super) type Wrong = Cow<'static, str>;

/// Reads a whole number.
pub(super) fn number(value: &DeValue<'_>) -> Option<u32> {
    let number = value.as_integer()?;
    u32::from_str_radix(number.as_str(), number.radix()).ok()
}

/// Reads a list of whole numbers, not empty.
pub(super) fn numbers(value: &DeValue<'_>) -> Result<Vec<u32>, Wrong> {
    let numbers = value.as_array().and_then(|values| {
        let numbers = values.iter().map(|value| number(value.get_ref()));
        numbers.collect::<Option<Vec<_>>>()
    });
    numbers
        .filter(|numbers| !numbers.is_empty())
        .ok_or("must be a list of numbers of lines, such as [20, 16]".into())
}

/// Reads a list of texts, not empty and none of them empty.
pub(super) fn texts(value: &DeValue<'_>) -> Result<Vec<String>, Wrong> {
    let texts = value.as_array().and_then(|values| {
        values
            .iter()
            .map(|text| text.get_ref().as_str().filter(|text| !text.is_empty()))
            .map(|text| text.map(str::to_owned))
            .collect::<Option<Vec<_>>>()
    });
    texts
        .filter(|texts| !texts.is_empty())
        .ok_or("must be a list of texts in quotes, such as [\"one\", \"two\"]".into())
}

/// Reads a list of GPIO lines, not empty.
pub(super) fn lines(value: &DeValue<'_>) -> Result<Vec<LineName>, Wrong> {
    let line = |text: &String| {
        let (chip, number) = text.rsplit_once(':')?;
        Some(LineName {
            chip: Some(chip).filter(|chip| !chip.is_empty())?.to_owned(),
            number: number.parse().ok()?,
        })
    };
    let lines = texts(value)?.iter().map(line).collect::<Option<_>>();
    lines.ok_or("must name chip and line, such as [\"pinctrl-bcm2835:17\"]".into())
}
