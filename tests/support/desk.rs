//! A trader's desk: the Telegram side running against the local Bot API server, with an agent that
//! answers as it is told and a clock that the test moves.
#![allow(
    dead_code,
    reason = "each test file that includes this uses a part of it"
)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a broken desk must stop the test at once"
)]

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use plimsoll::domain::{
    MarginMode, Money, PositionKey, PositionMode, PositionSide, Quantity, Side, Symbol, Timestamp,
};
use plimsoll::guard::action::{BalanceView, PositionView, Report, ReportKind, Severity, View};
use plimsoll::guard::event::{Command, Mode, Question};
use plimsoll::guard::intent::{Before, Intent, IntentId, IntentKind, Scope};
use plimsoll::guard::level::Level;
use plimsoll::net::clock::Clock;
use plimsoll::telegram::{self, Notice, Request, Settings, TelegramError};
use secrecy::SecretString;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::bot_api::{BotApi, TRADER};

/// A token that must never be seen outside requests.
pub(crate) const TOKEN: &str = "123456:canary-TokenThatMustNotLeak";
/// 2025-10-10T21:20:00Z.
pub(crate) const START_MS: i64 = 1_760_131_200_000;
/// Virtual milliseconds for each real one while a test waits for an answer.
const HASTE: i64 = 100;
/// The same while a test waits for time to pass.
const HURRY: i64 = 500;

pub(crate) struct Desk {
    pub(crate) api: BotApi,
    pub(crate) clock: Clock,
    pub(crate) pairing_file: PathBuf,
    notices: Option<mpsc::Sender<Notice>>,
    commands: Arc<Mutex<Vec<Command>>>,
    reply: Arc<Mutex<Option<Result<String, String>>>>,
    view: Arc<Mutex<View>>,
    shown: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<Result<(), TelegramError>>,
    _folder: tempfile::TempDir,
}

impl Desk {
    /// A desk whose trader is paired and whose bot listens.
    pub(crate) async fn paired() -> Self {
        Self::paired_with(|_| {}).await
    }

    /// The same, with a server that was prepared by `prepare` before anybody called it.
    pub(crate) async fn paired_with(prepare: impl FnOnce(&BotApi)) -> Self {
        let desk = Self::start(true, prepare).await;
        desk.until("the bot listens", |desk| desk.api.is_polled())
            .await;
        desk
    }

    /// A desk with nobody paired; the bot listens.
    pub(crate) async fn unpaired() -> Self {
        let desk = Self::start(false, |_| {}).await;
        desk.until("the bot listens", |desk| desk.api.is_polled())
            .await;
        desk
    }

    /// A desk that may not come to listen.
    pub(crate) async fn start(paired: bool, prepare: impl FnOnce(&BotApi)) -> Self {
        let clock = Clock::manual(Timestamp::from_millis(START_MS));
        let api = BotApi::start(TOKEN, clock.clone()).await;
        prepare(&api);
        let folder = tempfile::tempdir().expect("tempdir");
        let pairing_file = folder.path().join("telegram.json");
        if paired {
            let text = format!(r#"{{"user_id":{TRADER},"chat_id":{TRADER},"paired_at":1}}"#);
            write_private(&pairing_file, &text);
        }
        let (notices, inbox) = mpsc::channel(256);
        let (requests, asked) = mpsc::channel(8);
        let shown = Arc::new(Mutex::new(Vec::new()));
        let commands = Arc::new(Mutex::new(Vec::new()));
        let reply = Arc::new(Mutex::new(Some(Ok("Done as you said.".to_owned()))));
        let view = Arc::new(Mutex::new(account()));
        tokio::spawn(agent(
            asked,
            Arc::clone(&commands),
            Arc::clone(&reply),
            Arc::clone(&view),
        ));
        let settings = Settings {
            token: SecretString::from(TOKEN),
            api_url: Some(api.url()),
            pairing_file: pairing_file.clone(),
            version: "0.1.0 (test)".into(),
        };
        let lines = Arc::clone(&shown);
        let task = tokio::spawn(telegram::run(
            settings,
            clock.clone(),
            inbox,
            requests,
            move |line| lines.lock().unwrap().push(line),
        ));
        Self {
            api,
            clock,
            pairing_file,
            notices: Some(notices),
            commands,
            reply,
            view,
            shown,
            task,
            _folder: folder,
        }
    }

    pub(crate) async fn tell(&self, notice: Notice) {
        let notices = self.notices.as_ref().expect("open");
        notices.send(notice).await.expect("telegram runs");
    }

    /// What the agent answers to commands from now on; `None`: nothing at all.
    pub(crate) fn agent_says(&self, reply: Option<Result<&str, &str>>) {
        *self.reply.lock().unwrap() =
            reply.map(|reply| reply.map(str::to_owned).map_err(str::to_owned));
    }

    pub(crate) fn change_view(&self, change: impl FnOnce(&mut View)) {
        change(&mut self.view.lock().unwrap());
    }

    pub(crate) fn commands(&self) -> Vec<Command> {
        self.commands.lock().unwrap().clone()
    }

    pub(crate) fn shown(&self) -> String {
        self.shown.lock().unwrap().join("\n")
    }

    /// The pairing code that was shown last.
    pub(crate) fn code(&self) -> String {
        let shown = self.shown();
        let (_, after) = shown.rsplit_once("/pair ").expect("a code is shown");
        after.split_whitespace().next().expect("code").to_owned()
    }

    /// The texts in the trader's chat.
    pub(crate) fn texts(&self) -> Vec<String> {
        let chat = self.api.chat(TRADER);
        chat.into_iter().map(|shown| shown.text).collect()
    }

    /// Waits for `condition` while virtual time runs 100 times as fast as the wall clock.
    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        self.wait(HASTE, what, condition).await;
    }

