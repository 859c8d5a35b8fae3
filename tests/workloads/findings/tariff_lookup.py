"""Looks prices up in a large tariff that is kept as JSON."""

import hashlib
import json

from shared import modes, ratio, ready

TARIFF = json.dumps(
    {"zone-%d" % n: {"base": n * 0.5, "steps": [n * k / 8 for k in range(20)]} for n in range(2000)}
)
ZONES = ["zone-%d" % (n * 97 % 2000) for n in range(10)]
SCANS = [b"label %d " % n * 4000 for n in range(20)]


def price(text, zone):
    return json.loads(text)[zone]["base"]  # here


def price_parsed(tariff, zone):
    return tariff[zone]["base"]


def prices(lookup, tariff):
    return [lookup(tariff, zone) for zone in ZONES]


def fingerprints(scans):
    answers = []
    for scan in scans:
        answers.append(json.dumps({"size": len(scan), "sha256": hashlib.sha256(scan).hexdigest()}))
    return answers


def main(work, *arguments):
    ready()
    while True:
        work(*arguments)


modes(
    {
        "slow": lambda: main(prices, price, TARIFF),
        "fixed": lambda: main(prices, price_parsed, json.loads(TARIFF)),
        "small_part": lambda: main(fingerprints, SCANS),
        "ratio": lambda: ratio(
            lambda: prices(price, TARIFF),
            lambda tariff=json.loads(TARIFF): prices(price_parsed, tariff),
        ),
    }
)
