//! Live positions whose figures stand in public threads and fixtures, and the examples of the venues'
//! own pages. Sources are named by date and kind; a parameter that the source does not print and that
//! was found from its other numbers is called inferred.

use plimsoll::domain::{ContractKind, MarginMode, Money, Side, Symbol};
use plimsoll::margin::{Leg, ScopeMargin, Venue};
use rust_decimal::{Decimal, dec};

use crate::evidence::{Check, Field, Origin, Place, Unfit, is_documented, judge, table};
use crate::world::{Cross, Isolated, Long, Said, Short, flat, inverse, linear, scope, with_fee};

/// What does not follow from our rules.
const UNFIT: &[Unfit] = &[
    Unfit {
        source: "classic account, before 2025-09",
        symbol: "ETHUSDT a",
        field: Field::Line,
        theirs: dec!(2587.08),
        ours: dec!(2580.72),
        reason: "maintenance on the entry value, as before 2025-09: E (1 - 1/L + m)",
    },
    Unfit {
        source: "classic account, before 2025-09",
        symbol: "ETHUSDT b",
        field: Field::Line,
        theirs: dec!(1234.46),
        ours: dec!(1232.96),
        reason: "maintenance on the entry value, as before 2025-09: E (1 - 1/L + m)",
    },
    Unfit {
        source: "unified account 2025-09-18",
        symbol: "long 10000, legacy field",
        field: Field::Line,
        theirs: dec!(0.7448),
        ours: dec!(0.744),
        reason: "the field liqPrice still told the formula of before 2025-09; liqPriceByMp fits",
    },
    Unfit {
        source: "portfolio margin account",
        symbol: "BTC",
        field: Field::Line,
        theirs: dec!(19217.2640553115),
        ours: dec!(58032.91),
        reason: "portfolio margin counts spot and borrowings; its rule is not modelled",
    },
];

/// Some public issue or fixture.
struct Row {
    place: Place,
    scope: ScopeMargin,
}

impl Row {
    fn of(origin: Origin, source: &str, scope: ScopeMargin) -> Self {
        let leg = scope.legs.first().expect("a leg");
        let place = Place {
            venue: scope.rules.venue,
            mode: scope.mode,
            contract: leg.contract,
            origin,
            source: source.to_owned(),
            symbol: leg.key.symbol.as_str().to_owned(),
        };
        Self { place, scope }
    }

    fn live(source: &str, scope: ScopeMargin) -> Self {
        Self::of(Origin::Capture, source, scope)
    }

    fn symbol(&self) -> Symbol {
        self.scope.legs[0].key.symbol.clone()
    }

    fn line(&self, theirs: Decimal) -> Check {
        let ours = self.scope.liquidation_price(&self.symbol());
        self.place
            .check(Field::Line, ours.map(|price| price.get()), theirs)
    }

    /// As the venue displays it.
    fn shown(&self, tick: Decimal, theirs: Decimal) -> Check {
        let line = self.scope.line(&self.symbol());
        let ours = line.map(|line| self.scope.shown_line(line, tick).get());
        self.place.check(Field::Line, ours, theirs)
    }

    fn bankruptcy(&self, theirs: Decimal, tick: Decimal) -> Check {
        let ours = self.scope.bankruptcy_price(&self.symbol());
        let ours = ours.map(|price| price.get());
        self.place.within(Field::Bankruptcy, ours, theirs, tick)
    }

    fn maintenance(&self, theirs: Decimal) -> Check {
        let ours = self.scope.maintenance().get();
        self.place.check(Field::Maintenance, Some(ours), theirs)
    }

    fn initial(&self, theirs: Decimal) -> Check {
        let ours = self.scope.initial_margin().map(Money::get);
        self.place.check(Field::Initial, ours, theirs)
    }

    fn ratio(&self, theirs: Decimal) -> Check {
        let ours = self.scope.margin_ratio().map(|rate| rate.get());
        self.place.check(Field::Ratio, ours, theirs)
    }

    fn profit(&self, theirs: Decimal) -> Check {
        let ours = self.scope.unrealized().get();
        self.place.check(Field::Profit, Some(ours), theirs)
    }
}

/// Sets what the rest of a cross account adds, so that equity and maintenance are the printed ones.
fn completed(mut scope: ScopeMargin, equity: Decimal, maintenance: Decimal) -> ScopeMargin {
    scope.wallet += Money::of(equity) - scope.equity();
    scope.other_maintenance += Money::of(maintenance) - scope.maintenance();
    scope
}

