//! The configuration file: its defaults, its example, its errors word for word, and its secrets.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests: a failure here is a failed test"
)]

use std::fs;
use std::path::{Path, PathBuf};

use plimsoll::config::{Config, ConfigError, Durability, LogLevel, default_data_dir};
use plimsoll::domain::{Money, Rate};
use plimsoll::guard::event::Mode;
use plimsoll::guard::policy::{PartialClose, Policy, Preset, Silence};
use secrecy::ExposeSecret;

fn no_env(_: &str) -> Option<String> {
    None
}

struct Place(tempfile::TempDir);

impl Place {
    fn new(text: &str) -> Self {
        let dir = tempfile::tempdir().expect("dir");
        fs::write(dir.path().join("config.toml"), text).expect("written");
        Self(dir)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("config.toml")
    }

    /// Writes `name` beside the configuration with `mode`.
    fn add(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).expect("written");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod");
        }
        path
    }

    /// The messages of a refused load, with the directory left out.
    fn refusals(&self, env: &dyn Fn(&str) -> Option<String>) -> String {
        let error = Config::load(&self.path(), env).expect_err("must be refused");
        let dir = format!("{}/", self.0.path().display());
        error.to_string().replace(&dir, "")
    }
}

fn load(text: &str) -> Config {
    Config::load(&Place::new(text).path(), &no_env).expect("loads")
}

fn refusals(text: &str) -> String {
    Place::new(text).refusals(&no_env)
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(refusals(text), expected, "for:\n{text}");
}

#[test]
fn an_empty_file_means_the_defaults() {
    let config = load("");
    assert_eq!(config.policy, Policy::default());
    assert!(!config.exchange.live);
    assert!(!config.telegram.enabled);
    assert_eq!(config.exchange.name, "binance-usdm");
    assert_eq!(config.exchange.api_key_env, "PLIMSOLL_API_KEY");
    assert_eq!(config.exchange.request_timeout_ms, 5_000);
    assert_eq!(config.journal.durability, Durability::Normal);
    assert_eq!(config.log.level, LogLevel::Info);
    assert_eq!(Some(config.data_dir), default_data_dir());
}

#[test]
fn the_example_equals_the_defaults_and_mentions_every_key() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.toml");
    let example = Config::load(&path, &no_env).expect("the example loads");
    assert_eq!(format!("{example:?}"), format!("{:?}", load("")));
    let text = fs::read_to_string(path).expect("example");
    let mut section = String::new();
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = format!("{}.", name.trim_end_matches(']'));
        } else if let Some((key, _)) = line.trim_start_matches("# ").split_once(" = ") {
            found.push(format!("{section}{key}"));
        }
    }
    let mut known = Config::keys();
    found.sort();
    known.sort();
    assert_eq!(found, known);
}

#[test]
fn every_default_in_the_example_is_written_out() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.toml");
    let text = fs::read_to_string(path).expect("example");
    let commented: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# ")?.split_once(" = "))
        .map(|(key, _)| key)
        .collect();
    assert_eq!(commented, ["data_dir", "secrets_file"]);
}

