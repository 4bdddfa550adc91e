//! Agent and simulated exchange on one virtual clock. The clock moves only when the agent has
//! consumed every frame, no request is in flight, and nobody who was woken has yet to run; then it
//! moves to the exchange's next tick or the agent's next deadline, whichever comes first.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use secrecy::SecretString;
use tokio::sync::{mpsc, oneshot, watch};

use super::Play;
use super::account::{self, GUARDED, KEY, SECRET, TWIN};
use super::story::{Ended, Story};
use crate::agent::{self, Channels, Setup};
use crate::domain::Timestamp;
use crate::exchange::binance::{BinanceSettings, BinanceUsdm, Credentials};
use crate::guard::action::View;
use crate::journal::Journal;
use crate::net::clock::Clock;
use crate::sim::face::{Face, FaceOptions, FaceTime};
use crate::telegram::{Notice, Request};

/// If nothing at all happens for this long on the wall, the play is stuck: a fault, not a wait.
const STUCK_AFTER: Duration = Duration::from_secs(20);
/// Requests that may wait for the agent.
const REQUESTS_MAX: usize = 8;
/// After this virtual time past the last tick the play ends: late verifications have arrived, and the
/// last price is not stale yet.
const EPILOGUE_MS: i64 = 9_000;
/// How often the scheduler is offered to tasks that were just spawned.
const OPENING_YIELDS: usize = 64;

/// Plays to the end of the tape.
pub(super) async fn play(play: &Play, story: Story) -> anyhow::Result<Ended> {
    let start = play.tape.start;
    let clock = Clock::manual(start);
    let (exchange, accounts) = account::open(play)?;
    let one = accounts.get(GUARDED);
    if let Some((summary, wallet)) = exchange.account_summary(one).zip(exchange.wallets(one)) {
        story.open(&summary, wallet.available);
    }
    let face = Face::start(exchange, FaceOptions::new(FaceTime::Driven))
        .context("cannot listen on loopback")?;
    let urls = face.urls();
    let settings = BinanceSettings {
        rest: urls.rest,
        wallet_rest: urls.wallet_rest,
        ws_public: urls.ws_public,
        ws_market: urls.ws_market,
        ws_private: urls.ws_private,
        ..BinanceSettings::default()
    };
    let credentials = Credentials {
        api_key: SecretString::from(KEY.to_owned()),
        secret: SecretString::from(SECRET.to_owned()),
    };
    let port = BinanceUsdm::new(settings, credentials, clock.clone())?;
    let story = Rc::new(RefCell::new(story));
    let (requests, receiver) = mpsc::channel(REQUESTS_MAX);
    let (stop, stopped) = watch::channel(false);
    let listening = Rc::clone(&story);
    let setup = Setup {
        port,
        clock: clock.clone(),
        policy: account::policy(play),
        journal: Journal::in_memory()?,
        allow_wallet_transfer: false,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let channels = Channels {
        requests: receiver,
        stop: stopped,
        listener: Box::new(move |notice: &Notice| listening.borrow_mut().hear(notice)),
    };
    let mut agent = tokio::task::spawn_local(agent::run(setup, channels));
    let drive = Drive {
        clock,
        face,
        requests,
        story,
        accounts,
        started: Instant::now(),
        start,
    };
    let driven = tokio::select! {
        biased;
        ended = &mut agent => {
            ended.context("the agent broke down")??;
            bail!("the agent stopped by itself");
        }
        driven = drive.run(play) => driven?,
    };
    stop.send_replace(true);
    agent.await.context("the agent broke down")??;
    Ok(driven)
}

struct Drive {
    clock: Clock,
    face: Face,
    requests: mpsc::Sender<Request>,
    story: Rc<RefCell<Story>>,
    accounts: account::Accounts,
    started: Instant,
    start: Timestamp,
}

impl Drive {
    async fn run(self, play: &Play) -> anyhow::Result<Ended> {
        for _ in 0..OPENING_YIELDS {
            tokio::task::yield_now().await;
        }
        self.quiet().await?;
        let view = self.view().await?;
        self.story.borrow_mut().show(&view);
        let end = play.tape.end();
        let last = end.plus_ms(EPILOGUE_MS);
        loop {
            self.quiet().await?;
            let Some(next) = self.next().filter(|next| *next <= last) else {
                break;
            };
            self.pace(play, next).await;
            self.clock.advance_to(next);
            self.face.advance_to(next);
            let (mark, twin) = self.face.with(|exchange| {
                let mark = exchange.mark(&play.tape.symbol);
                let twin = exchange.account_summary(self.accounts.get(TWIN));
                (mark, twin.and_then(|twin| twin.liquidated_at))
            });
            let wants_view =
                mark.is_some_and(|mark| self.story.borrow_mut().tick(next, mark, twin));
            if wants_view {
                self.quiet().await?;
                let view = self.view().await?;
                self.story.borrow_mut().show(&view);
            }
        }
        let summaries = self.face.with(|exchange| {
            let guarded = exchange.account_summary(self.accounts.get(GUARDED));
            Some((guarded?, exchange.account_summary(self.accounts.get(TWIN))?))
        });
        let (guarded, twin) = summaries.context("the simulated accounts are gone")?;
        let ended = self.story.borrow_mut().end(play, &guarded, &twin);
        self.face.shutdown();
        Ok(ended)
    }

    /// The next instant at which anything happens.
    fn next(&self) -> Option<Timestamp> {
        let tick = self.face.with(|exchange| exchange.next_tick());
        [tick, self.clock.next_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    async fn quiet(&self) -> anyhow::Result<()> {
        while !self.clock.is_quiet(self.face.frames_sent()) {
            let changed = tokio::time::timeout(STUCK_AFTER, self.clock.changed()).await;
            if changed.is_err() && !self.clock.is_quiet(self.face.frames_sent()) {
                bail!(
                    "the play is stuck at {}: {}",
                    self.clock.now(),
                    self.clock.describe()
                );
            }
        }
        Ok(())
    }

    async fn view(&self) -> anyhow::Result<View> {
        let (reply, answer) = oneshot::channel();
        let asked = self.requests.send(Request::View(reply)).await;
        asked.ok().context("the agent does not listen")?;
        let view = tokio::time::timeout(STUCK_AFTER, answer).await;
        view.context("the agent does not answer")?
            .context("the agent does not answer")
    }

    /// Holds virtual time back to the wished speed.
    #[allow(clippy::cast_precision_loss, reason = "a pace, not money")]
    #[allow(clippy::float_arithmetic, reason = "a pace, not money")]
    async fn pace(&self, play: &Play, next: Timestamp) {
        if let Some(pace) = play.pace {
            let wall_ms = next.since(self.start) as f64 * pace;
            let due = self.started + Duration::from_secs_f64((wall_ms / 1_000.0).max(0.0));
            tokio::time::sleep_until(due.into()).await;
        }
    }
}