/// Binance isolated, the rate of tier 1 at that time, 0.4 %.
fn binance() -> Vec<Check> {
    let first = flat(dec!(0.004), dec!(0));
    let usdm = |name: &str, side, [size, entry, mark, wallet]: [Decimal; 4]| {
        let leg = linear(name, side, size, entry, &first).marked(mark);
        Row::live(
            "positionRisk, tier 1",
            scope(Venue::BinanceUsdm, Isolated, wallet, vec![leg]),
        )
    };
    let coin = inverse(
        "BTCUSD_PERP",
        Long,
        (dec!(2), dec!(100)),
        dec!(37643.10000021),
        &first,
    );
    let coin = scope(Venue::BinanceCoinm, Isolated, dec!(0.00268058), vec![coin]);
    vec![
        usdm(
            "BTCUSDT long 69000",
            Long,
            [dec!(0.001), dec!(69000), dec!(69668.29107801), dec!(3.4362)],
        )
        .line(dec!(65827.10843373)),
        usdm(
            "BTCUSDT short",
            Short,
            [dec!(0.002), dec!(66351.2), dec!(66351.1), dec!(13.2198888)],
        )
        .line(dec!(72670.46254980)),
        usdm(
            "BTCUSDT long 56791",
            Long,
            [
                dec!(0.010),
                dec!(56791.66666),
                dec!(57214.41443521),
                dec!(27.75053162),
            ],
        )
        .line(dec!(54233.54768876)),
        Row::live("positionRisk, source comment", coin).line(dec!(25119.97445760)),
    ]
}

/// The examples of Binance's support article and API reference. Prices there are printed to a cent.
fn binance_pages() -> Vec<Check> {
    let row = |mode, source, wallet, legs| {
        Row::of(
            Origin::Page,
            source,
            scope(Venue::BinanceUsdm, mode, wallet, legs),
        )
    };
    let article = "liquidation price article";
    let wallet = dec!(1535443.01);
    let eth = linear(
        "ETHUSDT",
        Long,
        dec!(3683.979),
        dec!(1456.84),
        &flat(dec!(0.1), dec!(135365)),
    );
    let btc = linear(
        "BTCUSDT",
        Long,
        dec!(109.488),
        dec!(32481.98),
        &flat(dec!(0.025), dec!(16300)),
    );
    let (eth_there, btc_there) = (
        eth.clone().marked(dec!(1335.18)),
        btc.clone().marked(dec!(31967.27)),
    );
    let api = flat(dec!(0.005), dec!(50));
    let long = linear("BTCUSDT long", Long, dec!(20), dec!(6563.665), &api);
    let short = linear("BTCUSDT short", Short, dec!(10), dec!(6563.86), &api);
    let reference = "positionRisk in the API reference";
    vec![
        row(Isolated, article, wallet, vec![eth]).cent(dec!(1114.78)),
        row(Isolated, article, wallet, vec![btc]).cent(dec!(18778.73)),
        row(
            Cross,
            article,
            wallet,
            vec![eth_there.clone(), btc_there.clone()],
        )
        .cent(dec!(1153.26)),
        row(Cross, article, wallet, vec![btc_there, eth_there]).cent(dec!(26316.89)),
        row(Isolated, reference, dec!(13200.70726908), vec![long]).cent(dec!(5930.78)),
        row(Isolated, reference, dec!(6570.42511771), vec![short]).cent(dec!(7189.95)),
    ]
}

impl Row {
    fn cent(&self, theirs: Decimal) -> Check {
        let mut check = self.line(theirs);
        check.slack = dec!(0.005);
        check
    }
}

/// A position of Bybit's unified account; `wallet` of an isolated one as booked at opening.
fn unified(
    mode: MarginMode,
    source: &str,
    (name, side): (&str, Side),
    [size, entry, mark, leverage]: [Decimal; 4],
    (rate, fee): (Decimal, Decimal),
) -> Row {
    let mut leg = linear(name, side, size, entry, &flat(rate, dec!(0))).marked(mark);
    leg.leverage = Some(plimsoll::domain::Leverage::of(leverage));
    let mut scope = with_fee(scope(Venue::Bybit, mode, dec!(100), vec![leg]), fee);
    if mode == Isolated {
        scope.wallet = scope.initial_margin().expect("a leverage is set");
    }
    Row::live(source, scope)
}

