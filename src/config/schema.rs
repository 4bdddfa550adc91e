//! Every section and key of the file, with its range, and what it becomes.

use std::path::{Path, PathBuf};

use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, dec};
use toml::de::DeTable;

use super::error::ConfigError;
use super::reader::{Reader, Span, echo};
use super::rescue::allowance;
use super::secrets::{self, Environment};
use super::settings::{Durability, JournalSettings, LogLevel, LogSettings, TelegramSettings};
use super::venue::{address, exchange, variable};
use super::{Config, default_data_dir};
use crate::domain::{Money, Rate, SECOND_MS};
use crate::guard::event::Mode;
use crate::guard::policy::{Budgets, Freshness, PartialClose, Policy, Preset, Silence, Triggers};

/// Most symbols that may be listed.
const SYMBOLS_MAX: usize = 200;
/// Longest symbol, in characters.
const SYMBOL_CHARS_MAX: usize = 40;

const MODES: [(&str, Mode); 3] = [
    ("watch", Mode::Watch),
    ("ask", Mode::Ask),
    ("auto", Mode::Auto),
];

/// Reads a document; `env` is `None` when no secrets are wanted. Also returns all known keys.
pub(super) fn parse(
    file: &Path,
    text: &str,
    env: Option<Environment<'_>>,
) -> Result<(Config, Vec<String>), ConfigError> {
    let document = DeTable::parse(text).map_err(|error| Reader::syntax(file, text, &error))?;
    let mut reader = Reader::new(file, text, Some(document.get_ref()));
    let config = fill(&mut reader, env);
    let keys = names(&reader);
    reader.finish().map(|()| (config, keys))
}

pub(super) fn keys() -> Vec<String> {
    let mut reader = Reader::new(Path::new(""), "", None);
    let _defaults = fill(&mut reader, None);
    names(&reader)
}

fn names(reader: &Reader<'_>) -> Vec<String> {
    let keys = reader.keys().iter();
    keys.map(|(section, key)| match *section {
        "" => (*key).to_owned(),
        section => format!("{section}.{key}"),
    })
    .collect()
}

fn fill(reader: &mut Reader<'_>, env: Option<Environment<'_>>) -> Config {
    let defaults = Policy::default();
    let mode = reader.choice("", "mode", &MODES, defaults.mode);
    let data_dir = data_dir(reader);
    let symbols = symbols(reader);
    let mut exchange = exchange(reader, mode);
    let receive_window_ms = reader.whole(
        "exchange",
        "receive_window_ms",
        span(dec!(500), dec!(60_000), "ms", 0),
        defaults.receive_window_ms,
    );
    let policy = guard(reader, defaults);
    let policy = Policy {
        mode,
        symbols,
        receive_window_ms,
        budgets: budgets(reader, &policy.budgets),
        allowance: allowance(reader, &policy.allowance, exchange.allow_wallet_transfer),
        freshness: freshness(reader, policy.freshness),
        ..policy
    };
    let mut telegram = telegram(reader);
    let durability = [("normal", Durability::Normal), ("full", Durability::Full)];
    let levels = [
        LogLevel::Error,
        LogLevel::Warn,
        LogLevel::Info,
        LogLevel::Debug,
        LogLevel::Trace,
    ]
    .map(|level| (level.as_str(), level));
    let config_journal = JournalSettings {
        durability: reader.choice("journal", "durability", &durability, Durability::Normal),
    };
    let log = LogSettings {
        level: reader.choice("log", "level", &levels, LogLevel::Info),
    };
    if let Some(env) = env {
        secrets::load(reader, env, &mut exchange, &mut telegram);
    }
    Config {
        policy,
        data_dir,
        exchange,
        telegram,
        journal: config_journal,
        log,
    }
}

fn data_dir(reader: &mut Reader<'_>) -> PathBuf {
    if let Some((text, line)) = reader.text("", "data_dir") {
        if let Some(path) = path_of(reader, &text) {
            return path;
        }
        reader.problem(
            line,
            "data_dir is empty or needs a home directory; write an absolute path".to_owned(),
        );
    } else if let Some(dir) = default_data_dir() {
        return dir;
    } else {
        reader.problem(
            None,
            "this user has no home directory; set data_dir to an absolute path".to_owned(),
        );
    }
    PathBuf::new()
}

/// `~/` is the home directory; a relative path counts from the configuration file.
pub(super) fn path_of(reader: &Reader<'_>, text: &str) -> Option<PathBuf> {
    if text.trim().is_empty() {
        return None;
    }
    match text.strip_prefix("~/") {
        Some(rest) => directories::BaseDirs::new().map(|dirs| dirs.home_dir().join(rest)),
        None => Some(reader.file_dir().join(text)),
    }
}

