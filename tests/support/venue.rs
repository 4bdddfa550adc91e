//! The installed program against a simulated exchange: the exchange runs in this process on its own
//! thread, the program in a process of its own with a home directory of its own.
#![allow(
    dead_code,
    reason = "each test file that includes this uses a part of it"
)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a broken bench must stop the test at once"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use plimsoll::domain::{
    MarginMode, Money, PositionKey, PositionSide, Price, Side, Symbol, Timestamp,
};
use plimsoll::guard::journal::Entry;
use plimsoll::journal::{Filter, Journal};
use plimsoll::sim::face::{Face, FaceOptions, FaceTime, RequestRecord, Urls};
use plimsoll::sim::{
    AccountId, Exchange, ExchangeSpec, MarginChange, PositionView, Tape, Trade, market,
};
use rust_decimal::{Decimal, dec};
use tempfile::TempDir;

/// A key and a secret that must never be seen outside requests.
pub(crate) const KEY: &str = "canary-KeyThatMustNotLeak";
pub(crate) const SECRET: &str = "canary-SecretThatMustNotLeak";
pub(crate) const SYMBOL: &str = "BTCUSDT";
/// Longest wait for anything that should happen.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(10);
/// Steps of the tape: ten minutes at five a second.
const STEPS: i64 = 3_000;

/// A position that the exchange opens at the start.
#[derive(Clone, Copy)]
pub(crate) struct Opening {
    pub(crate) usdt: Decimal,
    pub(crate) notional: Decimal,
    pub(crate) leverage: u32,
    pub(crate) mode: MarginMode,
    /// Long and short slots apart.
    pub(crate) hedge: bool,
}

/// 10,000 USDT of BTCUSDT, long, isolated, twenty times, with plenty beside it: about 4.6 % from
/// liquidation.
pub(crate) const ISOLATED: Opening = Opening {
    usdt: dec!(5000),
    notional: dec!(10000),
    leverage: 20,
    mode: MarginMode::Isolated,
    hedge: false,
};

/// The same as cross with nearly nothing beside it: about 5.5 % from liquidation.
pub(crate) const CROSS: Opening = Opening {
    usdt: dec!(600),
    notional: dec!(10000),
    leverage: 20,
    mode: MarginMode::Cross,
    hedge: false,
};

/// A simulated exchange on its own thread.
pub(crate) struct Venue {
    face: Arc<Face>,
    pub(crate) account: AccountId,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Venue {
    /// One account holding `opening`.
    pub(crate) fn with(opening: Opening) -> Self {
        Self::start(SocketAddr::from(([127, 0, 0, 1], 0)), Some(opening))
    }

    /// One account without a position.
    pub(crate) fn empty() -> Self {
        Self::start(SocketAddr::from(([127, 0, 0, 1], 0)), None)
    }

    /// Listens at a chosen address: an exchange that comes back.
    pub(crate) fn start(listen: SocketAddr, opening: Option<Opening>) -> Self {
        let (tell, told) = mpsc::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("runtime");
            runtime.block_on(async move {
                let mut options = FaceOptions::new(FaceTime::Wall);
                options.listen = listen;
                let (exchange, account) = exchange(opening);
                let face = Arc::new(Face::start(exchange, options).expect("listening"));
                tell.send((Arc::clone(&face), account)).expect("told");
                // Ends when the test has finished or failed.
                let _ = stopped.await;
                face.shutdown();
            });
        });
        let (face, account) = told.recv().expect("the exchange stands");
        Self {
            face,
            account,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) fn face(&self) -> &Face {
        &self.face
    }

    pub(crate) fn urls(&self) -> Urls {
        self.face.urls()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        let urls = self.urls();
        let address = urls.rest.strip_prefix("http://").expect("plain");
        address.parse().expect("address")
    }

    /// Requests that change something, oldest first.
    pub(crate) fn acts(&self) -> Vec<RequestRecord> {
        let mut requests = self.face.requests();
        requests.retain(|request| request.method != "GET" && !request.path.ends_with("/listenKey"));
        requests
    }

    pub(crate) fn posts(&self, path: &str) -> Vec<RequestRecord> {
        let mut acts = self.acts();
        acts.retain(|request| request.method == "POST" && request.path == path);
        acts
    }