/// Bybit's unified account since mark-based margin (2025-09). The taker fee is the account's.
fn bybit_unified() -> Vec<Check> {
    let fee = dec!(0.00055);
    let linear = "unified account 2025-09-18";
    let long = [dec!(10000), dec!(0.8184), dec!(0.8107), dec!(10)];
    let isolated = unified(
        Isolated,
        linear,
        ("long 10000", Long),
        long,
        (dec!(0.01), fee),
    );
    let mut legacy = unified(
        Isolated,
        linear,
        ("long 10000, legacy field", Long),
        long,
        (dec!(0.01), fee),
    );
    legacy.place.symbol = "long 10000, legacy field".to_owned();
    let mut checks = vec![
        isolated.initial(dec!(822.45108)),
        isolated.maintenance(dec!(85.12108)),
        isolated.line(dec!(0.744)),
        legacy.line(dec!(0.7448)),
    ];
    // Size, entry, mark, leverage; rate and taker fee; initial and maintenance margin printed.
    let cross = [
        // The fee carries 18 % tax; the fields by mark price.
        (
            ("2025-10-02", "SOLUSDT", Long),
            [dec!(0.2), dec!(233.02), dec!(233.029), dec!(10)],
            (dec!(0.005), dec!(0.000649)),
            [dec!(4.68780139), dec!(0.26025039)],
        ),
        (
            ("2026-03-29", "BTCPERP", Long),
            [dec!(0.001), dec!(66473.5), dec!(66472.02), dec!(10)],
            (dec!(0.004), dec!(0.001)),
            [dec!(6.70702815), dec!(0.32571423)],
        ),
        (
            ("2025-11-08", "BTCUSDT", Long),
            [dec!(0.001), dec!(101890), dec!(101910.23), dec!(10)],
            (dec!(0.005), fee),
            [dec!(10.24145855), dec!(0.5599867)],
        ),
        // Rate inferred from the difference of the two margins. The fee is 6e-6 larger than ours.
        (
            ("2025-12", "ADAUSDT 18720", Long),
            [dec!(18720), dec!(0.41160027), dec!(0.41), dec!(75)],
            (dec!(0.0075), fee),
            [dec!(106.51735757), dec!(61.74535757)],
        ),
        // Leverage and rate inferred: 75 and 0.75 % are the pair of the row above.
        (
            ("2025-12", "ADAUSDT 43", Long),
            [dec!(43), dec!(0.37293023), dec!(0.3702), dec!(75)],
            (dec!(0.0075), fee),
            [dec!(0.22095025), dec!(0.12809175)],
        ),
        // Mark equals entry: this row does not tell on which of the two the value is taken.
        (
            ("2025-12-27", "SNXUSDT", Long),
            [dec!(25), dec!(0.2899), dec!(0.2899), dec!(25)],
            (dec!(0.02), dec!(0.00085)),
            [dec!(0.29581396), dec!(0.15086396)],
        ),
    ];
    for ((date, name, side), position, rates, [initial, maintenance]) in cross {
        let row = unified(Cross, date, (name, side), position, rates);
        checks.push(row.initial(initial));
        checks.push(row.maintenance(maintenance));
    }
    checks
}

/// Bybit's classic account: the bankruptcy price is the same as today, the line is not.
fn bybit_classic() -> Vec<Check> {
    let source = "classic account, before 2025-09";
    let low = flat(dec!(0.005), dec!(0));
    let row = |name: &str, size, entry, leverage: i64| {
        let leg = linear(name, Long, size, entry, &low).levered(leverage);
        let wallet = size * entry / Decimal::from(leverage);
        Row::live(source, scope(Venue::Bybit, Isolated, wallet, vec![leg]))
    };
    let a = row("ETHUSDT a", dec!(0.15), dec!(3851.73), 3);
    let b = row("ETHUSDT b", dec!(0.06), dec!(1533.49), 5);
    // The bankruptcy price is printed to the contract's tick of then, 0.05, or of now, 0.01.
    vec![
        a.line(dec!(2587.08)),
        a.bankruptcy(dec!(2567.82), dec!(0.01)),
        b.line(dec!(1234.46)),
        b.bankruptcy(dec!(1226.80), dec!(0.05)),
    ]
}

/// A leg of OKX: contracts, their size, entry, mark; rate inferred from the field `mmr`.
fn swap(
    contract: ContractKind,
    (name, side): (&str, Side),
    [contracts, size, entry, mark]: [Decimal; 4],
    rate: Decimal,
) -> Leg {
    let table = flat(rate, dec!(0));
    match contract {
        ContractKind::Linear => linear(name, side, contracts, entry, &table).sized(size),
        ContractKind::Inverse => inverse(name, side, (contracts, size), entry, &table),
    }
    .marked(mark)
}

