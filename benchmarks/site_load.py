"""What the page bears: users at once, films a second, time of pages, failures, memory.

Starts ``pneumoscore serve`` and lets ``--users`` people work on it for ``--seconds``: each keeps
the page for new films open, looks at pages and films of his own with a pause between (mean
``--pause`` seconds), and sends a film (phantom, ``--size`` pixels square, about 2 MB at 1024)
every ``--films-every`` looks. Prints Markdown tables: time of each kind of request, films a
second and seconds from the end of sending to the score, failures, and resident memory of the
server and of its processes over the run.

``--attack`` lets it be disturbed meanwhile from ``--attack-from`` (127.0.0.2): an upload of 2 GB,
a ZIP bomb, 200 connections that send nothing, and files that are no films. From the users' own
address, 127.0.0.1, the server's bound on silent connections of one address cuts the users too.

Needs the extras ``server`` and ``dev``:
``python -m benchmarks.site_load --users 50 --seconds 120``.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import random
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import httpx2
import numpy as np
from pydicom import Dataset

from pneumoscore.phantom import (
    LungDisease,
    PhantomSpec,
    SyntheticPatient,
    phantom_dataset,
    render_phantom,
)
from pneumoscore.records.database import Records
from pneumoscore.server.accounts import Role, create_account
from pneumoscore.server.sessions import open_session, session_of
from tests.fixtures.pacs import film_bytes
from tests.fixtures.records import _free_port as free_port

PAGES = ("/", "/api/v1/films", "/ward", "/patients", "/model", "/reading", "/account")


@dataclass
class Counts:
    """What was seen."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failures: Counter[str] = field(default_factory=Counter)
    scored_after: list[float] = field(default_factory=list)
    sent: int = 0
    memory: list[tuple[float, float, float]] = field(default_factory=list)
    lag: list[float] = field(default_factory=list)


class User:
    """One person with a browser."""

    def __init__(
        self, url: str, cookie: str, csrf: str, films: AsyncIterator[bytes], address: str
    ) -> None:
        headers = {"Cookie": f"pneumoscore={cookie}", "X-CSRF-Token": csrf}
        transport = httpx2.AsyncHTTPTransport(local_address=address)
        self.client = httpx2.AsyncClient(
            base_url=url, headers=headers, timeout=60, transport=transport
        )
        self.films = films
        self.sent: dict[str, float] = {}

    async def look(self, kind: str, path: str, counts: Counts) -> httpx2.Response | None:
        """Ask for a page or file."""
        begun = time.perf_counter()
        try:
            answer = await self.client.get(path)
        except httpx2.TransportError as error:
            counts.failures[f"{kind}: {type(error).__name__}"] += 1
            return None
        counts.seconds[kind].append(time.perf_counter() - begun)
        if answer.status_code >= 400:
            counts.failures[f"{kind}: {answer.status_code}"] += 1
            return None
        return answer

    async def send(self, counts: Counts) -> None:
        """Send a film."""
        data = await anext(self.films)
        begun = time.perf_counter()
        try:
            answer = await self.client.post("/api/v1/films", content=data)
        except httpx2.TransportError as error:
            counts.failures[f"upload: {type(error).__name__}"] += 1
            return
        counts.seconds["upload"].append(time.perf_counter() - begun)
        if answer.status_code != 202:
            counts.failures[f"upload: {answer.status_code}"] += 1
            return
        counts.sent += 1
        self.sent[answer.json()["films"][0]["id"]] = time.perf_counter()

    async def own_films(self, counts: Counts) -> list[str]:
        """Look at one's films; return those that are done."""
        answer = await self.look("list of films", "/api/v1/films", counts)
        done = []
        for film in [] if answer is None else answer.json():
            if film["state"] == "failed":
                counts.failures[f"score: {film.get('reason')}"] += 1
            if film["state"] != "waiting":
                if film["id"] in self.sent:
                    counts.scored_after.append(time.perf_counter() - self.sent.pop(film["id"]))
                done.append(film["id"])
        return done

    async def watch(self, counts: Counts) -> None:
        """Hold the stream of news, and look at one's films when something is new."""
        async with self.client.stream("GET", "/events") as news:
            async for line in news.aiter_lines():
                if line.startswith("event: change") and self.sent:
                    await self.own_films(counts)

    async def work(self, end: float, pause: float, every: int, counts: Counts) -> None:
        """Work until the end."""
        chance = random.Random(id(self))
        watching = asyncio.create_task(self.watch(counts))
        await asyncio.sleep(chance.random() * pause)
        while time.perf_counter() < end:
            if chance.randrange(every) == 0:
                await self.send(counts)
            elif chance.random() < 0.5:
                path = chance.choice(PAGES)
                await self.look(path, path, counts)
            else:
                done = await self.own_films(counts)
                if done:
                    film = chance.choice(done)
                    await self.look("film page", f"/films/{film}", counts)
                    await self.look("film, screen copy", f"/api/v1/films/{film}/view", counts)
                    await self.look("map", f"/api/v1/films/{film}/map", counts)
            await asyncio.sleep(chance.expovariate(1.0 / pause))
        watching.cancel()

    async def settle(self, counts: Counts, limit: float) -> None:
        """Wait for the films that are still to be scored."""
        end = time.perf_counter() + limit
        while self.sent and time.perf_counter() < end:
            await self.own_films(Counts(scored_after=counts.scored_after))
            await asyncio.sleep(0.5)
        counts.failures["film acknowledged and not scored"] += len(self.sent)
        await self.client.aclose()


