#!/usr/bin/env python3
"""Check an export of HematoVision's audit record; needs Python 3.11 and nothing else.

    python audit_verifier.py EXPORT [--checkpoint FILE ...] [--key AUDIT_KEY]

EXPORT is what `hematovision audit export` wrote. A checkpoint FILE is what was kept elsewhere,
earlier or now: the line that an export or `hematovision audit checkpoint` printed, or a copy of
`audit_checkpoints`. AUDIT_KEY is the file of that name, for somebody who is trusted with it.

- Alone it says whether the file is as it was exported, as far as its own last line tells.
- With checkpoints it says whether this is the record that they have seen: no event up to theirs was
  changed, removed, added or written anew, whoever has the key.
- With the key it computes every digest again.

docs/audit.md tells what is digested.
"""

import argparse
import hashlib
import hmac
import json
import sys
from pathlib import Path

encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


class Key:
    """Computes what only the key can."""

    def __init__(self, file):
        """Read the key."""
        self._key = bytes.fromhex(Path(file).read_text().strip())

    def digest(self, previous, event):
        """Give the digest of an event that stands behind the one with the digest `previous`."""
        return self._hmac(previous + encode(event))

    def sign(self, words):
        """Give the signature of a checkpoint."""
        return self._hmac("hematovision audit " + words)

    def cover(self, events):
        """Give the HMAC of events that stand in no chain."""
        words = b"hematovision audit cover" + b"".join(encode(event).encode() for event in events)
        return hmac.digest(self._key, words, "sha256").hex()

    def _hmac(self, words):
        return hmac.digest(self._key, words.encode(), "sha256").hex()


def verify(export, checkpoints, key=None):
    """Give what is wrong, a sentence each, and a sentence of what was checked."""
    lines = Path(export).read_bytes().splitlines(keepends=True)
    wrong = []
    try:
        last = json.loads(lines[-1])["checkpoint"]
        events = [json.loads(line) for line in lines[:-1]]
    except (IndexError, KeyError, ValueError):
        return ["The file is no export, or its end is missing."], ""
    at_line, sha256 = {}, hashlib.sha256()
    for number, line in enumerate(lines[:-1], start=1):
        sha256.update(line)
        at_line[number] = sha256.hexdigest()
    if (len(events), sha256.hexdigest()) != (last["lines"], last["sha256"]):
        wrong.append("The lines are not those of which the checkpoint at the end tells.")
    wrong += _gaps(events)
    digests = {event["id"]: event["digest"] for event in events}
    for seen in checkpoints:
        wrong += _compare(seen, digests, at_line)
    if key:
        wrong += _recompute(events, key)
        said = {name: value for name, value in last.items() if name != "signature"}
        if key.sign("export " + encode(said)) != last["signature"]:
            wrong.append("The checkpoint at the end was not signed with this key.")
    return wrong, f"{len(events)} events, {len(checkpoints)} checkpoints" + (
        ", every digest computed again." if key else ", digests not computed: there is no key."
    )


def _gaps(events):
    """Say where events are missing, or stand in no chain behind its beginning."""
    chained = [event for event in events if event["digest"] is not None]
    if not chained:
        return []
    found = [] if chained[0]["action"] == "chain.begun" else ["The chain has no beginning."]
    begun = events.index(chained[0])
    for before, event in zip(events[begun:], events[begun + 1 :], strict=False):
        if event["id"] != before["id"] + 1:
            found.append(f"Between the events {before['id']} and {event['id']} some are missing.")
        if event["digest"] is None:
            found.append(f"Event {event['id']} stands in no chain.")
    return found


def _compare(seen, digests, at_line):
    """Compare the record with a checkpoint that was kept elsewhere."""
    number = seen["event"]
    if number and digests.get(number) != seen["digest"]:
        gone = number > max(digests, default=0)
        return [f"Event {number} {'is missing' if gone else 'is another'} than a checkpoint saw."]
    if "sha256" in seen and seen["lines"] and at_line.get(seen["lines"]) != seen["sha256"]:
        return [f"The first {seen['lines']} lines are others than a checkpoint saw."]
    return []


def _recompute(events, key):
    """Say which events have another digest than the key gives them."""
    found, previous, earlier = [], None, []
    for event in events:
        digest = event.pop("digest")
        if previous is None and digest is None:
            earlier.append(event)
            continue
        if previous is None:
            said = event["details"]
            if (said.get("earlier"), said.get("cover")) != (len(earlier), key.cover(earlier)):
                found.append(f"What stands before event {event['id']} is not what stood there.")
        if digest != key.digest(previous or "0" * 64, event):
            found.append(f"Event {event['id']} was changed, added, or stands at a wrong place.")
        previous = digest or "0" * 64
    return found


def read_checkpoints(file):
    """Read checkpoints, a line each, from whatever holds some."""
    found = []
    for line in Path(file).read_text().splitlines():
        try:
            said = json.loads(line)
            said = said.get("checkpoint", said)
            found.append(said | {"event": said["event"], "digest": said["digest"]})
        except (ValueError, KeyError, AttributeError):
            continue
    if not found:
        raise SystemExit(f"{file} holds no checkpoint.")
    return found


def main():
    """Check what the command line names; exit with 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("export")
    parser.add_argument("--checkpoint", action="append", default=[], metavar="FILE")
    parser.add_argument("--key", metavar="AUDIT_KEY")
    given = parser.parse_args()
    seen = [one for file in given.checkpoint for one in read_checkpoints(file)]
    wrong, checked = verify(given.export, seen, Key(given.key) if given.key else None)
    print("\n".join(wrong) or f"Nothing is wrong: {checked}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
