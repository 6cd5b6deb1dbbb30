"""How far a report is, in words; on paper and on the page."""

from hematovision.exchange.report import Report, Status
from hematovision.exchange.speech import Speech


def standing(report: Report, words: Speech) -> str:
    """Say which version a report is, and how far."""
    if report.status is Status.PRELIMINARY:
        return words.gettext("Preliminary, not signed")
    if report.status is Status.FINAL:
        return words.gettext("Version %(version)s, final", version=report.version)
    return words.gettext("Version %(version)s, amended", version=report.version)
