//! One object of the venue's JSON, looked at field by field.
//!
//! Purpose: for what a person wants to see and the agent does not read. Missing and `null` are the
//! same. Inputs: the text of an object. It must never guess a value.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::FromStr;

use serde_json::value::RawValue;

use super::super::map::{self, Mapped, Unreadable};
use super::super::wire::Num;
use crate::domain::{NumberError, PositionSide, Price};

/// Fields of one object, as written.
pub(super) struct Fields<'a>(BTreeMap<Cow<'a, str>, &'a RawValue>);

impl<'a> Fields<'a> {
    /// One object.
    pub(super) fn of(text: &'a str) -> Mapped<Self> {
        map::parse(text).map(Self)
    }

    /// An array of objects, or one object.
    pub(super) fn many(text: &'a str) -> Mapped<Vec<Self>> {
        let all: Vec<BTreeMap<Cow<'a, str>, &'a RawValue>> = map::parse_many(text)?;
        Ok(all.into_iter().map(Self).collect())
    }

    /// The value as it is written; `None` where it is missing or `null`.
    pub(super) fn raw(&self, name: &str) -> Option<&'a str> {
        self.0
            .get(name)
            .map(|raw| raw.get())
            .filter(|text| *text != "null")
    }

    /// Text or a number as text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let raw = self.raw(name)?;
        serde_json::from_str::<String>(raw)
            .ok()
            .or_else(|| (!raw.starts_with(['{', '['])).then(|| raw.to_owned()))
            .filter(|text| !text.is_empty())
    }

    pub(super) fn required(&self, name: &str) -> Mapped<String> {
        self.text(name)
            .ok_or_else(|| Unreadable(format!("field `{name}` is missing")))
    }

    /// A number; `None` where it is missing, `null` or empty.
    pub(super) fn number<T: FromStr<Err = NumberError>>(&self, name: &str) -> Mapped<Option<T>> {
        map::optional(name, self.num(name))
    }

    pub(super) fn required_number<T: FromStr<Err = NumberError>>(&self, name: &str) -> Mapped<T> {
        self.number(name)?
            .ok_or_else(|| Unreadable(format!("field `{name}` is missing")))
    }

    /// A price; `None` where the venue writes zero for "none", too.
    pub(super) fn price(&self, name: &str) -> Mapped<Option<Price>> {
        map::price_or_none(name, self.num(name))
    }

    /// `None` for what is neither true nor false.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.num(name).and_then(|num| num.0.parse().ok())
    }

    /// A time in milliseconds; the venue writes zero for "never".
    pub(super) fn millis(&self, name: &str) -> Option<i64> {
        self.num(name)
            .and_then(|num| num.0.parse().ok())
            .filter(|at| *at > 0)
    }

    /// A whole number.
    pub(super) fn whole(&self, name: &str) -> Option<u32> {
        self.num(name).and_then(|num| num.0.parse().ok())
    }

    pub(super) fn position_side(&self, name: &str) -> Mapped<PositionSide> {
        map::position_side(&self.required(name)?)
    }

    fn num(&self, name: &str) -> Option<Num<'a>> {
        let raw = self.raw(name)?;
        let text = raw
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'));
        Some(Num(text.unwrap_or(raw)))
    }
}
