"""Uses the simulated Binance USDⓈ-M exchange with a client library that was written for the real one.

Input: one line of JSON with the addresses (as `plimsoll exchange` prints it), as the first argument or
on standard input; then optionally the key and the secret of a fresh account (default: the demo ones).
Only the library's addresses and its documented choice of markets are changed.
Exit status 0 means that every step came out as the venue's documentation says.
"""

import asyncio
import json
import sys

import ccxt
import ccxt.pro

SYMBOL = "BTC/USDT:USDT"
PATIENCE_SECONDS = 10


def configure(exchange, urls):
    """Points every address of the library at the simulated exchange."""

    def moved(node):
        if isinstance(node, dict):
            return {name: moved(value) for name, value in node.items()}
        if not isinstance(node, str) or "://" not in node:
            return node
        scheme, rest = node.split("://", 1)
        path = rest.split("/", 1)[1] if "/" in rest else ""
        base = urls["ws"] if scheme.startswith("ws") else urls["rest"]
        return f"{base}/{path}"

    exchange.urls["api"] = moved(exchange.urls["api"])
    return exchange


def options(key, secret):
    return {
        "apiKey": key,
        "secret": secret,
        "enableRateLimit": False,
        # Documented choices of the library: which markets to load, and not to ask for currencies.
        "options": {
            "defaultType": "swap",
            "defaultSubType": "linear",
            "fetchMarkets": {"types": ["linear"]},
            "fetchCurrencies": False,
        },
    }


def step(text):
    print(f"ok: {text}", flush=True)


def check(condition, text):
    if not condition:
        raise AssertionError(text)
    step(text)


def refuses(kind, code, act, text):
    """The call must fail with this code of the venue, in this class of the library.

    The library picks the error table of linear futures by the venue's host name, which is another one
    here: then it raises its base class, and the class is looked up in that table instead.
    """
    try:
        act()
    except ccxt.BaseError as error:
        table = ccxt.binance().exceptions["linear"]["exact"]
        known = table.get(str(code)) if type(error) is ccxt.ExchangeError else type(error)
        check(f'"code":{code}' in str(error) and known is kind, f"{text}: {kind.__name__}, {code}")
        return
    raise AssertionError(f"{text}: was not refused")


def requests(urls, key, secret):
    venue = configure(ccxt.binance(options(key, secret)), urls)
    market = venue.load_markets()[SYMBOL]
    check(market["linear"] and market["swap"] and market["active"], "markets load")
    check(market["limits"]["cost"]["min"] > 0, "smallest notional is read from the filters")
    check(abs(venue.fetch_time() - venue.milliseconds()) < 5_000, "server time is read")

    balance = venue.fetch_balance()["USDT"]
    check(balance["total"] > 1_000 and balance["used"] == 0, "balance is read")
    check(venue.fetch_positions([SYMBOL]) == [], "no position at first")

    venue.set_margin_mode("isolated", SYMBOL)
    check(int(venue.set_leverage(20, SYMBOL)["leverage"]) == 20, "margin mode and leverage are set")
    leverage = venue.fetch_leverage(SYMBOL)
    check(leverage["marginMode"] == "isolated" and leverage["longLeverage"] == 20, "settings are read back")
    tiers = venue.fetch_market_leverage_tiers(SYMBOL)
    check(tiers[0]["maintenanceMarginRate"] > 0 and tiers[0]["minNotional"] == 0, "tiers are read")

    opened = venue.create_order(SYMBOL, "market", "buy", 0.1, None, {"newOrderRespType": "RESULT"})
    check(opened["status"] == "closed" and opened["filled"] == 0.1, "a market order opens a position")
    position = venue.fetch_positions([SYMBOL])[0]
    check(position["side"] == "long" and position["contracts"] == 0.1, "the position is read")
    check(position["marginMode"] == "isolated", "it is isolated")
    line = position["liquidationPrice"]
    check(0 < line < position["entryPrice"], f"liquidation price {line} lies below the entry")

    venue.add_margin(SYMBOL, 25)
    lower = venue.fetch_positions([SYMBOL])[0]["liquidationPrice"]
    check(lower < line, f"adding margin moves the liquidation price to {lower}")
    changes = venue.fetch_margin_adjustment_history(SYMBOL, "add")
    check(changes[-1]["amount"] == 25, "the addition is in the history")

    # The library asks for the result by itself; the venue's own default is ACK.
    reduce = {"reduceOnly": True, "newClientOrderId": "third-party-1", "newOrderRespType": "ACK"}
    ack = venue.create_order(SYMBOL, "market", "sell", 0.04, None, reduce)
    check(ack["status"] == "open" and ack["filled"] == 0, "an order may be acknowledged before its result")
    order = venue.fetch_order(None, SYMBOL, {"origClientOrderId": "third-party-1"})
    check(order["id"] == ack["id"], "the order is found by its client id")
    check(order["status"] == "closed" and order["filled"] == 0.04, "it was executed")
    check(order["reduceOnly"] and order["average"] > 0, "it was reduce-only and has an average price")
    check(venue.fetch_positions([SYMBOL])[0]["contracts"] == 0.06, "the position is smaller")
    trades = venue.fetch_my_trades(SYMBOL)
    check(trades[-1]["order"] == order["id"] and trades[-1]["fee"]["cost"] > 0, "the trade has a fee")
    book = venue.fetch_order_book(SYMBOL, 20)
    check(len(book["bids"]) == 20 and book["bids"][0][0] < book["asks"][0][0], "the book is read")
    funding = venue.fetch_funding_rate(SYMBOL)
    check(funding["markPrice"] > 0 and funding["fundingTimestamp"] > venue.milliseconds(), "mark and funding are read")
    resting(venue, book)
    venue.create_order(SYMBOL, "market", "sell", 0.06, None, {"reduceOnly": True})
    check(venue.fetch_positions([SYMBOL]) == [], "the position is closed")
    refusals(venue, market, urls, key, secret)