    pub(crate) fn reads(&self, path: &str) -> usize {
        let requests = self.face.requests();
        requests
            .iter()
            .filter(|request| request.path == path)
            .count()
    }

    pub(crate) fn added(&self) -> Vec<MarginChange> {
        let account = self.account;
        let mut changes = self.face.with(|exchange| exchange.margin_changes(account));
        changes.retain(|change| change.amount.is_positive());
        changes
    }

    /// Trades after the one that opened the position.
    pub(crate) fn trades(&self) -> Vec<Trade> {
        let account = self.account;
        let trades = self.face.with(|exchange| exchange.trades(account));
        let opening = trades.first().map(|trade| trade.order_id);
        trades
            .into_iter()
            .filter(|trade| Some(trade.order_id) != opening)
            .collect()
    }

    /// Orders after the one that opened the position.
    pub(crate) fn orders(&self) -> usize {
        let mut ids: Vec<u64> = self.trades().iter().map(|trade| trade.order_id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.len()
    }

    pub(crate) fn position(&self) -> PositionView {
        let account = self.account;
        let held = self.face.with(|exchange| exchange.positions(account));
        let [position] = held.as_slice() else {
            panic!("not one position: {held:?}");
        };
        position.clone()
    }

    /// Goes away: every connection breaks, nothing listens any more.
    pub(crate) fn die(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the exchange ended well");
        }
    }
}

impl Drop for Venue {
    fn drop(&mut self) {
        drop(self.stop.take());
    }
}

pub(crate) fn position_key() -> PositionKey {
    PositionKey {
        symbol: Symbol::new(SYMBOL),
        position_side: PositionSide::Both,
    }
}

pub(crate) fn wall_now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("clock");
    Timestamp::from_millis(i64::try_from(since.as_millis()).expect("clock"))
}

fn exchange(opening: Option<Opening>) -> (Exchange, AccountId) {
    let symbol = Symbol::new(SYMBOL);
    let now = wall_now();
    let tape = Tape {
        name: "still".to_owned(),
        symbol: symbol.clone(),
        start: now,
        step_ms: 200,
        marks: (0..STEPS)
            .map(|step| Price::of(dec!(40000) + Decimal::from(step % 3)))
            .collect(),
        notes: Vec::new(),
    };
    let rules = market::for_symbol(&symbol, Price::of(dec!(40000)));
    let mut exchange = Exchange::new(ExchangeSpec::new(vec![(rules, tape)], now));
    let usdt = opening.map_or(dec!(1000), |opening| opening.usdt);
    let account = exchange.add_account(KEY, SECRET.into(), Money::of(usdt));
    if let Some(opening) = opening {
        if opening.hedge {
            exchange.set_hedge(account, true).expect("hedge mode");
        }
        let notional = Money::of(opening.notional);
        let Opening { leverage, mode, .. } = opening;
        exchange
            .open_position(account, &symbol, Side::Long, notional, leverage, mode)
            .expect("opened");
    }
    (exchange, account)
}

/// A home directory with a configuration.
pub(crate) struct Home {
    folder: TempDir,
    sections: BTreeMap<String, Vec<String>>,
    pub(crate) env: Vec<(String, String)>,
}

impl Home {
    /// Key and secret in the environment, everything else by default.
    pub(crate) fn new() -> Self {
        let mut home = Self {
            folder: tempfile::tempdir().expect("folder"),
            sections: BTreeMap::new(),
            env: Vec::new(),
        };
        home.set_env("PLIMSOLL_API_KEY", KEY);
        home.set_env("PLIMSOLL_API_SECRET", SECRET);
        home.set("", "data_dir = \"data\"");
        home.set("log", "level = \"trace\"");
        home
    }

    /// The same for an exchange at `urls`.
    pub(crate) fn at(urls: &Urls) -> Self {
        let mut home = Self::new();
        home.point(urls);
        home
    }

    fn point(&mut self, urls: &Urls) {
        for (key, url) in [
            ("rest", &urls.rest),
            ("wallet_rest", &urls.wallet_rest),
            ("ws_public", &urls.ws_public),
            ("ws_market", &urls.ws_market),
            ("ws_private", &urls.ws_private),
        ] {
            self.set("exchange.urls", &format!("{key} = \"{url}\""));
        }
    }