#[test]
fn each_key_reaches_its_place_exactly() {
    let config = load(
        r#"
        mode = "auto"
        data_dir = "state"
        symbols = ["BTCUSDT", "币安人生USDT"]
        [exchange]
        live = true
        receive_window_ms = 2500
        request_timeout_ms = 1500
        allow_wallet_transfer = true
        [exchange.urls]
        rest = "https://demo-fapi.binance.com/"
        [guard]
        preset = "careful"
        floor_distance_pct = 2.25
        blind_distance_pct = 3
        breach_limit_pct = 0.5
        horizon_secs = 600.5
        restore_factor = 2
        time_needed_ms = 7_000
        cooldown_secs = 3
        ask_secs = 40
        silence = "hold"
        fallback_slippage_pct = 0.15
        fallback_fee_pct = 0.04
        mismatch_tolerance_pct = 1e-1
        partial_close = "keeps-margin"
        [budget]
        add_per_action_usdt = 12.5
        add_per_position_day_usdt = 99
        keep_available_usdt = 10
        trim_per_action_pct = 33.3
        actions_per_position_day = 5
        top_ups_per_position_day = 0
        move_in_per_day_usdt = 250.5
        [rescue]
        cancel_own_orders = false
        give_back = true
        give_back_after_secs = 7200
        give_back_factor = 4.5
        [freshness]
        mark_stale_secs = 4
        account_stale_secs = 60
        reconcile_secs = 20
        rules_secs = 600
        [journal]
        durability = "full"
        [log]
        level = "debug"
        "#,
    );
    let rate = |text: &str| text.parse::<Rate>().expect("rate");
    let money = |text: &str| text.parse::<Money>().expect("money");
    let policy = &config.policy;
    assert_eq!(policy.mode, Mode::Auto);
    assert_eq!(policy.symbols, ["BTCUSDT", "币安人生USDT"]);
    assert_eq!(policy.triggers.preset, Preset::Careful);
    assert_eq!(policy.triggers.floor_distance, rate("0.0225"));
    assert_eq!(policy.triggers.blind_distance, rate("0.03"));
    assert!((policy.triggers.breach_limit - 0.005).abs() < 1e-12);
    assert_eq!(policy.triggers.horizon_ms, 600_500);
    assert!((policy.triggers.restore_factor - 2.0).abs() < 1e-12);
    assert_eq!(policy.triggers.time_needed_ms, 7_000);
    assert_eq!((policy.cooldown_ms, policy.ask_ms), (3_000, 40_000));
    assert_eq!(policy.silence, Silence::Hold);
    assert_eq!(policy.fallback_slippage, rate("0.0015"));
    assert_eq!(policy.fallback_fee, rate("0.0004"));
    assert_eq!(policy.mismatch_tolerance, rate("0.001"));
    assert_eq!(policy.partial_close, PartialClose::KeepsMargin);
    assert_eq!(policy.receive_window_ms, 2_500);
    assert_eq!(policy.budgets.add_per_action, money("12.5"));
    assert_eq!(policy.budgets.add_per_position_day, money("99"));
    assert_eq!(policy.budgets.keep_available, money("10"));
    assert_eq!(policy.budgets.trim_per_action, rate("0.333"));
    assert_eq!(policy.budgets.actions_per_position_day, 5);
    assert_eq!(policy.budgets.top_ups_per_position_day, 0);
    let give_back = &policy.allowance.give_back;
    assert!(!policy.allowance.cancel_own_orders);
    assert_eq!(policy.allowance.move_in_per_day, money("250.5"));
    assert!(give_back.allowed && (give_back.factor - 4.5).abs() < 1e-12);
    assert_eq!(give_back.after_ms, 7_200_000);
    assert_eq!(policy.freshness.mark_ms, 4_000);
    assert_eq!(policy.freshness.account_ms, 60_000);
    assert_eq!(policy.freshness.reconcile_ms, 20_000);
    assert_eq!(policy.freshness.rules_ms, 600_000);
    assert_eq!(config.exchange.urls.rest, "https://demo-fapi.binance.com");
    assert_eq!(config.exchange.request_timeout_ms, 1_500);
    assert!(config.exchange.live && config.exchange.allow_wallet_transfer);
    assert_eq!(config.journal.durability, Durability::Full);
    assert_eq!(config.log.level, LogLevel::Debug);
    assert!(config.data_dir.ends_with("state") && config.data_dir.is_absolute());
}

#[test]
fn unknown_keys_are_errors_with_the_likely_meaning() {
    check(
        "\n[guard]\nfloor_distnace_pct = 2\n",
        "config.toml:3: unknown key \"floor_distnace_pct\" in [guard]; did you mean \"floor_distance_pct\"?",
    );
    check(
        "mode = \"watch\"\nsymbol = []\n",
        "config.toml:2: unknown key \"symbol\"; did you mean \"symbols\"?",
    );
    check(
        "[budget]\nhorizon_secs = 5\n",
        "config.toml:2: unknown key \"horizon_secs\" in [budget]; it belongs in [guard]",
    );
    check(
        "[log]\nmode = \"watch\"\n",
        "config.toml:2: unknown key \"mode\" in [log]; it belongs at the top, before the first [section]",
    );
    check(
        "[journal]\nwhatever = 1\n",
        "config.toml:2: unknown key \"whatever\" in [journal]; known here are durability",
    );
    check(
        "[budgets]\n",
        "config.toml:1: unknown section [budgets]; did you mean [budget]?",
    );
    check(
        "[exchange.url]\nrest = \"x\"\n",
        "config.toml:1: unknown section [exchange.url]; did you mean [exchange.urls]?",
    );
    check(
        "guard = 3\n",
        "config.toml:1: guard is a section, found the number 3; write [guard] on a line of its own",
    );
}

