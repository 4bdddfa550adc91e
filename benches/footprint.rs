//! What a running `plimsoll` takes: memory, processor time, time and requests until it guards.
//!
//! Starts a simulated exchange with twenty open positions on loopback, starts the real program
//! against it in `watch` mode, and reads what the system says of that process. The first run goes
//! straight to the exchange. The second goes through a relay that holds every request for
//! [`DISTANCE`], so that requests made one after the other can be told from those made together.
//! Linux only. `footprint SECONDS PROGRAM`: both may be left out.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::float_arithmetic,
    reason = "a measuring program: it prints, divides times, and stops at the first surprise"
)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use plimsoll::domain::{MarginMode, Money, Price, Side, Symbol, Timestamp};
use plimsoll::sim::face::{Face, FaceOptions, FaceTime, Urls};
use plimsoll::sim::{Exchange, ExchangeSpec, Tape, market};
use rust_decimal::{Decimal, dec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// The relay holds each request for so long: the round trip of a far exchange.
const DISTANCE: Duration = Duration::from_millis(100);
/// Requests that arrive within half of it were made together.
const TOGETHER_MS: i64 = 50;
/// The program must guard after this time at the latest.
const PATIENCE: Duration = Duration::from_secs(60);
/// After it guards, this long is measured unless another span is asked for.
const SPAN_SECS: u64 = 20;
/// Marks of a tape, one a second.
const MARKS: i64 = 600;
const NANOS_PER_MS: f64 = 1e6;
const READY: &str = "Plimsoll is watching 20 position(s)";

/// Twenty well-known contracts and a plausible price of each.
const CONTRACTS: [(&str, Decimal); 20] = [
    ("BTCUSDT", dec!(100000)),
    ("ETHUSDT", dec!(4000)),
    ("SOLUSDT", dec!(200)),
    ("XRPUSDT", dec!(2.5)),
    ("DOGEUSDT", dec!(0.2)),
    ("BNBUSDT", dec!(1000)),
    ("ADAUSDT", dec!(0.7)),
    ("AVAXUSDT", dec!(25)),
    ("LINKUSDT", dec!(18)),
    ("LTCUSDT", dec!(100)),
    ("DOTUSDT", dec!(3.5)),
    ("TRXUSDT", dec!(0.32)),
    ("BCHUSDT", dec!(550)),
    ("NEARUSDT", dec!(2.6)),
    ("UNIUSDT", dec!(7)),
    ("APTUSDT", dec!(4.2)),
    ("ATOMUSDT", dec!(3.8)),
    ("FILUSDT", dec!(2)),
    ("ARBUSDT", dec!(0.4)),
    ("OPUSDT", dec!(0.6)),
];

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let span = words
        .first()
        .map_or(SPAN_SECS, |word| word.parse().expect("SECONDS is a number"));
    let program = words
        .get(1)
        .map_or(env!("CARGO_BIN_EXE_plimsoll"), String::as_str);
    println!("program {program}");
    for away in [Duration::ZERO, DISTANCE] {
        let seconds = if away.is_zero() { span } else { 0 };
        measure(program, away, Duration::from_secs(seconds)).await;
    }
}

/// One start, and `span` of quiet guarding.
async fn measure(program: &str, away: Duration, span: Duration) {
    let face = face();
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut urls = face.urls();
    if !away.is_zero() {
        urls.rest = relay(&urls.rest, away).await;
        urls.wallet_rest.clone_from(&urls.rest);
    }
    let config = write_config(folder.path(), &urls);
    let began = Instant::now();
    let mut child = Command::new(program)
        .args(["run", "--config"])
        .arg(&config)
        .env("PLIMSOLL_API_KEY", "demo-key")
        .env("PLIMSOLL_API_SECRET", "demo-secret")
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("the program starts");
    let ready = ready(&mut child);
    let ready = tokio::time::timeout(PATIENCE, ready);
    let answered = ready.await.expect("it guards in time");
    assert!(answered, "the program ended without guarding");
    let took = began.elapsed();
    let cpu = cpu_ms(child.id());
    let requests = face.requests();
    let arrivals: Vec<i64> = requests.iter().map(|one| one.at.as_millis()).collect();
    println!(
        "round trip {:>3} ms  ready after {:>6.0} ms, {cpu:.0} ms of processor time, {} requests",
        away.as_millis(),
        took.as_secs_f64() * 1_000.0,
        arrivals.len(),
    );
    if !away.is_zero() {
        let apart = arrivals
            .windows(2)
            .filter(|two| two[1] - two[0] > TOGETHER_MS);
        println!(
            "                    sequential rounds {}",
            apart.count() + 1
        );
    }
    if !span.is_zero() {
        quiet(&face, &child, cpu, span).await;
    }
    let asked = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status();
    assert!(asked.is_ok_and(|status| status.success()), "kill");
    let ended = tokio::task::spawn_blocking(move || child.wait()).await;
    let status = ended.expect("joined").expect("waited");
    assert!(status.success(), "it ends cleanly: {status}");
    face.shutdown();
}

