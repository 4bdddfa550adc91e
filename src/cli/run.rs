//! `plimsoll run`: guard a live account until stopped.

use std::io::IsTerminal;
use std::time::Duration;

use clap::Args;
use tokio::sync::{mpsc, watch};

use super::connect::{self, ConfigArg};
use super::exit::Exit;
use super::signal;
use super::terminal::{self, say, warn};
use crate::agent::{self, Channels, Setup};
use crate::config::Config;
use crate::guard::action::Severity;
use crate::journal::{Durability, InstanceLock, Journal, JournalError};
use crate::net::clock::Clock;
use crate::telegram::{self, Notice, Request, render};

/// Notices that may wait for Telegram; when they are full a new one is left out, and logged.
const NOTICES_MAX: usize = 256;
/// Requests that may wait for the agent.
const REQUESTS_MAX: usize = 32;
/// Telegram may take this long to deliver its last messages.
const LAST_WORDS: Duration = Duration::from_secs(3);

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) async fn run(args: RunArgs) -> anyhow::Result<Exit> {
    let stopped_by_hand = signal::stopped();
    let (path, config) = args.config.load()?;
    terminal::unblock();
    start_log(&config);
    let clock = Clock::wall();
    let port = connect::port(&path, &config, &clock)?;
    let account = config.exchange.name.clone();
    let _lock = InstanceLock::acquire(&config.data_dir, &account)?;
    let journal = open_journal(&config, &clock)?;
    let (stop, stopped) = watch::channel(false);
    let (requests, receiver) = mpsc::channel(REQUESTS_MAX);
    let (notices, heard) = mpsc::channel(NOTICES_MAX);
    let chat = chat(&config, &clock, heard, requests)?;
    let setup = Setup {
        port,
        clock,
        policy: config.policy.clone(),
        journal,
        allow_wallet_transfer: config.exchange.allow_wallet_transfer,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let chatting = chat.is_some();
    let listener = Box::new(move |notice: &Notice| {
        tell(notice);
        // A full queue means that Telegram is behind by hundreds: the terminal has it all.
        if chatting && notices.try_send(notice.clone()).is_err() {
            tracing::warn!("Telegram is behind; a notice was left out");
        }
    });
    say(format!(
        "Plimsoll {} starts for {account} in {}.",
        env!("CARGO_PKG_VERSION"),
        connect::mode_sentence(config.policy.mode)
    ));
    tokio::task::spawn_local(async move {
        stopped_by_hand.await;
        stop.send_replace(true);
    });
    if let Some(warning) = connect::unanswerable(&config) {
        warn(format!("plimsoll: {warning}"));
    }
    let ended = agent::run(
        setup,
        Channels {
            requests: receiver,
            stop: stopped,
            listener,
        },
    )
    .await;
    if let Some(chat) = chat {
        drop(tokio::time::timeout(LAST_WORDS, chat).await);
    }
    ended?;
    say("Stopped. Positions are not watched any more.");
    Ok(Exit::Success)
}

/// Guarding matters more than the record: a journal that cannot be read is set aside, loudly.
fn open_journal(config: &Config, clock: &Clock) -> anyhow::Result<Journal> {
    let open = || Journal::open_with(&config.data_dir, durability(config));
    match open() {
        Err(error @ JournalError::Unusable { .. }) => {
            let aside = Journal::set_aside(&config.data_dir, clock.now())?;
            warn(format!(
                "plimsoll: ALARM: {error}. It was set aside as {}; a new journal is begun. What was under way before is unknown: check the account by hand.",
                aside.display()
            ));
            Ok(open()?)
        }
        other => Ok(other?),
    }
}

fn durability(config: &Config) -> Durability {
    match config.journal.durability {
        crate::config::Durability::Normal => Durability::Normal,
        crate::config::Durability::Full => Durability::Full,
    }
}

type Chat = Option<tokio::task::JoinHandle<()>>;

/// Starts Telegram when it is configured. Its end never ends the guard.
fn chat(
    config: &Config,
    clock: &Clock,
    heard: mpsc::Receiver<Notice>,
    requests: mpsc::Sender<Request>,
) -> anyhow::Result<Chat> {
    let (true, Some(token)) = (config.telegram.enabled, config.telegram.token.clone()) else {
        // The sender lives on in nobody: requests simply never come.
        return Ok(None);
    };
    let settings = telegram::Settings {
        token,
        api_url: Some(config.telegram.api_url.clone()),
        pairing_file: config.data_dir.join("telegram.json"),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let clock = clock.clone();
    Ok(Some(tokio::task::spawn_local(async move {
        let shown = |line: String| say(line);
        if let Err(error) = telegram::run(settings, clock, heard, requests, shown).await {
            warn(format!(
                "plimsoll: Telegram is off: {error}. Guarding goes on."
            ));
        }
    })))
}

fn tell(notice: &Notice) {
    match notice {
        Notice::Report(report) => {
            let line = format!(
                "{}  {}{}",
                report.at,
                loudness(report.severity),
                report.text
            );
            if report.severity == Severity::Alarm {
                warn(line);
            } else {
                say(line);
            }
        }
        Notice::Ask(question) => say(render::question(question, question.intent.planned_at)),
        Notice::Unask { text, .. } => say(text),
    }
}

fn loudness(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "",
        Severity::Warning => "! ",
        Severity::Alarm => "!! ALARM: ",
    }
}

fn start_log(config: &Config) {
    let level = config.log.level.as_str();
    let filter = tracing_subscriber::EnvFilter::new(format!("plimsoll={level}"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(|| terminal::Log);
    // A second start within one process (tests) keeps the first log.
    drop(log.try_init());
}