/// OKX isolated: the line is shown one tick nearer to mark.
fn okx_isolated() -> Vec<Check> {
    let fee = dec!(0.0005);
    let row = |source: &str, margin, leg| {
        Row::live(
            source,
            with_fee(scope(Venue::Okx, Isolated, margin, vec![leg]), fee),
        )
    };
    let (linear, inverse) = (ContractKind::Linear, ContractKind::Inverse);
    let btc = swap(
        linear,
        ("BTC-USDT-SWAP", Long),
        [dec!(16.5), dec!(0.001), dec!(60346.5), dec!(60349.6)],
        dec!(0.004),
    );
    let btc = row("2024-08", dec!(995.5680960124100264), btc);
    let eth = swap(
        linear,
        ("ETH-USDT-SWAP", Short),
        [dec!(1), dec!(0.1), dec!(1333), dec!(1274.09)],
        dec!(0.004),
    );
    let eth = row("2022-09", dec!(8.33125), eth);
    let big = swap(
        linear,
        ("BIGTIME-USDT-SWAP", Long),
        [dec!(613), dec!(10), dec!(0.01305), dec!(0.01304)],
        dec!(0.02),
    );
    let big = row("2026-03", dec!(9.9995625), big);
    let coin = swap(
        inverse,
        ("ETH-USD-SWAP", Short),
        [
            dec!(9374),
            dec!(10),
            dec!(4778.8384462538659751),
            dec!(4631.350432786379),
        ],
        dec!(0.005),
    );
    let coin = row("2021-12", dec!(11.2907226596551759), coin);
    vec![
        btc.maintenance(dec!(3.9830736)),
        btc.ratio(dec!(222.18893603782877)),
        btc.shown(dec!(0.1), dec!(9.180497851849454)),
        eth.maintenance(dec!(0.509636)),
        eth.ratio(dec!(24.805939925750945)),
        eth.profit(dec!(5.891)),
        eth.shown(dec!(0.01), dec!(1409.9576455948234)),
        big.ratio(dec!(6.064828669759086)),
        big.shown(dec!(0.00001), dec!(0.0116677335375191)),
        coin.ratio(dec!(107.03564178926794)),
        coin.profit(dec!(0.6246714868620558)),
        coin.shown(dec!(0.01), dec!(11198.22376279407)),
    ]
}

/// OKX cross: the price is the exact one, without the tick. Equity is inferred from the ratio, so the
/// ratio itself proves nothing and is left out.
fn okx_cross() -> Vec<Check> {
    let row = |source: &str, leg: Leg, fee, ratio: Decimal| {
        let scope = with_fee(scope(Venue::Okx, Cross, Decimal::ZERO, vec![leg]), fee);
        let (equity, needed) = (ratio * scope.demand().get(), scope.maintenance().get());
        Row::live(source, completed(scope, equity, needed))
    };
    let btc = swap(
        ContractKind::Inverse,
        ("BTC-USD-SWAP", Long),
        [
            dec!(3),
            dec!(100),
            dec!(102455.3932455492420727),
            dec!(103525.5),
        ],
        dec!(0.004),
    )
    .levered(5);
    // Fee inferred: of the steps of the fee table this one makes the price fit.
    let btc = row("2025-05-09", btc, dec!(0.0003), dec!(121.3824443640013));
    let eth = swap(
        ContractKind::Inverse,
        ("ETH-USD-SWAP", Long),
        [dec!(1), dec!(10), dec!(1338.67), dec!(1340.22)],
        dec!(0.004),
    )
    .levered(3);
    let eth = row("2022-09-30", eth, dec!(0.0005), dec!(973.3428546449297));
    vec![
        btc.initial(dec!(0.000579567352971)),
        btc.maintenance(dec!(0.0000115913470594)),
        btc.profit(dec!(0.0000302667785183)),
        btc.line(dec!(68314.35634780499)),
        eth.initial(dec!(0.0024871538503629)),
        eth.maintenance(dec!(0.0000298458462044)),
        eth.profit(dec!(0.0000086393699748)),
        eth.line(dec!(250.2305332057643)),
    ]
}

/// A leg of Hyperliquid whose mark follows from its printed value; entry and profit do not matter.
fn coin(name: &str, side: Side, [size, value]: [Decimal; 2], most: i64) -> Leg {
    let rate = Decimal::ONE / Decimal::from(2 * most);
    linear(name, side, size, value / size, &flat(rate, dec!(0)))
}