def phantom(extent: float, size: int) -> Dataset:
    """Return a film, drawn small and enlarged: drawing a large one takes long."""
    lung = LungDisease(extent, 0.6)
    film = phantom_dataset(
        render_phantom(PhantomSpec(right=lung, left=lung, seed=1, size=512)),
        SyntheticPatient(),
        datetime(2026, 1, 1, 8),
    )
    times = max(1, size // 512)
    small = np.frombuffer(film.PixelData, dtype="<u2").reshape(512, 512)
    film.PixelData = small.repeat(times, axis=0).repeat(times, axis=1).tobytes()
    film.Rows = film.Columns = 512 * times
    return film


async def films(sources: list[Dataset]) -> AsyncIterator[bytes]:
    """Yield films that all differ: in their identifiers, and in a pixel."""
    number = 0
    while True:
        number += 1
        film = deepcopy(sources[number % len(sources)])
        film.PatientID = f"PHANTOM-{number % 200}"
        for name, root in (("StudyInstanceUID", 1), ("SeriesInstanceUID", 2)):
            setattr(film, name, f"1.2.826.0.1.3680043.10.{root}.{number}")
        film.SOPInstanceUID = f"1.2.826.0.1.3680043.10.3.{number}"
        film.file_meta.MediaStorageSOPInstanceUID = film.SOPInstanceUID
        pixels = np.frombuffer(film.PixelData, dtype="<u2").copy()
        pixels[number % 1000] ^= 1
        film.PixelData = pixels.tobytes()
        yield film_bytes(film)


def memory_of(server: int) -> tuple[float, float]:
    """Return resident MiB of the server, and of the processes that it started."""
    own, others = 0.0, 0.0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            said = dict(line.split(":\t", 1) for line in status.read_text().splitlines())
        except (OSError, ValueError):
            continue
        resident = float(said.get("VmRSS", "0 kB").split()[0]) / 1024
        if int(said["Pid"]) == server:
            own = resident
        elif int(said["PPid"]) == server:
            others += resident
    return own, others


async def measured(server: int, end: float, counts: Counts) -> None:
    begun = time.perf_counter()
    while time.perf_counter() < end:
        counts.memory.append((time.perf_counter() - begun, *memory_of(server)))
        asked = time.perf_counter()
        await asyncio.sleep(1.0)
        counts.lag.append(time.perf_counter() - asked - 1.0)


def bomb() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(45):
            archive.writestr(f"{number}.dcm", bytes(128) + b"DICM" + bytes(50_000_000))
    return stream.getvalue()


async def attack(user: User, address: tuple[str, int], packed: bytes, end: float) -> None:
    """Disturb from an address to a port: too large, unpacking to too much, silent, no films."""

    async def zeros() -> AsyncIterator[bytes]:
        for _ in range(2 * 2**30 // 65536):
            yield bytes(65536)

    silent = []
    for _ in range(200):
        _, writer = await asyncio.open_connection(
            "127.0.0.1", address[1], local_addr=(address[0], 0)
        )
        silent.append(writer)
    answers: Counter[str] = Counter()
    while time.perf_counter() < end:
        for name, content in (("2 GB", zeros()), ("ZIP bomb", packed), ("no film", b"x" * 1000)):
            try:
                answer = await user.client.post("/api/v1/films", content=content)
                answers[f"{name}: {answer.status_code}"] += 1
            except httpx2.TransportError as error:
                answers[f"{name}: {type(error).__name__}"] += 1
        await asyncio.sleep(2.0)
    for writer in silent:
        writer.close()
    print("\nattacker was answered:", ", ".join(f"{k} x {n}" for k, n in sorted(answers.items())))


async def run(options: argparse.Namespace, folder: Path, server: int, port: int) -> Counts:
    url, counts = f"http://127.0.0.1:{port}", Counts()
    sources = [phantom(extent, options.size) for extent in (0.2, 0.7)]
    supply = films(sources)
    users = []
    lifetime = timedelta(seconds=options.seconds + 3600)
    with Records.open(folder / "records.db") as records:
        for number in range(options.users + 1):
            account = create_account(records, f"u{number}", Role.READER, None, actor="benchmark")
            secret = open_session(records, account, lifetime)
            session = session_of(records, secret, lifetime)
            assert session is not None
            place = "127.0.0.1" if number else options.attack_from
            users.append(User(url, secret, session.csrf, supply, place))
    await users[0].look("first", "/model", Counts())
    packed = bomb() if options.attack else b""
    end = time.perf_counter() + options.seconds
    tasks = [user.work(end, options.pause, options.films_every, counts) for user in users[1:]]
    if options.attack:
        tasks.append(attack(users[0], (options.attack_from, port), packed, end))
    begun = time.perf_counter()
    await asyncio.gather(measured(server, end, counts), *tasks)
    spent = time.perf_counter() - begun
    print_counts(options, counts, spent)
    await asyncio.gather(*(user.settle(counts, 120.0) for user in users))
    return counts


def share(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


def print_counts(options: argparse.Namespace, counts: Counts, spent: float) -> None:
    print(f"\n{options.users} users, {spent:.0f} s, pause {options.pause:g} s\n")
    print("| request | count | median s | 95th percentile s | longest s |")
    print("|---|---|---|---|---|")
    pages = [value for kind, them in counts.seconds.items() if kind != "upload" for value in them]
    rows = {"all but uploads": pages, **dict(sorted(counts.seconds.items()))}
    for kind, them in rows.items():
        figures = (statistics.median(them), share(them, 0.95), max(them))
        print(f"| {kind} | {len(them)} | " + " | ".join(f"{value:.3f}" for value in figures) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--pause", type=float, default=5.0)
    parser.add_argument("--films-every", type=int, default=10)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--attack", action="store_true")
    parser.add_argument("--attack-from", default="127.0.0.2", metavar="ADDRESS")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        program = str(Path(sys.executable).with_name("pneumoscore"))
        command = [program, "serve", "--port", str(port), "--records", str(folder / "records.db")]
        command += ["--store", str(folder / "films"), "--workers", str(options.workers)]
        server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            for _ in range(600):
                try:
                    httpx2.get(f"http://127.0.0.1:{port}/health", timeout=5)
                    break
                except httpx2.TransportError:
                    time.sleep(0.1)
            counts = asyncio.run(run(options, folder, server.pid, port))
        finally:
            server.terminate()
            server.wait(timeout=60)
    scored = counts.scored_after
    print(
        f"\nfilms: {counts.sent} sent, {len(scored)} scored, {len(scored) / options.seconds:.2f} a"
    )
    if scored:
        print(f"second; sent to scored: median {statistics.median(scored):.1f} s, "
              f"95th percentile {share(scored, 0.95):.1f} s")  # fmt: skip
    bad = +counts.failures
    print(f"failures: {sum(bad.values())} {dict(bad) if bad else ''}")
    quarter = max(1, len(counts.memory) // 4)
    for place in (quarter, 2 * quarter, 3 * quarter, len(counts.memory)):
        at, own, others = counts.memory[place - 1]
        print(f"memory after {at:.0f} s: server {own:.0f} MiB, its processes {others:.0f} MiB")
    print(f"lag of this benchmark's own loop, 95th percentile: {share(counts.lag, 0.95):.3f} s")


if __name__ == "__main__":
    main()