async fn quiet(face: &Face, child: &Child, cpu_before: f64, span: Duration) {
    let (frames, began) = (face.frames_sent(), Instant::now());
    tokio::time::sleep(span).await;
    let seconds = began.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = (face.frames_sent() - frames) as f64 / seconds;
    let cpu = cpu_ms(child.id()) - cpu_before;
    println!(
        "                    guarding: {:.2} % of a core at {rate:.0} frames/s, {:.3} ms a frame",
        cpu / 10.0 / seconds,
        cpu / seconds / rate,
    );
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
    let status = status.expect("it still runs");
    for line in status.lines() {
        if ["VmHWM", "VmRSS", "RssAnon", "Threads"]
            .iter()
            .any(|name| line.starts_with(name))
        {
            println!("                    {line}");
        }
    }
}

/// Nanoseconds on a processor of all threads that live, in milliseconds.
fn cpu_ms(process: u32) -> f64 {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
    let nanos = threads.filter_map(|thread| {
        let path = thread.ok()?.path().join("schedstat");
        let text = std::fs::read_to_string(path).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    });
    nanos.sum::<f64>() / NANOS_PER_MS
}

/// True at the line that says so, false when the program ends before. Later lines are thrown away.
async fn ready(child: &mut Child) -> bool {
    let output = child.stdout.take().expect("piped");
    let (tell, told) = oneshot::channel();
    std::thread::spawn(move || {
        let mut tell = Some(tell);
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if line.contains(READY)
                && let Some(tell) = tell.take()
            {
                // Nobody waits any more only after a time-out, which stops everything anyway.
                let _ = tell.send(());
            }
        }
    });
    told.await.is_ok()
}

fn face() -> Face {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("clock");
    let now = Timestamp::from_millis(i64::try_from(since.as_millis()).expect("clock"));
    let market = |(name, price): (&str, Decimal)| {
        let symbol = Symbol::new(name);
        let ripple = |step: i64| Price::of(price * Decimal::new(10_000 + step % 7, 4));
        let tape = Tape {
            name: "gentle".to_owned(),
            symbol: symbol.clone(),
            start: now,
            step_ms: 1_000,
            marks: (0..MARKS).map(ripple).collect(),
            notes: Vec::new(),
        };
        (market::for_symbol(&symbol, Price::of(price)), tape)
    };
    let markets = CONTRACTS.into_iter().map(market).collect();
    let mut exchange = Exchange::new(ExchangeSpec::new(markets, now));
    let account = exchange.add_account("demo-key", "demo-secret".into(), Money::of(dec!(50000)));
    for (index, (name, _)) in CONTRACTS.iter().enumerate() {
        let mode = if index % 2 == 0 {
            MarginMode::Isolated
        } else {
            MarginMode::Cross
        };
        let (symbol, size) = (Symbol::new(name), Money::of(dec!(5000)));
        exchange
            .open_position(account, &symbol, Side::Long, size, 5, mode)
            .unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
    }
    Face::start(exchange, FaceOptions::new(FaceTime::Wall)).expect("the exchange starts")
}

/// An address from which everything reaches `target`, requests later by `away`.
async fn relay(target: &str, away: Duration) -> String {
    let target = target.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let target = target.clone();
            tokio::spawn(async move {
                let far = TcpStream::connect(target).await.expect("the exchange");
                let (mut near_in, mut near_out) = near.into_split();
                let (mut far_in, mut far_out) = far.into_split();
                tokio::spawn(async move { tokio::io::copy(&mut far_in, &mut near_out).await });
                let mut buffer = vec![0; 16 * 1024];
                while let Ok(count @ 1..) = near_in.read(&mut buffer).await {
                    tokio::time::sleep(away).await;
                    if far_out.write_all(&buffer[..count]).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    format!("http://{address}")
}

fn write_config(folder: &Path, urls: &Urls) -> std::path::PathBuf {
    let path = folder.join("config.toml");
    let data = folder.join("data");
    let text = format!(
        "mode = \"watch\"\ndata_dir = {data:?}\n[exchange.urls]\nrest = {:?}\nwallet_rest = {:?}\n\
         ws_public = {:?}\nws_market = {:?}\nws_private = {:?}\n",
        urls.rest, urls.wallet_rest, urls.ws_public, urls.ws_market, urls.ws_private
    );
    std::fs::write(&path, text).expect("configuration");
    path
}