/// Hyperliquid: one leg each, the rest of the account as equity and maintenance.
fn hyperliquid_cross() -> Vec<Check> {
    let venue = Venue::Hyperliquid;
    let row = |source: &str, leg, equity, maintenance| {
        let scope = scope(venue, Cross, Decimal::ZERO, vec![leg]);
        Row::live(source, completed(scope, equity, maintenance))
    };
    // Its equity is the USDC of the spot account as printed: it holds the unrealised profit already.
    let unified = |leg| {
        row(
            "unified account 2026-10-08",
            leg,
            dec!(1279260.79987858),
            dec!(44258.806876),
        )
    };
    let btc = coin("BTC", Short, [dec!(22), dec!(1779140)], 40);
    let eth = coin("ETH", Short, [dec!(125), dec!(302975)], 25);
    let near = coin("NEAR", Short, [dec!(70560.4), dec!(319201.13752)], 10);
    let all = scope(
        venue,
        Cross,
        dec!(1279260.79987858),
        vec![btc.clone(), eth.clone(), near.clone()],
    );
    let all = Row::live("unified account 2026-10-08", all);
    // Rate inferred: 1 %, a highest leverage of 50, which two more legs of such a vault share.
    let saga = row(
        "vault, undated",
        coin("SAGA", Short, [dec!(103774.5), dec!(2527.94682)], 50),
        dec!(3155203.766062),
        dec!(43452.918775),
    );
    let portfolio = row(
        "portfolio margin account",
        coin("BTC", Long, [dec!(0.01948), dec!(1256.3626)], 40),
        dec!(147.412857),
        dec!(23.104792),
    );
    vec![
        all.maintenance(dec!(44258.806876)),
        unified(btc).line(dec!(136313.4115825814)),
        unified(eth).line(dec!(12110.0901411922)),
        unified(near).line(dec!(21.1930985625)),
        saga.line(dec!(29.713170189)),
        portfolio.line(dec!(19217.2640553115)),
    ]
}

/// Hyperliquid isolated longs: `rawUsd` is the wallet less what the position cost. The mark does not
/// enter the line; where no value is printed the cost stands in for it.
fn hyperliquid_isolated() -> Vec<Check> {
    let row = |source: &str, name: &str, raw: Decimal, [size, value]: [Decimal; 2], most: i64| {
        let leg = coin(name, Long, [size, value], most);
        let scope = scope(Venue::Hyperliquid, Isolated, raw + value, vec![leg]);
        Row::live(source, scope)
    };
    vec![
        row(
            "2026-10",
            "BTC",
            dec!(-3828.81778),
            [dec!(0.06075), dec!(5101.4205)],
            40,
        )
        .line(dec!(63823.6021044955)),
        // Highest leverage inferred: 10.
        row(
            "2024-05",
            "ONDO",
            dec!(-1344.853853),
            [dec!(2036), dec!(1500)],
            10,
        )
        .line(dec!(0.69530237)),
        row(
            "test of a client",
            "ETH",
            dec!(-95.059824),
            [dec!(0.0335), dec!(100)],
            50,
        )
        .line(dec!(2866.26936529)),
        row(
            "source comment",
            "ETH",
            dec!(-475.23904),
            [dec!(0.2259), dec!(600)],
            50,
        )
        .line(dec!(2125.00856238)),
    ]
}

#[test]
fn figures_of_live_positions_follow_from_the_rules() {
    let checks = [
        binance(),
        binance_pages(),
        bybit_unified(),
        bybit_classic(),
        okx_isolated(),
        okx_cross(),
        hyperliquid_cross(),
        hyperliquid_isolated(),
    ]
    .concat();
    let rows = table(&checks);
    for row in &rows {
        println!("{row}");
    }
    for known in judge(&checks, UNFIT) {
        println!("{known}");
    }
    is_documented(&rows);
}

/// Legs without a printed value cannot be recomputed. Their marks, solved for, are prices of five
/// digits as the venue prints them, which supports the formula and proves nothing.
#[test]
fn marks_that_were_not_printed_come_out_as_round_prices() {
    let solved = |side: Decimal, room: Decimal, size: Decimal, most: i64, line: Decimal| {
        let share = Decimal::ONE / Decimal::from(2 * most);
        line + side * room / size / (Decimal::ONE - share * side)
    };
    let vault = dec!(3173167.351586) - dec!(37350.071885);
    let account = dec!(265.547215) - dec!(90.221703);
    let (long, short) = (Decimal::ONE, -Decimal::ONE);
    for (mark, round) in [
        (
            solved(short, vault, dec!(303109.2), 50, dec!(10.3702027403)),
            dec!(0.12713),
        ),
        (
            solved(short, vault, dec!(2561.2), 50, dec!(1222.1038847659)),
            dec!(9.8715),
        ),
        (
            solved(long, account, dec!(0.3839), 50, dec!(2668.7911259)),
            dec!(3130.1),
        ),
        (
            solved(long, account, dec!(310), 20, dec!(9.51093214)),
            dec!(10.091),
        ),
    ] {
        assert!((mark - round).abs() <= round * dec!(0.000001), "{mark}");
    }
}
