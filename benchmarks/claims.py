"""What was asked for, beside what was found; a figure that is missed says so."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CLIENTS = "8"
LEAST_TIMES = 6.0
LEAST_GROWTH = 1.5
LEAST_SHARE = 0.8
MOST_WEB_MB = 250.0


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that was asked for.

    Attributes:
        what: Of what.
        asked: How much.
        found: How much it is.
        met: Whether that is enough.
    """

    what: str
    asked: str
    found: str
    met: bool


def claims_of(document: Mapping[str, Any]) -> Sequence[Claim]:
    """List everything that was asked for and can be judged from what was measured."""
    cases = {case["name"]: case for case in document["cases"]}
    return [
        *_beside_plain(cases),
        *_growth(cases),
        *_pipeline(document["pipeline"]),
        *_web_memory(cases),
        *_records(cases),
    ]


def _beside_plain(cases: Mapping[str, Any]) -> Iterator[Claim]:
    plain = _load(cases.get("plain"))
    for case in cases.values():
        load = _load(case)
        if not plain or not load or not case["name"].startswith("web-"):
            continue
        times = load["requests_a_second"] / plain["requests_a_second"]
        yield Claim(
            f"{case['title']}: requests a second at 8 clients, beside the plain program's",
            "6 times; aim 10",
            f"{times:.1f} times ({load['requests_a_second']:.1f} and "
            f"{plain['requests_a_second']:.1f})",
            times >= LEAST_TIMES,
        )
        yield Claim(
            f"{case['title']}: p99 at 8 clients, beside the plain program's p50",
            "below",
            f"{load['p99_ms']:.0f} ms and {plain['p50_ms']:.0f} ms",
            load["p99_ms"] < plain["p50_ms"],
        )


def _growth(cases: Mapping[str, Any]) -> Iterator[Claim]:
    for growth in growths(cases):
        if growth.kind == "one-slot":
            yield Claim(
                "second web process, one photo at a time and one engine thread in each",
                "1.5 times",
                f"{growth.times:.2f} times; clients take {growth.client_share:.1%} of the cores",
                growth.times >= LEAST_GROWTH,
            )


def _pipeline(pipelines: Mapping[str, Any]) -> Iterator[Claim]:
    for label, parts in pipelines.items():
        yield Claim(
            f"pipeline in one process, {label}, as a share of the bound of decoder and networks",
            "80 %",
            f"{parts['share']:.0%} ({parts['photos_a_second']:.1f} of {parts['bound']:.1f} "
            "photos a second)",
            parts["share"] >= LEAST_SHARE,
        )
        yield Claim(
            f"the same with a thread a core, and the bound measured with as many, {label}",
            "80 %",
            f"{parts['share_together']:.0%} ({parts['together']:.1f} of "
            f"{parts['bound_together']:.1f} photos a second)",
            parts["share_together"] >= LEAST_SHARE,
        )


def _web_memory(cases: Mapping[str, Any]) -> Iterator[Claim]:
    remote = [case for case in cases.values() if case.get("replicas")]
    if remote:
        most = max(case["web_mb"] for case in remote)
        yield Claim(
            "memory (RSS) of a web process with remote inference",
            "under 250 MB",
            f"{most:.0f} MB",
            most < MOST_WEB_MB,
        )


def _records(cases: Mapping[str, Any]) -> Iterator[Claim]:
    kept = [case for case in cases.values() if case["recorded"] is not None]
    if kept:
        answered, recorded = (sum(case[name] for case in kept) for name in ("answered", "recorded"))
        yield Claim(
            "readings on record, of photos that HematoVision answered",
            "all",
            f"{recorded:,} of {answered:,}",
            recorded >= answered,
        )


@dataclass(frozen=True, slots=True)
class Growth:
    """How the rate grows from one to two of something.

    Attributes:
        kind: `web`, `one-slot` or `ray`.
        label: The model.
        title: Of what there are two.
        one: Requests a second with one.
        two: Requests a second with two.
        client_share: Of the cores, that the clients take with two.
    """

    kind: str
    label: str
    title: str
    one: float
    two: float
    client_share: float

    @property
    def times(self) -> float:
        """Give the rate with two as a multiple of that with one."""
        return self.two / self.one if self.one else 0.0


GROWING = {
    "web": "web processes",
    "one-slot": "web processes, one photo at a time in each",
    "ray": "Ray Serve replicas, 1 web process",
}


def growths(cases: Mapping[str, Any]) -> Sequence[Growth]:
    """List the pairs of cases that differ by one and two of something alone."""
    found = []
    for name, case in cases.items():
        kind, mark, label = name.partition("-1-")
        two = cases.get(f"{kind}-2-{label}")
        if mark and kind in GROWING and two:
            one, both = _load(case), _load(two)
            rates = one["requests_a_second"], both["requests_a_second"]
            found.append(Growth(kind, label, GROWING[kind], *rates, both["client_share"]))
    return found


def _load(case: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Give what 8 clients heard; nothing where they were not asked, or heard nothing."""
    load = (case or {"loads": {}})["loads"].get(CLIENTS) or {}
    return load if load.get("answered") else {}