fn symbols(reader: &mut Reader<'_>) -> Vec<String> {
    let listed = reader.texts("", "symbols");
    let mut symbols: Vec<String> = Vec::new();
    if let Some((_, line)) = listed.get(SYMBOLS_MAX) {
        reader.problem(
            *line,
            format!("symbols lists more than {SYMBOLS_MAX}; an empty list means all"),
        );
    }
    for (symbol, line) in listed.into_iter().take(SYMBOLS_MAX) {
        let odd = symbol.is_empty()
            || symbol.chars().count() > SYMBOL_CHARS_MAX
            || symbol
                .chars()
                .any(|c| c.is_whitespace() || c.is_control() || "/-:".contains(c));
        let upper = symbol.to_uppercase();
        if odd {
            let found = echo(&symbol);
            reader.problem(
                line,
                format!("symbols holds {found}, which is no symbol; write it as the exchange does, like \"BTCUSDT\""),
            );
        } else if upper != symbol {
            reader.problem(
                line,
                format!("symbols holds \"{symbol}\"; did you mean \"{upper}\"?"),
            );
        } else if symbols.contains(&symbol) {
            reader.problem(
                line,
                format!("symbols holds \"{symbol}\" twice; remove one"),
            );
        } else {
            symbols.push(symbol);
        }
    }
    symbols
}

fn guard(reader: &mut Reader<'_>, default: Policy) -> Policy {
    const SECTION: &str = "guard";
    let seconds = |max| span(dec!(1), max, "seconds", 3);
    let percent = |min, max| span(min, max, "%", 4);
    let triggers = triggers(reader, &default.triggers);
    let silence = [("act", Silence::Act), ("hold", Silence::Hold)];
    let partial = [
        ("releases-pro-rata", PartialClose::ReleasesProRata),
        ("keeps-margin", PartialClose::KeepsMargin),
    ];
    Policy {
        triggers,
        cooldown_ms: millis(
            reader,
            (SECTION, "cooldown_secs"),
            seconds(dec!(3_600)),
            default.cooldown_ms,
        ),
        ask_ms: millis(
            reader,
            (SECTION, "ask_secs"),
            seconds(dec!(3_600)),
            default.ask_ms,
        ),
        silence: reader.choice(SECTION, "silence", &silence, default.silence),
        fallback_slippage: rate(
            reader,
            (SECTION, "fallback_slippage_pct"),
            percent(dec!(0), dec!(10)),
            default.fallback_slippage,
        ),
        fallback_fee: rate(
            reader,
            (SECTION, "fallback_fee_pct"),
            percent(dec!(0), dec!(5)),
            default.fallback_fee,
        ),
        mismatch_tolerance: rate(
            reader,
            (SECTION, "mismatch_tolerance_pct"),
            percent(dec!(0.01), dec!(10)),
            default.mismatch_tolerance,
        ),
        partial_close: reader.choice(SECTION, "partial_close", &partial, default.partial_close),
        ..default
    }
}

fn triggers(reader: &mut Reader<'_>, default: &Triggers) -> Triggers {
    const SECTION: &str = "guard";
    let percent = |most| span(dec!(0.05), most, "%", 4);
    let presets = Preset::ALL.map(|preset| (preset.name(), preset));
    let found = Triggers {
        preset: reader.choice(SECTION, "preset", &presets, default.preset),
        floor_distance: rate(
            reader,
            (SECTION, "floor_distance_pct"),
            percent(dec!(50)),
            default.floor_distance,
        ),
        blind_distance: rate(
            reader,
            (SECTION, "blind_distance_pct"),
            percent(dec!(50)),
            default.blind_distance,
        ),
        breach_limit: number_f64(
            reader,
            (SECTION, "breach_limit_pct"),
            percent(dec!(100)),
            default.breach_limit,
            dec!(100),
        ),
        horizon_ms: millis(
            reader,
            (SECTION, "horizon_secs"),
            span(dec!(300), dec!(86_400), "seconds", 3),
            default.horizon_ms,
        ),
        restore_factor: number_f64(
            reader,
            (SECTION, "restore_factor"),
            span(dec!(1), dec!(10), "", 4),
            default.restore_factor,
            Decimal::ONE,
        ),
        time_needed_ms: reader.whole(
            SECTION,
            "time_needed_ms",
            span(dec!(500), dec!(600_000), "ms", 0),
            default.time_needed_ms,
        ),
    };
    // The floor alone may be set: it holds before there is a forecast too.
    if found.floor_distance > found.blind_distance
        && let line @ Some(_) = reader.line(SECTION, "blind_distance_pct")
    {
        reader.problem(
            line,
            format!(
                "blind_distance_pct = {} in [{SECTION}] is below floor_distance_pct = {}, which holds always: it would never count; make it at least as large, or leave it out",
                found.blind_distance.as_pct().normalize(),
                found.floor_distance.as_pct().normalize()
            ),
        );
    }
    found
}

