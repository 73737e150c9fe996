"""What does the seal cost? The append with sealing behind it against the append alone, how far the seal lags, how fast it verifies.

Two stores take the same batches in turn for rounds of a second, one of them sealed by the thread that `flightlog up` runs, so that
whatever else the machine does meets both. Then events come at a steady rate, and the lag between the commit of an event and the
signature over it is taken as the age of the oldest event that is not under a checkpoint.

    python bench/seal.py [--rounds 10] [--rate 5000] [--seconds 10] [--events 100000]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from flightlog.config import Settings
from flightlog.journal.filter import EventFilter
from flightlog.seal.evidence import write_bundle
from flightlog.seal.merkle import leaf_hash, root_of
from flightlog.seal.tiles import TILE_WIDTH, Tiles, width_of
from flightlog.seal.verify import verify_store
from flightlog.wiring import SEAL_FOLDER, Keeper, keeper_seal, seal_keys
from lib.flights import Flights
from lib.table import print_table, quantile

BATCH = 2_000
APPEND_SHARE_MIN = 0.85
LAG_SECONDS_MAX = 2.0
BUNDLE_SECONDS_MAX = 5.0
HASHED_MIN = 100_000


def append_share(temp: Path, rounds: int) -> list[list[str]]:
    """The append's rate without and with the seal, round by round, and the median of the rounds' ratios."""
    alone = Keeper(temp / "alone", Settings(), writable=True)
    sealed = Keeper(temp / "sealed", Settings(), writable=True)
    feeds = {keeper: Flights() for keeper in (alone, sealed)}
    ratios, rates = [], {alone: 0.0, sealed: 0.0}
    for _ in range(rounds):
        took = {}
        for keeper in (alone, sealed):
            seal = keeper_seal(keeper) if keeper is sealed else None
            if seal:
                seal.start()
            batches = list(feeds[keeper].batches(BATCH * 15, BATCH))
            began = time.perf_counter()
            for batch in batches:
                keeper.journal.append(batch)
            took[keeper] = BATCH * 15 / (time.perf_counter() - began)
            rates[keeper] += took[keeper] / rounds
            if seal:
                seal.stop(timeout=60)
        ratios.append(took[sealed] / took[alone])
    alone.close()
    sealed.close()
    share = statistics.median(ratios)
    return [
        ["append alone, events/s", f"{rates[alone]:,.0f}", ""],
        ["append with sealing, events/s", f"{rates[sealed]:,.0f}", ""],
        ["share of the append alone", f"{share:.2f}", f"≥ {APPEND_SHARE_MIN} {held(share >= APPEND_SHARE_MIN)}"],
    ]


def lag(temp: Path, rate: int, seconds: int) -> list[list[str]]:
    """Events at a steady rate; how old the oldest one without a signature is, looked at every 50 ms."""
    keeper = Keeper(temp / "lag", Settings(), writable=True)
    seal = keeper_seal(keeper)
    seal.start()
    appended: list[tuple[float, int]] = []
    ages = []
    began = time.perf_counter()
    size = max(1, rate // 20)
    for number, batch in enumerate(Flights().batches(rate * seconds, size)):
        keeper.journal.append(batch)
        now = time.perf_counter()
        appended.append((now, (number + 1) * size))
        signed = seal.health().signed_id
        while appended and appended[0][1] <= signed:
            appended.pop(0)
        ages.append(now - appended[0][0] if appended else 0.0)
        time.sleep(max(0.0, began + (number + 1) / 20 - time.perf_counter()))
    seal.stop(timeout=60)
    keeper.close()
    ages.sort()
    worst = ages[-1]
    return [
        [f"lag at {rate:,} events/s, s, p50", f"{quantile(ages, 0.5):.2f}", ""],
        [
            f"lag at {rate:,} events/s, s, worst",
            f"{worst:.2f}",
            f"≤ {LAG_SECONDS_MAX} {held(worst <= LAG_SECONDS_MAX)}",
        ],
    ]


def rates(temp: Path, events: int) -> list[list[str]]:
    """Sealing what is there already, and verifying all of it."""
    keeper = Keeper(temp / "rates", Settings(seal_share_max=1.0), writable=True)
    for batch in Flights().batches(events, BATCH):
        keeper.journal.append(batch)
    seal = keeper_seal(keeper)
    began = time.perf_counter()
    seal.start()
    seal.stop(timeout=600)
    sealed = events / (time.perf_counter() - began)
    began = time.perf_counter()
    report = verify_store(keeper.store, temp / "rates" / SEAL_FOLDER, seal_keys(temp / "rates", keeper.settings))
    verified = events / (time.perf_counter() - began)
    tiles = Tiles(temp / "rates" / SEAL_FOLDER)
    entries = [tiles.entries(index, width_of(0, index, events)) for index in range(-(-events // TILE_WIDTH))]
    began = time.perf_counter()
    root_of([leaf_hash(entry) for bundle in entries for entry in bundle])
    hashed = events / (time.perf_counter() - began)
    keeper.close()
    assert report.ok
    assert report.checked == events
    return [
        ["sealing what is there, events/s", f"{sealed:,.0f}", ""],
        ["verifying rows, leaves, tiles and root, events/s", f"{verified:,.0f}", ""],
        ["hashing leaves to the root, events/s", f"{hashed:,.0f}", f"≥ {HASHED_MIN:,} {held(hashed >= HASHED_MIN)}"],
    ]


def bundle(temp: Path) -> list[list[str]]:
    """An evidence bundle of a run of 10,000 events among 160,000, written and checked by its own program."""
    keeper = Keeper(temp / "bundle", Settings(seal_share_max=1.0), writable=True)
    run_id = None
    for batch in Flights(events_per_run=10_000).batches(160_000, 100):
        run_id = run_id or batch[0].run_id
        keeper.journal.append(batch)
    seal = keeper_seal(keeper)
    seal.start()
    seal.stop(timeout=600)
    file, folder = temp / "bundle.zip", temp / "unpacked"
    keys = seal_keys(temp / "bundle", keeper.settings)
    wanted = EventFilter(run_id=run_id)
    began = time.perf_counter()
    with file.open("wb") as out:
        write_bundle(keeper.store, temp / "bundle" / SEAL_FOLDER, keys, wanted, out, subject=f"run {run_id}", now_ns=0)
    wrote = time.perf_counter() - began
    keeper.close()
    with zipfile.ZipFile(file) as archive:
        archive.extractall(folder)
    began = time.perf_counter()
    subprocess.run([sys.executable, "-I", "-S", folder / "verify.py"], check=True, capture_output=True)
    checked = time.perf_counter() - began
    return [
        [
            "bundle of a run of 10,000 events, s",
            f"{wrote:.2f}",
            f"≤ {BUNDLE_SECONDS_MAX} {held(wrote <= BUNDLE_SECONDS_MAX)}",
        ],
        ["checking it with its own program, s", f"{checked:.2f}", ""],
    ]


def held(holds: bool) -> str:
    return "holds" if holds else "MISSED"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--rate", type=int, default=5_000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--events", type=int, default=100_000)
    given = parser.parse_args()
    rows = []
    for part in (
        lambda temp: append_share(temp, given.rounds),
        lambda temp: lag(temp, given.rate, given.seconds),
        lambda temp: rates(temp, given.events),
        bundle,
    ):
        with tempfile.TemporaryDirectory() as temp:
            rows += part(Path(temp))
    print_table("The seal", ["", "measured", "bar"], rows, ["1 KB payloads, runs and generations projected"])


if __name__ == "__main__":
    main()