#[test]
fn wrong_types_say_what_was_found_and_what_to_write() {
    check(
        "[guard]\nrestore_factor = \"2.28\"\n",
        "config.toml:2: restore_factor in [guard] must be a plain number, found the text \"2.28\"; write restore_factor = 2.28",
    );
    check(
        "[exchange]\nlive = \"yes\"\n",
        "config.toml:2: live in [exchange] must be true or false, found the text \"yes\"; write live = false",
    );
    check(
        "mode = 1\n",
        "config.toml:1: mode must be a text in quotes, found the number 1; write mode = \"...\"",
    );
    check(
        "symbols = \"BTCUSDT\"\n",
        "config.toml:1: symbols must be a list of texts, found the text \"BTCUSDT\"; write symbols = [\"BTCUSDT\", \"ETHUSDT\"]",
    );
    check(
        "mode = \"Auto\"\n",
        "config.toml:1: mode cannot be \"Auto\"; did you mean \"auto\"?",
    );
    check(
        "[guard]\nsilence = \"panic\"\n",
        "config.toml:2: silence in [guard] cannot be \"panic\"; write \"act\" or \"hold\"",
    );
    check(
        "[guard]\nhorizon_secs = nan\n",
        "config.toml:2: horizon_secs in [guard] must be a plain number, found the number nan; write horizon_secs = 900",
    );
    check(
        "[budget]\nactions_per_position_day = 2.5\n",
        "config.toml:2: actions_per_position_day = 2.5 in [budget] must be a whole number; write 2",
    );
}

#[test]
fn numbers_outside_their_range_are_refused_with_a_guess_at_the_unit() {
    check(
        "[guard]\nfloor_distance_pct = 0.015\n",
        "config.toml:2: floor_distance_pct = 0.015 in [guard] is below 0.05; that is 0.015 %, did you mean 1.5?",
    );
    check(
        "[budget]\ntrim_per_action_pct = 0.5\n",
        "config.toml:2: trim_per_action_pct = 0.5 in [budget] is below 1; that is 0.5 %, did you mean 50?",
    );
    check(
        "[budget]\ntrim_per_action_pct = 150\n",
        "config.toml:2: trim_per_action_pct = 150 in [budget] is above 100; write 1 to 100 %, or leave it out for 100",
    );
    check(
        "[guard]\nbreach_limit_pct = 0\n",
        "config.toml:2: breach_limit_pct = 0 in [guard] is below 0.05; write 0.05 to 100 %, or leave it out for 100",
    );
    check(
        "[freshness]\nmark_stale_secs = 10000\n",
        "config.toml:2: mark_stale_secs = 10000 in [freshness] is above 300; write 2 to 300 seconds, or leave it out for 10",
    );
    check(
        "[budget]\nadd_per_action_usdt = -1\n",
        "config.toml:2: add_per_action_usdt = -1 in [budget] is below 0; write 0 to 1000000000 USDT, or leave it out for 500",
    );
    check(
        "[freshness]\nreconcile_secs = 90\n",
        "config.toml:2: reconcile_secs = 90 in [freshness] is not below account_stale_secs = 90: the guard would be blind between two readings; make it at most half of it",
    );
}

#[test]
fn symbols_are_checked_one_by_one() {
    check(
        "symbols = [\n  \"btcusdt\",\n  \"BTC/USDT\",\n  \"ETHUSDT\",\n  \"ETHUSDT\",\n  7,\n]\n",
        "config.toml:2: symbols holds \"btcusdt\"; did you mean \"BTCUSDT\"?\n\
         config.toml:3: symbols holds \"BTC/USDT\", which is no symbol; write it as the exchange does, like \"BTCUSDT\"\n\
         config.toml:5: symbols holds \"ETHUSDT\" twice; remove one\n\
         config.toml:6: symbols must be a list of texts, found the number 7; write symbols = [\"BTCUSDT\", \"ETHUSDT\"]",
    );
}

#[test]
fn all_problems_come_at_once_in_the_order_of_the_file() {
    let text = "mode = \"wacth\"\n[telegram]\nenable = true\n[guard]\nask_secs = 0\n";
    check(
        text,
        "config.toml:1: mode cannot be \"wacth\"; did you mean \"watch\"?\n\
         config.toml:3: unknown key \"enable\" in [telegram]; did you mean \"enabled\"?\n\
         config.toml:5: ask_secs = 0 in [guard] is below 1; write 1 to 3600 seconds, or leave it out for 120",
    );
}