def resting(venue, book):
    price = round(book["bids"][0][0] * 0.98, 1)
    order = venue.create_order(SYMBOL, "limit", "buy", 0.01, price)
    check(len(venue.fetch_open_orders(SYMBOL)) == 1, "a limit order rests")
    venue.cancel_order(order["id"], SYMBOL)
    check(venue.fetch_open_orders(SYMBOL) == [], "and is cancelled")


def refusals(venue, market, urls, key, secret):
    forger = configure(ccxt.binance(options(key, secret + "x")), urls)
    refuses(ccxt.AuthenticationError, -1022, forger.fetch_balance, "a bad signature")
    stranger = configure(ccxt.binance(options(key + "x", secret)), urls)
    refuses(ccxt.AuthenticationError, -2015, stranger.fetch_balance, "an unknown key")
    late = configure(ccxt.binance(options(key, secret)), urls)
    late.nonce = lambda: late.milliseconds() - 30_000
    refuses(ccxt.InvalidNonce, -1021, late.fetch_balance, "a stale timestamp")
    unknown = {"symbol": "NOPEUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"}
    refuses(ccxt.BadSymbol, -1121, lambda: venue.fapiPrivatePostOrder(unknown), "an unknown symbol")
    alone = lambda: venue.create_order(SYMBOL, "market", "sell", 0.01, None, {"reduceOnly": True})
    refuses(ccxt.InvalidOrder, -2022, alone, "reduce-only without a position")
    smallest = market["limits"]["amount"]["min"]
    if smallest * venue.fetch_ticker(SYMBOL)["last"] < market["limits"]["cost"]["min"]:
        tiny = lambda: venue.create_order(SYMBOL, "market", "buy", smallest)
        refuses(ccxt.InvalidOrder, -4164, tiny, "an order below the smallest notional")
    else:
        print("skipped: at this price even the smallest order has the smallest notional", flush=True)
    again = lambda: venue.set_margin_mode("isolated", SYMBOL)
    refuses(ccxt.MarginModeAlreadySet, -4046, again, "the margin mode that is set already")


async def streams(urls, key, secret):
    venue = configure(ccxt.pro.binance(options(key, secret)), urls)
    try:
        await venue.load_markets()
        first = await patient(venue.watch_mark_price(SYMBOL))
        check(first["markPrice"] > 0, "the mark price is streamed")
        book = await patient(venue.watch_order_book(SYMBOL))
        check(book["bids"][0][0] < book["asks"][0][0], "the book is streamed")
        held = (await venue.fetch_balance())["USDT"]["total"]
        listeners = [
            asyncio.create_task(until(lambda: venue.watch_orders(SYMBOL), filled)),
            asyncio.create_task(until(lambda: venue.watch_positions([SYMBOL]), sized)),
            asyncio.create_task(until(venue.watch_balance, lambda b: b["USDT"]["total"] < held)),
        ]
        await asyncio.sleep(0.5)
        await venue.create_order(SYMBOL, "market", "buy", 0.02)
        for listener, name in zip(listeners, ["orders", "positions", "balances"]):
            await patient(listener)
            step(f"{name} are streamed")
        await venue.create_order(SYMBOL, "market", "sell", 0.02, None, {"reduceOnly": True})
    finally:
        await venue.close()


def filled(orders):
    return any(order["status"] == "closed" and order["filled"] == 0.02 for order in orders)


def sized(positions):
    return any(position["contracts"] == 0.02 for position in positions)


async def until(watch, good):
    """Watches until what came is what was waited for."""
    while not good(await watch()):
        pass


async def patient(awaitable):
    return await asyncio.wait_for(awaitable, PATIENCE_SECONDS)


def main():
    line = sys.argv[1] if len(sys.argv) > 1 else sys.stdin.readline()
    key = sys.argv[2] if len(sys.argv) > 2 else "demo-key"
    secret = sys.argv[3] if len(sys.argv) > 3 else "demo-secret"
    urls = json.loads(line)
    print(f"ccxt {ccxt.__version__} against {urls['rest']}", flush=True)
    requests(urls, key, secret)
    asyncio.run(streams(urls, key, secret))
    print("all steps passed", flush=True)


if __name__ == "__main__":
    main()