    /// The same 500 times as fast, where nobody writes meanwhile.
    pub(crate) async fn until_long(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        self.wait(HURRY, what, condition).await;
    }

    async fn wait(&self, step_ms: i64, what: &str, condition: impl Fn(&Self) -> bool) {
        for _ in 0..2_000 {
            if condition(self) {
                return;
            }
            self.clock.advance_to(self.clock.now().plus_ms(step_ms));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!(
            "waited in vain until {what}; chat: {:#?}; shown: {}; refused: {:#?}",
            self.texts(),
            self.shown(),
            self.api.refused()
        );
    }

    /// Writes as the trader and returns the first text that appears then.
    pub(crate) async fn ask(&self, text: &str) -> String {
        let before = self.texts().len();
        self.api.write(TRADER, text);
        self.until(text, |desk| desk.texts().len() > before).await;
        self.texts().swap_remove(before)
    }

    /// Moves virtual time without waiting for anything.
    pub(crate) async fn pass(&self, ms: i64) {
        self.clock.advance_to(self.clock.now().plus_ms(ms));
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
    }

    /// Hangs up and returns how the conversation ended.
    pub(crate) async fn end(mut self) -> Result<(), TelegramError> {
        self.notices = None;
        self.ended().await
    }

    /// How the conversation ended by itself.
    pub(crate) async fn ended(mut self) -> Result<(), TelegramError> {
        tokio::time::timeout(Duration::from_secs(2), &mut self.task)
            .await
            .expect("it ends soon")
            .expect("it does not panic")
    }
}

async fn agent(
    mut asked: mpsc::Receiver<Request>,
    commands: Arc<Mutex<Vec<Command>>>,
    reply: Arc<Mutex<Option<Result<String, String>>>>,
    view: Arc<Mutex<View>>,
) {
    let mut unanswered = Vec::new();
    while let Some(request) = asked.recv().await {
        match request {
            Request::View(answer) => {
                let _ = answer.send(view.lock().unwrap().clone());
            }
            Request::Outlook(answer) => drop(answer.send(Vec::new())),
            Request::Command(command, answer) => {
                commands.lock().unwrap().push(command);
                match reply.lock().unwrap().clone() {
                    Some(reply) => {
                        let _ = answer.send(reply);
                    }
                    None => unanswered.push(answer),
                }
            }
        }
    }
}

pub(crate) fn write_private(path: &std::path::Path, text: &str) {
    std::fs::write(path, text).expect("written");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("chmod");
    }
}

pub(crate) fn intent(symbol: &str, sequence: u64) -> Intent {
    let key = PositionKey {
        symbol: Symbol::new(symbol),
        position_side: PositionSide::Both,
    };
    Intent {
        id: IntentId::new("k3f9", sequence),
        plan: sequence,
        scope: Scope::Isolated(key.clone()),
        key,
        side: Side::Long,
        margin_mode: MarginMode::Isolated,
        position_mode: PositionMode::OneWay,
        margin_asset: "USDT".into(),
        recycled: false,
        kind: IntentKind::AddMargin {
            amount: "500".parse().expect("money"),
        },
        before: Before {
            quantity: Quantity::ZERO,
            isolated_wallet: Money::ZERO,
            cross_wallet: Money::ZERO,
        },
        cost: Money::ZERO,
        reason: "distance 3.10 % is below the floor of 4.00 %".into(),
        planned_at: Timestamp::from_millis(START_MS),
    }
}

/// A question about `intent(.., sequence)` that stands for `seconds` from now.
pub(crate) fn question(desk: &Desk, sequence: u64, seconds: i64) -> Question {
    Question {
        intent: intent("BTCUSDT", sequence),
        deadline: desk.clock.now().plus_ms(seconds * 1_000),
        silence_acts: true,
    }
}

/// A report about an intent (`sequence` above zero) or about the scope of `BTCUSDT`.
pub(crate) fn report(kind: ReportKind, severity: Severity, sequence: u64, text: &str) -> Notice {
    let about = intent("BTCUSDT", sequence);
    Notice::Report(Report {
        at: Timestamp::from_millis(START_MS),
        kind,
        severity,
        scope: Some(about.scope.clone()),
        intent: (sequence > 0).then_some(about),
        text: text.into(),
    })
}

pub(crate) fn account() -> View {
    View {
        at: Timestamp::from_millis(START_MS),
        mode: Mode::Ask,
        paused: false,
        blind: Vec::new(),
        balances: vec![BalanceView {
            asset: "USDT".into(),
            cross_wallet: "1000".parse().expect("money"),
            available: "900".parse().expect("money"),
        }],
        positions: vec![position("BTCUSDT")],
        open_intents: Vec::new(),
        questions: Vec::new(),
    }
}

pub(crate) fn position(symbol: &str) -> PositionView {
    PositionView {
        symbol: Symbol::new(symbol),
        position_side: PositionSide::Both,
        side: Side::Long,
        quantity: "0.5".parse().expect("quantity"),
        entry_price: "57310.5".parse().expect("price"),
        mark_price: "56000".parse().expect("price"),
        margin_mode: MarginMode::Isolated,
        leverage: Some(20),
        isolated_margin: "1500".parse().expect("money"),
        unrealized_pnl: "-655.25".parse().expect("money"),
        liquidation_price: Some("54712".parse().expect("price")),
        exchange_liquidation_price: Some("54712".parse().expect("price")),
        distance_pct: Some(2.3),
        margin_ratio: Some(0.4567),
        level: Level::Watch,
        cause: "distance is small".into(),
        act_price: None,
        breach_probability: None,
        maintenance_margin: Money::ZERO,
        funding_rate: None,
    }
}