#[test]
fn real_orders_need_the_owners_word() {
    check(
        "# mine\nmode = \"auto\"\n",
        "config.toml:2: mode = \"auto\" sends real orders to https://fapi.binance.com; set live = true in [exchange] to allow that, or mode = \"watch\"",
    );
    for url in [
        "http://127.0.0.1:8080",
        "http://localhost:1",
        "http://[::1]:9",
    ] {
        let ws = url.replace("http", "ws");
        load(&format!(
            "mode = \"auto\"\n[exchange.urls]\nrest = \"{url}\"\nws_public = \"{ws}\"\nws_market = \"{ws}\"\nws_private = \"{ws}\"\n"
        ));
    }
    let alone = refusals("[exchange.urls]\nrest = \"http://127.0.0.1:9\"\n");
    assert!(
        alone.starts_with("config.toml:2: ws_public in [exchange.urls] is wss://fstream.binance.com/public while rest is this machine: "),
        "{alone}"
    );
    load("mode = \"ask\"\n[exchange]\nlive = true\n");
    check(
        "mode = \"ask\"\n[exchange]\nlive = true\n[exchange.urls]\nws_market = \"ws://127.0.0.1:9\"\n",
        "config.toml:5: ws_market in [exchange.urls] is this machine while rest is https://fapi.binance.com: a real account would be guarded by simulated prices; let all of them point to the same venue",
    );
}

#[test]
fn addresses_are_encrypted_or_on_this_machine() {
    let url = |url: &str| {
        refusals(&format!("[exchange.urls]\nrest = \"{url}\"\n"))
            .strip_prefix("config.toml:2: rest in [exchange.urls] ")
            .and_then(|rest| {
                rest.strip_suffix("; write one like rest = \"https://fapi.binance.com\"")
            })
            .map(str::to_owned)
    };
    let plain = "is not encrypted, which only this machine may be (http://127.0.0.1:PORT)";
    for (text, expected) in [
        ("http://fapi.binance.com", plain),
        ("http://127.0.0.1.evil.example", plain),
        ("http://localhost.evil.example", plain),
        (
            "http://127.0.0.1@evil.example",
            "holds a user name or password",
        ),
        (
            "https://key:word@fapi.binance.com",
            "holds a user name or password",
        ),
        (
            "https://fapi.binance.com?x=1",
            "holds more than host and path",
        ),
        ("wss://fapi.binance.com", "begins with \"wss\""),
        (
            "fapi.binance.com",
            "is not an address (relative URL without a base)",
        ),
    ] {
        assert_eq!(url(text).as_deref(), Some(expected), "{text}");
    }
    check(
        "[telegram]\napi_url = \"http://bot.example\"\n",
        "config.toml:2: api_url in [telegram] is not encrypted, which only this machine may be (http://127.0.0.1:PORT); write one like api_url = \"https://api.telegram.org\"",
    );
}

#[test]
fn a_secret_in_the_file_is_refused_without_repeating_it() {
    let canary = "CANARYcanary0123456789CANARYcanary0123456789";
    for (text, expected) in [
        (
            format!("[exchange]\napi_secret = \"{canary}\"\n"),
            "config.toml:2: \"api_secret\" in [exchange] looks like a secret, and secrets never go into this file; set the environment variable PLIMSOLL_API_SECRET, or put it into a file of mode 0600 and name that with secrets_file in [exchange]",
        ),
        (
            format!("[telegram]\ntoken = \"{canary}\"\n"),
            "config.toml:2: \"token\" in [telegram] looks like a secret, and secrets never go into this file; set the environment variable PLIMSOLL_TELEGRAM_TOKEN, or put it into a file of mode 0600 and name that with secrets_file in [exchange]",
        ),
        (
            format!("apiKey = \"{canary}\"\n"),
            "config.toml:1: \"apiKey\" looks like a secret, and secrets never go into this file; set the environment variable PLIMSOLL_API_KEY, or put it into a file of mode 0600 and name that with secrets_file in [exchange]",
        ),
        (
            format!("[exchange]\napi_key_env = \"{canary}\"\n"),
            "config.toml:2: api_key_env in [exchange] must be the name of an environment variable in capitals, not a secret itself; write api_key_env = \"PLIMSOLL_API_KEY\" and set that variable",
        ),
        (
            format!("[exchange]\nname = \"{canary}\"\n"),
            "config.toml:2: name in [exchange] cannot be a text of 44 characters; write \"binance-usdm\"",
        ),
    ] {
        check(&text, expected);
    }
    assert!(!refusals(&format!("[exchange]\napi_secret = {canary}\n")).contains("CANARY"));
}