    /// All addresses at one host.
    pub(crate) fn at_host(address: SocketAddr) -> Self {
        let mut home = Self::new();
        for key in ["rest", "wallet_rest"] {
            home.set("exchange.urls", &format!("{key} = \"http://{address}\""));
        }
        for key in ["ws_public", "ws_market", "ws_private"] {
            home.set("exchange.urls", &format!("{key} = \"ws://{address}/x\""));
        }
        home
    }

    /// Adds a line to a section of the configuration; a line for the same key replaces it.
    pub(crate) fn set(&mut self, section: &str, line: &str) -> &mut Self {
        let key = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
        let lines = self.sections.entry(section.to_owned()).or_default();
        lines.retain(|known| key(known) != key(line));
        lines.push(line.to_owned());
        self
    }

    pub(crate) fn set_env(&mut self, name: &str, value: &str) {
        self.unset_env(name);
        self.env.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn unset_env(&mut self, name: &str) {
        self.env.retain(|(known, _)| known != name);
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Writes the configuration and returns its place.
    pub(crate) fn config(&self) -> PathBuf {
        let mut text = String::new();
        for (section, lines) in &self.sections {
            if !section.is_empty() {
                text.push_str(&format!("[{section}]\n"));
            }
            text.push_str(&lines.join("\n"));
            text.push('\n');
        }
        let path = self.path().join("config.toml");
        std::fs::write(&path, text).expect("written");
        path
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        command
            .args(words)
            .env_clear()
            .env("HOME", self.path())
            .envs(self.env.iter().cloned())
            .current_dir(self.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn call(&self, words: &[&str]) -> Told {
        Told::of(self.command(words).output().expect("ran"))
    }

    /// Runs a command with the configuration to its end.
    pub(crate) fn ask(&self, words: &[&str]) -> Told {
        let config = self.config();
        let mut words = words.to_vec();
        words.extend(["--config", config.to_str().expect("text")]);
        self.call(&words)
    }

    /// The same with standard output on a disk that is full.
    pub(crate) fn ask_into_full_disk(&self, words: &[&str]) -> Told {
        let full = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .expect("full disk");
        self.ask_into(words, full.into())
    }

    /// The same with nobody reading standard output.
    pub(crate) fn ask_unheard(&self, words: &[&str]) -> Told {
        let (reader, writer) = std::io::pipe().expect("pipe");
        drop(reader);
        self.ask_into(words, writer.into())
    }

    fn ask_into(&self, words: &[&str], out: Stdio) -> Told {
        let config = self.config();
        let mut command = self.command(words);
        command.arg("--config").arg(config);
        let child = command.stdout(out).stderr(Stdio::piped()).spawn();
        Told::of(child.expect("started").wait_with_output().expect("ran"))
    }

    /// Starts `plimsoll run`.
    pub(crate) fn run(&self) -> Program {
        let config = self.config();
        self.start(&["run", "--config", config.to_str().expect("text")])
    }

    /// Starts `plimsoll run` in a terminal that goes away at once.
    pub(crate) fn run_unheard(&self) -> Program {
        let config = self.config();
        let config = config.to_str().expect("text");
        let mut child = self
            .command(&["run", "--config", config])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        drop((child.stdout.take(), child.stderr.take()));
        Program {
            child,
            out: Arc::default(),
            err: Arc::default(),
        }
    }

    /// Starts `plimsoll run` in a terminal that is full and that nobody reads, as after Ctrl-S.
    pub(crate) fn run_unread(&self) -> (Program, std::io::PipeReader) {
        let (unread, mut full) = std::io::pipe().expect("pipe");
        let (out, err) = (full.try_clone().expect("pipe"), full.try_clone());
        // Ends with the reader.
        std::thread::spawn(move || while std::io::Write::write_all(&mut full, b".").is_ok() {});
        std::thread::sleep(LOOK * 10);
        let config = self.config();
        let config = config.to_str().expect("text");
        let child = self
            .command(&["run", "--config", config])
            .stdout(out)
            .stderr(err.expect("pipe"))
            .spawn()
            .expect("started");
        let program = Program {
            child,
            out: Arc::default(),
            err: Arc::default(),
        };
        (program, unread)
    }

    /// Starts a command.
    pub(crate) fn start(&self, words: &[&str]) -> Program {
        let mut child = self
            .command(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let out = collect(child.stdout.take().expect("stdout"));
        let err = collect(child.stderr.take().expect("stderr"));
        Program { child, out, err }
    }

    /// All records of the journal so far; empty before there is one.
    pub(crate) fn journal(&self) -> Vec<Entry> {
        let Ok(journal) = Journal::open_read_only(&self.data_dir()) else {
            return Vec::new();
        };
        let entries = journal.entries(&Filter::default()).expect("readable");
        entries
            .into_iter()
            .map(|stored| stored.entry.expect("sound"))
            .collect()
    }

    /// Every byte of the data directory.
    pub(crate) fn data(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let Ok(items) = std::fs::read_dir(self.data_dir()) else {
            return bytes;
        };
        for item in items {
            let path = item.expect("item").path();
            bytes.extend(std::fs::read(path).unwrap_or_default());
        }
        bytes
    }
}

/// What a command that has ended said.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Told {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("text"),
            err: String::from_utf8(output.stderr).expect("text"),
        }
    }

    /// Standard error without log lines: what a person reads as the reason.
    pub(crate) fn reason(&self) -> String {
        let lines = self.err.lines().filter(|line| !is_log(line));
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Log lines begin with a time stamp of microseconds.
fn is_log(line: &str) -> bool {
    let plain = line.trim_start_matches("\u{1b}[2m");
    plain
        .get(..4)
        .is_some_and(|year| year.chars().all(|c| c.is_ascii_digit()))
        && plain.chars().nth(19) == Some('.')
}

/// A command that runs; killed when dropped.
pub(crate) struct Program {
    child: Child,
    out: Arc<Mutex<String>>,
    err: Arc<Mutex<String>>,
}

fn collect(pipe: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let into = Arc::clone(&text);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines() {
            let Ok(line) = line else { return };
            let mut into = into.lock().unwrap();
            into.push_str(&line);
            into.push('\n');
        }
    });
    text
}

impl Program {
    pub(crate) fn out(&self) -> String {
        self.out.lock().unwrap().clone()
    }

    pub(crate) fn err(&self) -> String {
        self.err.lock().unwrap().clone()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `done`; the program must live meanwhile.
    pub(crate) fn until(&mut self, what: &str, mut done: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done() {
            if let Some(status) = self.child.try_wait().expect("status") {
                panic!("ended with {status} before {what}\n{}", self.story());
            }
            assert!(
                Instant::now() < deadline,
                "{what} did not happen\n{}",
                self.story()
            );
            std::thread::sleep(LOOK);
        }
    }

    /// Waits until standard output holds `text`.
    pub(crate) fn until_said(&mut self, text: &str) {
        let out = Arc::clone(&self.out);
        let err = Arc::clone(&self.err);
        self.until(text, move || {
            out.lock().unwrap().contains(text) || err.lock().unwrap().contains(text)
        });
    }

    /// kill -9.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    /// SIGTERM or SIGINT.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.expect("kill").success());
    }

    /// Waits for the end.
    pub(crate) fn ended(mut self) -> (ExitStatus, String, String) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("status") {
                break status;
            }
            assert!(
                Instant::now() < deadline,
                "it does not end\n{}",
                self.story()
            );
            std::thread::sleep(LOOK);
        };
        // The pipes are read to their end by threads of their own.
        let complete = |text: &Arc<Mutex<String>>| {
            while Arc::strong_count(text) > 1 && Instant::now() < deadline {
                std::thread::sleep(LOOK);
            }
            text.lock().unwrap().clone()
        };
        let (out, err) = (complete(&self.out), complete(&self.err));
        (status, out, err)
    }

    /// SIGTERM, and the end that must follow.
    pub(crate) fn stop(self) -> (ExitStatus, String, String) {
        self.signal("TERM");
        self.ended()
    }

    fn story(&self) -> String {
        format!("--- stdout\n{}--- stderr\n{}", self.out(), self.err())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