fn budgets(reader: &mut Reader<'_>, default: &Budgets) -> Budgets {
    const SECTION: &str = "budget";
    let mut usdt = |key, default: Money| {
        let range = span(dec!(0), dec!(1_000_000_000), "USDT", 8);
        Money::of(reader.number(SECTION, key, range, default.get()))
    };
    let add_per_action = usdt("add_per_action_usdt", default.add_per_action);
    let add_per_position_day = usdt("add_per_position_day_usdt", default.add_per_position_day);
    // A day's budget alone may be lowered, or be 0 for no additions at all: then it counts.
    if add_per_action > add_per_position_day
        && add_per_position_day.is_positive()
        && let line @ Some(_) = reader.line(SECTION, "add_per_action_usdt")
    {
        reader.problem(
            line,
            format!(
                "add_per_action_usdt = {add_per_action} in [{SECTION}] is above add_per_position_day_usdt = {add_per_position_day}: so much would never be added; lower it, or raise that"
            ),
        );
    }
    let mut usdt = |key, default: Money| {
        let range = span(dec!(0), dec!(1_000_000_000), "USDT", 8);
        Money::of(reader.number(SECTION, key, range, default.get()))
    };
    let keep_available = usdt("keep_available_usdt", default.keep_available);
    let trim_per_action = rate(
        reader,
        (SECTION, "trim_per_action_pct"),
        span(dec!(1), dec!(100), "%", 4),
        default.trim_per_action,
    );
    let mut count = |key, min, default: u32| {
        let range = span(min, dec!(1_000), "", 0);
        let count = reader.whole(SECTION, key, range, i64::from(default));
        u32::try_from(count).unwrap_or(default)
    };
    Budgets {
        add_per_action,
        add_per_position_day,
        keep_available,
        trim_per_action,
        actions_per_position_day: count(
            "actions_per_position_day",
            dec!(1),
            default.actions_per_position_day,
        ),
        top_ups_per_position_day: count(
            "top_ups_per_position_day",
            dec!(0),
            default.top_ups_per_position_day,
        ),
    }
}

fn freshness(reader: &mut Reader<'_>, default: Freshness) -> Freshness {
    const SECTION: &str = "freshness";
    let mut secs = |key, min, max, default| {
        millis(
            reader,
            (SECTION, key),
            span(min, max, "seconds", 3),
            default,
        )
    };
    let found = Freshness {
        mark_ms: secs("mark_stale_secs", dec!(2), dec!(300), default.mark_ms),
        account_ms: secs(
            "account_stale_secs",
            dec!(10),
            dec!(3_600),
            default.account_ms,
        ),
        reconcile_ms: secs("reconcile_secs", dec!(5), dec!(3_600), default.reconcile_ms),
        rules_ms: secs("rules_secs", dec!(60), dec!(86_400), default.rules_ms),
    };
    if found.reconcile_ms >= found.account_ms {
        let line = reader
            .line(SECTION, "reconcile_secs")
            .or_else(|| reader.line(SECTION, "account_stale_secs"));
        reader.problem(
            line,
            format!(
                "reconcile_secs = {} in [{SECTION}] is not below account_stale_secs = {}: the guard would be blind between two readings; make it at most half of it",
                found.reconcile_ms / SECOND_MS,
                found.account_ms / SECOND_MS
            ),
        );
    }
    found
}

fn telegram(reader: &mut Reader<'_>) -> TelegramSettings {
    const SECTION: &str = "telegram";
    TelegramSettings {
        enabled: reader.flag(SECTION, "enabled", false),
        token_env: variable(reader, SECTION, "token_env", "PLIMSOLL_TELEGRAM_TOKEN"),
        api_url: address(
            reader,
            SECTION,
            "api_url",
            "https://api.telegram.org".to_owned(),
            "http",
        ),
        token: None,
    }
}

pub(super) const fn span(min: Decimal, max: Decimal, unit: &'static str, places: u32) -> Span {
    Span {
        min,
        max,
        unit,
        places,
    }
}

/// Percent in the file, a fraction inside.
fn rate(
    reader: &mut Reader<'_>,
    (section, key): (&'static str, &'static str),
    range: Span,
    default: Rate,
) -> Rate {
    let default = default
        .get()
        .saturating_mul(Decimal::ONE_HUNDRED)
        .normalize();
    let percent = reader.number(section, key, range, default);
    Rate::of(divided(percent, Decimal::ONE_HUNDRED))
}

/// Seconds in the file, milliseconds inside.
pub(super) fn millis(
    reader: &mut Reader<'_>,
    (section, key): (&'static str, &'static str),
    range: Span,
    default: i64,
) -> i64 {
    let seconds = divided(Decimal::from(default), Decimal::ONE_THOUSAND);
    let found = reader.number(section, key, range, seconds);
    i64::try_from(found.saturating_mul(Decimal::ONE_THOUSAND)).unwrap_or(default)
}

/// `scale` times the wanted number in the file.
pub(super) fn number_f64(
    reader: &mut Reader<'_>,
    (section, key): (&'static str, &'static str),
    range: Span,
    default: f64,
    scale: Decimal,
) -> f64 {
    let shown = Decimal::try_from(default)
        .unwrap_or_default()
        .saturating_mul(scale)
        .normalize();
    let found = reader.number(section, key, range, shown);
    divided(found, scale).to_f64().unwrap_or(default)
}

fn divided(value: Decimal, by: Decimal) -> Decimal {
    value.checked_div(by).unwrap_or_default().normalize()
}