#[test]
fn broken_toml_names_the_line() {
    let message = refusals("mode = \"watch\"\n[guard\n");
    assert!(
        message.starts_with("config.toml:2: this is not valid TOML: "),
        "{message}"
    );
    assert_eq!(message.lines().count(), 1);
}

#[test]
fn a_missing_file_says_where_it_was_looked_for() {
    let path = Path::new("/nonexistent/plimsoll/config.toml");
    let error = Config::load(path, &no_env).expect_err("missing");
    assert!(matches!(error, ConfigError::Missing { .. }));
    assert_eq!(
        error.to_string(),
        "there is no configuration at /nonexistent/plimsoll/config.toml; copy config.example.toml there and edit it, or name another file with --config"
    );
}

#[test]
fn secrets_come_from_the_named_file_and_otherwise_from_the_environment() {
    let place = Place::new("[exchange]\nsecrets_file = \"s.toml\"\n[telegram]\nenabled = true\n");
    place.add("s.toml", "api_key = \"file-key\"\n", 0o600);
    let env = |name: &str| Some(format!("env-{name}"));
    let config = Config::load(&place.path(), &env).expect("loads");
    let shown = |secret: &Option<secrecy::SecretString>| {
        secret.as_ref().map(|s| s.expose_secret().to_owned())
    };
    assert_eq!(shown(&config.exchange.api_key).as_deref(), Some("file-key"));
    assert_eq!(
        shown(&config.exchange.api_secret).as_deref(),
        Some("env-PLIMSOLL_API_SECRET")
    );
    assert_eq!(
        shown(&config.telegram.token).as_deref(),
        Some("env-PLIMSOLL_TELEGRAM_TOKEN")
    );
    let debug = format!("{config:?} {config:#?}");
    assert!(
        !debug.contains("file-key") && !debug.contains("env-PLIM"),
        "{debug}"
    );
    let bare = Config::load_settings(&place.path()).expect("loads without secrets");
    assert!(bare.exchange.api_key.is_none() && bare.telegram.token.is_none());
}

#[test]
fn other_variables_can_be_named() {
    let place = Place::new("[exchange]\napi_key_env = \"MY_KEY\"\n");
    let env = |name: &str| (name == "MY_KEY").then(|| "k".to_owned());
    let config = Config::load(&place.path(), &env).expect("loads");
    assert!(config.exchange.api_key.is_some() && config.exchange.api_secret.is_none());
}

#[test]
fn a_variable_with_a_line_break_is_refused_without_repeating_it() {
    let env = |name: &str| (name == "PLIMSOLL_API_KEY").then(|| "CANARY\n".to_owned());
    assert_eq!(
        Place::new("").refusals(&env),
        "config.toml: the environment variable PLIMSOLL_API_KEY holds a space, a line break or a control character; set it again"
    );
}

#[test]
fn telegram_without_a_token_is_refused() {
    check(
        "[telegram]\nenabled = true\n",
        "config.toml:2: telegram is enabled but there is no bot token; set the environment variable PLIMSOLL_TELEGRAM_TOKEN, or telegram_token in the secrets file",
    );
}

#[cfg(unix)]
#[test]
fn a_secrets_file_that_others_can_reach_is_refused() {
    let place = Place::new("\n[exchange]\nsecrets_file = \"s.toml\"\n");
    let good = "api_key = \"CANARY\"\n";
    for mode in [0o644, 0o640, 0o620, 0o602, 0o604, 0o660] {
        place.add("s.toml", good, mode);
        assert_eq!(
            place.refusals(&no_env),
            format!(
                "config.toml:3: secrets_file s.toml can be read or written by others (mode {mode:04o}); run: chmod 600 s.toml"
            )
        );
    }
    for mode in [0o600, 0o400] {
        fs::remove_file(place.0.path().join("s.toml")).expect("removed");
        place.add("s.toml", good, mode);
        Config::load(&place.path(), &no_env).expect("loads");
    }
}

