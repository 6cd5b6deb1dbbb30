"""Writes what was measured into docs/performance.md, between its marks.

`python -m benchmarks.performance` does it again from docs/performance.json, plots and all.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from benchmarks.claims import claims_of, growths
from benchmarks.servers import ROOT

JSON_FILE = ROOT / "docs/performance.json"
PAGE = ROOT / "docs/performance.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
PARTS = {
    "decode": "decode, in the process for that, there and back",
    "glass": "colour of the glass",
    "locate": "view and boxes",
    "locator_network": "locator network",
    "cut": "cut out and even the stain",
    "classifier_network": "classifier network",
    "say": "say and measure",
    "rest": "digest and the rest",
    "whole": "**whole pipeline**",
    "record": "record: strip, seal, commit",
}


def section(document: Mapping[str, Any]) -> str:
    """Give the part of the page that follows from the figures."""
    parts = [
        _head(document),
        _claims(document),
        _rates(document["cases"]),
        _waits(document["cases"]),
        _memory(document),
        _growth(document["cases"]),
        _pipelines(document["pipeline"]),
        _costs(document),
        _missing(document["missing"]),
    ]
    return "\n\n".join(part for part in parts if part)


def _head(document: Mapping[str, Any]) -> str:
    machine = document["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return (
        f"Measured {document['date']} at commit `{document['commit']}`, in {document['minutes']} "
        f"minutes: {machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"{machine['system']}; load before the start {machine['load_before']}. {versions}. "
        f"{document['photos']} photos of BCCD (640x480), readings kept in {document['database']}; "
        f"each number of clients asked for {document['seconds']:g} s in each of "
        f"{document['rounds']} rounds."
    )


def _claims(document: Mapping[str, Any]) -> str:
    rows = [
        (claim.what, claim.asked, claim.found, "yes" if claim.met else "**no**")
        for claim in claims_of(document)
    ]
    return _titled("What was asked for", _table(("what", "asked", "found", "met"), rows))


def _rates(cases: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (case["title"], *(_rate(case["loads"].get(str(clients))) for clients in (1, 8, 64)))
        for case in cases
    ]
    table = _table(("requests a second", "1 client", "8 clients", "64 clients"), rows)
    return _titled(
        "Requests a second",
        "In brackets the slowest and the fastest round; refused with `Retry-After` and failed "
        "requests are counted apart and are no answers.\n\n"
        f"![requests a second](images/performance-requests.png)\n\n{table}",
    )


def _rate(load: Mapping[str, Any] | None) -> str:
    if load is None:
        return ""
    rounds = f"{load['lowest_round']:.1f} to {load['highest_round']:.1f}"
    text = f"{load['requests_a_second']:.1f} ({rounds})"
    for what in ("busy", "failed"):
        text += f", {load[what]} {what}" if load[what] else ""
    return text


def _waits(cases: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (
            case["title"],
            clients,
            *(_whole(load[name]) for name in ("p50_ms", "p95_ms", "p99_ms")),
            str(load["answered"]),
            f"{load['client_share']:.1%}",
        )
        for case in cases
        for clients, load in case["loads"].items()
    ]
    heads = ("", "clients", "p50 ms", "p95 ms", "p99 ms", "answered", "clients' share of the cores")
    return _titled(
        "How long an answer takes",
        f"![latencies](images/performance-latencies.png)\n\n{_table(heads, rows)}",
    )


def _memory(document: Mapping[str, Any]) -> str:
    rows = [
        (
            case["title"],
            f"{case['start_s']:.1f}",
            f"{case['memory']['processes']:.0f}",
            f"{case['memory']['pss_mb']:.0f}",
            f"{case['memory']['rss_mb']:.0f}",
            _whole(case["web_mb"]),
            _whole(case["engine"] and case["engine"]["pss_mb"]),
        )
        for case in document["cases"]
    ]
    heads = ("", "start s", "processes", "PSS MB", "RSS MB", "largest web process, RSS MB")
    note = (
        "Start: from the command until the first photo is answered. Memory: after all clients "
        "have asked, of all processes of the program, those that decode among them; PSS counts "
        "once what processes share, RSS counts it in each."
    )
    if document["database_mb"]:
        note += f" PostgreSQL beside it: {document['database_mb']:.0f} MB (PSS)."
    table = _table((*heads, "engine elsewhere, PSS MB"), rows)
    plot = "![memory](images/performance-memory.png)"
    return _titled("Start and memory", f"{note}\n\n{plot}\n\n{table}")


def _growth(cases: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (
            growth.title,
            growth.label,
            f"{growth.one:.1f}",
            f"{growth.two:.1f}",
            f"{growth.times:.2f}",
            f"{growth.client_share:.1%}",
        )
        for growth in growths({case["name"]: case for case in cases})
    ]
    if not rows:
        return ""
    heads = ("from one to two", "model", "one", "two", "times", "clients' share of the cores")
    plot = "![growth](images/performance-growth.png)"
    return _titled("Growth, requests a second at 8 clients", f"{plot}\n\n{_table(heads, rows)}")


def _pipelines(pipelines: Mapping[str, Any]) -> str:
    labels = list(pipelines)
    rows = [
        (title, *(f"{pipelines[label][part]:.1f}" for label in labels))
        for part, title in PARTS.items()
    ]
    table = _table(("mean ms a photo, one thread", *labels), rows)
    said = [
        f"- {label}: {parts['photos_a_second']:.1f} photos a second where the bound 1 / (decode + "
        f"locator network + classifier network) is {parts['bound']:.1f}: {parts['share']:.0%}; "
        f"{parts['share_decoded_here']:.0%} of the bound if decoding cost no way to another "
        f"process. Where each core has a thread in the same process, {parts['together']:.1f} of "
        f"{parts['bound_together']:.1f}: {parts['share_together']:.0%}. {parts['photos']} photos, "
        f"{parts['cells']:.2f} white cells each."
        for label, parts in pipelines.items()
    ]
    return _titled("The pipeline, part by part", "\n".join([table, "", *said]))


def _costs(document: Mapping[str, Any]) -> str:
    rows = [
        (case["title"], f"{case['cost_of_million']:.2f}")
        for case in document["cases"]
        if case["cost_of_million"]
    ]
    cores = document["machine"]["cores"]
    note = (
        f"At {document['price']:g} US dollars a core and hour ({document['price_source']}), all "
        f"{cores} cores of this machine paid for, at the best rate that a program reached; with "
        "clients on the same cores, which in earnest are elsewhere."
    )
    table = _table(("a million photos", "US dollars"), rows)
    return _titled("What a million photos cost", f"{note}\n\n{table}")


def _missing(missing: Mapping[str, str]) -> str:
    if not missing:
        return ""
    rows = [f"- `{name}`: {reason}" for name, reason in missing.items()]
    return _titled("Not measured in this run", "\n".join(rows))


def _titled(title: str, text: str) -> str:
    return f"### {title}\n\n{text}"


def _whole(number: float | None) -> str:
    return "" if number is None else f"{number:.0f}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(_lines(heads, rows))


def _lines(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def parts_of_page() -> tuple[str, str, str]:
    """Give what stands before the marks, between them, and behind them."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    between, _, after = rest.partition(END)
    return before, between.strip(), after


def write_page(document: Mapping[str, Any]) -> None:
    """Write the figures into the page."""
    before, _, after = parts_of_page()
    PAGE.write_text(f"{before}{BEGIN}\n\n{section(document)}\n\n{END}{after}")


def main() -> None:
    """Write page and plots again."""
    from benchmarks.plots import draw_all

    document = json.loads(JSON_FILE.read_text())
    write_page(document)
    draw_all(document)


if __name__ == "__main__":
    main()
