#!/usr/bin/env python3
"""The yardstick: a bare loop such as a trader would write, without any library, framework or event
loop. Per operation: one mark frame, the health of five cross positions with risk tiers and one
liquidation price; `order` adds a half close and its signature. Compare with `tick-cross5` and
`request` of the bench `tick`, run right before or after it on the same machine."""

import hashlib
import hmac
import json
import statistics
import time
from decimal import Decimal as D

TIERS = [(D(300000), D("0.004"), D(0)), (D(800000), D("0.005"), D(300)), (D(3000000), D("0.0065"), D(1500)),
         (D(12000000), D("0.01"), D(12000)), (D(70000000), D("0.02"), D(132000)), (D(10**12), D("0.025"), D(482000))]
HELD = {name: [D(mark), D(mark), D(size)] for name, mark, size in [
    ("BTCUSDT", "100000", "0.5"), ("ETHUSDT", "4000", "2.5"), ("SOLUSDT", "200", "50"),
    ("XRPUSDT", "2.5", "4000"), ("DOGEUSDT", "0.2", "50000")]}  # entry, mark, size
WALLET, SECRET = D(6000), b"made-up-secret-of-a-usual-length-made-up-secret-of-a-usual-len00"
FRAME = ('{"e":"markPriceUpdate","E":1760126401000,"s":"BTCUSDT","p":"100001.00000000","ap":"100001.00000000",'
         '"P":"100001.00000000","i":"100001.00000000","r":"0.00010000","T":1760140800000,"st":1}')


def tick(text):
    frame = json.loads(text)
    symbol, mark = frame["s"], D(frame["p"])
    HELD[symbol][1] = mark
    equity, maintenance = WALLET, D(0)
    for entry, price, size in HELD.values():
        equity += (price - entry) * size
        notional = price * size
        rate, amount = next((r, a) for cap, r, a in TIERS if notional < cap)
        maintenance += notional * rate - amount
    size = HELD[symbol][2]
    return symbol, mark - (equity - maintenance) / (size * (1 - TIERS[0][1])), equity > maintenance


def order(text):
    symbol, _, _ = tick(text)
    query = (f"symbol={symbol}&side=SELL&reduceOnly=true&type=MARKET&quantity={HELD[symbol][2] / 2}"
             f"&newClientOrderId=plim-k3f9-17&newOrderRespType=RESULT&recvWindow=3000&timestamp=1760126401000")
    return query + "&signature=" + hmac.new(SECRET, query.encode(), hashlib.sha256).hexdigest()


for work in (tick, order):
    spans = []
    for _ in range(21):
        began = time.perf_counter_ns()
        for _ in range(1000):
            work(FRAME)
        spans.append((time.perf_counter_ns() - began) / 1000)
    print(f"python {work.__name__:<9} {min(spans):>10.0f} ns min {statistics.median(spans):>10.0f} ns median")