#[cfg(unix)]
#[test]
fn a_secrets_file_must_be_a_plain_file() {
    let place = Place::new("[exchange]\nsecrets_file = \"s.toml\"\n");
    let real = place.add("real.toml", "api_key = \"k\"\n", 0o600);
    std::os::unix::fs::symlink(real, place.0.path().join("s.toml")).expect("link");
    assert_eq!(
        place.refusals(&no_env),
        "config.toml:2: secrets_file s.toml is a symbolic link; name the file itself"
    );
    fs::remove_file(place.0.path().join("s.toml")).expect("removed");
    assert!(place.refusals(&no_env).starts_with(
        "config.toml:2: secrets_file s.toml cannot be read: No such file or directory"
    ));
    fs::create_dir(place.0.path().join("s.toml")).expect("dir");
    assert_eq!(
        place.refusals(&no_env),
        "config.toml:2: secrets_file s.toml is not a plain file; name a file of mode 0600"
    );
}

#[test]
fn a_wrong_secrets_file_is_explained_without_its_content() {
    let place = Place::new("[exchange]\nsecrets_file = \"s.toml\"\n");
    for (text, expected) in [
        (
            "api_key = \"ok\"\nCANARY = 1\n",
            "s.toml:2: unknown key; a secrets file holds only api_key, api_secret, telegram_token",
        ),
        (
            "api_key = CANARY\n",
            "s.toml:1: this is not valid TOML; write lines like api_key = \"...\"",
        ),
        (
            "api_secret = \"CANARY CANARY\"\n",
            "s.toml:1: api_secret holds a space, a line break or a control character; write api_secret = \"...\"",
        ),
        (
            "telegram_token = 12\n",
            "s.toml:1: telegram_token is not a text in quotes; write telegram_token = \"...\"",
        ),
        (
            "api_key = \"\"\n",
            "s.toml:1: api_key is empty; write api_key = \"...\"",
        ),
    ] {
        place.add("s.toml", text, 0o600);
        assert_eq!(place.refusals(&no_env), expected);
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(400))]

    /// Whatever a slip of the hand does to the file, it loads or is refused in whole sentences.
    #[test]
    fn any_slip_in_the_file_loads_or_is_refused_in_one_line_per_problem(
        place in proptest::prelude::any::<proptest::sample::Index>(),
        removed in 0_usize..6,
        added in "[\\[\\]\"=#.a-z0-9_ \n\u{1}é-]{0,6}",
    ) {
        let example = include_str!("../config.example.toml");
        let letters: Vec<char> = example.chars().collect();
        let start = place.index(letters.len());
        let text: String = letters[..start]
            .iter()
            .copied()
            .chain(added.chars())
            .chain(letters.iter().skip(start + removed).copied())
            .collect();
        let dir = Place::new(&text);
        if let Err(error) = Config::load(&dir.path(), &no_env) {
            let message = error.to_string();
            let file = dir.path().display().to_string();
            assert!(!message.is_empty());
            for line in message.lines() {
                assert!(line.starts_with(&file), "{line}");
                assert!(line.contains("; "), "no fix in: {line}");
                assert!(!line.contains(char::is_control), "{line:?}");
            }
        }
    }
}

#[test]
fn moving_money_in_needs_the_owners_word_for_the_key_too() {
    check(
        "[budget]\nmove_in_per_day_usdt = 100\n",
        "config.toml:2: move_in_per_day_usdt = 100 in [budget] needs a key that may move funds between your wallets; set allow_wallet_transfer = true in [exchange], or move_in_per_day_usdt = 0",
    );
    load("[exchange]\nallow_wallet_transfer = true\n[budget]\nmove_in_per_day_usdt = 100\n");
}

#[test]
fn limits_that_contradict_each_other_are_told_with_their_line() {
    check(
        "[budget]\nadd_per_position_day_usdt = 300\nadd_per_action_usdt = 400\n",
        "config.toml:3: add_per_action_usdt = 400 in [budget] is above add_per_position_day_usdt = 300: so much would never be added; lower it, or raise that",
    );
    check(
        "[guard]\nblind_distance_pct = 1.5\nfloor_distance_pct = 2\n",
        "config.toml:2: blind_distance_pct = 1.5 in [guard] is below floor_distance_pct = 2, which holds always: it would never count; make it at least as large, or leave it out",
    );
    // One limit alone may be moved past a default of the other.
    load("[budget]\nadd_per_position_day_usdt = 300\n");
    load("[budget]\nadd_per_position_day_usdt = 0\nadd_per_action_usdt = 500\n");
    load("[guard]\nfloor_distance_pct = 2\n");
}
