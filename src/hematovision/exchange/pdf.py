"""A report as paper: what stands on it, section by section."""

from collections import Counter

from hematovision.cells import NOTICE
from hematovision.exchange.paper import FAINT, MARGIN, WIDTH, Frame, Paper
from hematovision.exchange.paper_gallery import GetCrop, set_gallery
from hematovision.exchange.paper_proof import set_proof
from hematovision.exchange.paper_table import ROW, set_absolute, set_differential
from hematovision.exchange.report import Report, Signed, Status
from hematovision.exchange.speech import Speech
from hematovision.exchange.standing import standing
from hematovision.labels import NOT_CLASSED, UNIDENTIFIED


def pdf_of(report: Report, words: Speech, get_crop: GetCrop) -> bytes:
    """Write a report as a PDF.

    Args:
        report: What it says.
        words: The language that it is said in.
        get_crop: Gives the pictures of cells.
    """
    title = words.gettext("Report %(accession)s", accession=report.accession)
    frame = _frame(report, words)
    paper = Paper(frame, title=title, language=words.language, made_at=report.made_at)
    _set_head(paper, report, words)
    _set_facts(paper, report, words)
    _set_differential(paper, report, words)
    _set_names(paper, report, words)
    _set_signatures(paper, report, words)
    set_proof(paper, report, words)
    set_gallery(paper, report, words, get_crop)
    return bytes(paper.output())


def _frame(report: Report, words: Speech) -> Frame:
    models = ", ".join(model.label for model in report.models)
    foot = words.gettext(
        "Model %(models)s · case %(case)s, %(standing)s · made %(moment)s",
        models=models or "\N{EN DASH}",
        case=report.case_id,
        standing=standing(report, words),
        moment=words.moment(report.made_at),
    )
    return Frame(
        head=f"{report.accession} · {standing(report, words)}",
        notice=words.gettext(NOTICE),
        foot=foot.replace("{", "(").replace("}", ")"),
        page=words.gettext("page {page} of {pages}"),
        warning=_warning(report, words),
    )


def _warning(report: Report, words: Speech) -> str:
    """Say in large letters what the report is not."""
    if report.is_demonstration:
        return words.gettext("Demonstration, of no patient")
    if report.status is Status.PRELIMINARY:
        return words.gettext("Preliminary, not signed")
    if report.replaced_by:
        return words.gettext("Replaced by version %(version)s", version=report.replaced_by)
    return ""


def _set_head(paper: Paper, report: Report, words: Speech) -> None:
    top = paper.get_y()
    paper.usual(15, bold=True)
    paper.fitted(WIDTH / 2, 7, words.gettext("White cell differential"))
    paper.usual(11, bold=True)
    paper.fitted(WIDTH / 2, 7, report.accession, align="R")
    paper.usual()
    paper.set_xy(MARGIN, top + 7)
    paper.fitted(2 * WIDTH / 3, 5, _origin(report, words))
    paper.fitted(WIDTH / 3, 5, standing(report, words), align="R")
    paper.set_xy(MARGIN, top + 14)
    paper.rule(0.5)
    paper.ln(3)
    if report.replaced and report.signed:
        _set_replaced(paper, report.replaced, report.signed, words)
    elif report.signatures and not report.signed:
        stands = words.gettext(
            "Version %(version)s, signed by %(name)s, stands until this is signed.",
            version=report.signatures[-1].version,
            name=report.signatures[-1].name,
        )
        paper.paragraph(stands)
        paper.ln(2)


def _origin(report: Report, words: Speech) -> str:
    counts = report.differential
    if counts.counted and counts.confirmed == counts.counted:
        return words.gettext("From photographs, every cell confirmed by people")
    return words.gettext(
        "From photographs, %(number)s of %(all)s cells confirmed by people",
        number=counts.confirmed,
        all=counts.counted,
    )


def _set_replaced(paper: Paper, before: Signed, now: Signed, words: Speech) -> None:
    """Say large what an amended report replaces, and why."""
    paper.usual(12, bold=True)
    paper.multi_cell(
        WIDTH,
        6,
        words.gettext("Amended: replaces version %(version)s", version=before.version),
        align="L",
        new_x="LMARGIN",
        new_y="NEXT",
    )
    paper.paragraph(
        words.gettext(
            "Version %(version)s was signed by %(name)s, %(moment)s. Reason of the amendment: "
            "%(reason)s",
            version=before.version,
            name=before.name,
            moment=words.moment(before.at),
            reason=now.reason,
        )
    )
    paper.ln(2)


def _set_facts(paper: Paper, report: Report, words: Speech) -> None:
    photos, counts = report.photos, report.differential
    out = sum(row.number for row in counts.out if row.code == NOT_CLASSED)
    shown = words.ngettext("%(num)d photo", "%(num)d photos", photos.number)
    if photos.empty:
        empty = words.gettext("%(number)s without a white cell", number=len(photos.empty))
        shown = f"{shown}, {empty}"
    cells = words.gettext(
        "%(counted)s counted, %(out)s not classed, %(left)s unidentified",
        counted=counts.counted,
        out=out,
        left=counts.unidentified.number,
    )
    band = (report.band.name or words.gettext("Adults")) if report.band else "\N{EN DASH}"
    paper.facts(
        [
            (words.gettext("Case"), str(report.case_id)),
            (words.gettext("Photos"), shown),
            (words.gettext("Opened"), words.moment(report.opened_at)),
            (words.gettext("Cells"), cells),
            (words.gettext("Target"), str(report.target)),
            (words.gettext("Ranges"), band),
        ]
    )


def _set_differential(paper: Paper, report: Report, words: Speech) -> None:
    paper.heading(words.gettext("Differential"), 5 + 5 * ROW)
    if not report.differential.counted:
        paper.paragraph(words.gettext("No white cell is counted yet"))
        return
    set_differential(paper, report, words)
    paper.ln(2)
    for text in _explained(report, words):
        paper.paragraph(text, faint=True)
    if report.differential.white_count is not None:
        paper.heading(words.gettext("Counts in blood"), 5 + 5 * ROW)
        set_absolute(paper, report, words)
        paper.ln(2)
        paper.paragraph(_reckoned(report, words), faint=True)


def _explained(report: Report, words: Speech) -> list[str]:
    said = [
        words.gettext(
            "Shares add to 100 %% of the %(number)s cells counted; limits are exact binomial 95 %% "
            "limits (Clopper and Pearson). The axis is drawn as a square root. “Undecided”, “may "
            "be”: the limits reach past an end of the reference range; this count cannot tell on "
            "which side the true share lies.",
            number=report.differential.counted,
        )
    ]
    if report.band:
        source = words.gettext(
            "Grey band: reference range, %(name)s. Source: %(source)s.",
            name=report.band.name or words.gettext("Adults"),
            source=report.band.source,
        )
        said.append(source)
    return said


def _reckoned(report: Report, words: Speech) -> str:
    """Say with which total the counts in blood were reckoned."""
    counts = report.differential
    if counts.corrected_count is None:
        reckoned = words.gettext(
            "Reckoned with %(count)s \N{MULTIPLICATION SIGN} 10⁹ white cells a litre",
            count=words.short(counts.white_count or 0),
        )
    else:
        reckoned = words.gettext(
            "Reckoned with %(count)s \N{MULTIPLICATION SIGN} 10⁹ white cells a litre, without the "
            "erythroblasts",
            count=words.short(counts.corrected_count),
        )
    error = words.gettext("Limits are those of the share; the counter's own error comes on top.")
    return f"{reckoned}. {error}"


def _set_names(paper: Paper, report: Report, words: Speech) -> None:
    """Say which names are the machine's and which are people's."""
    paper.heading(words.gettext("How the names came about"))
    found = [cell for cell in report.cells if cell.found]
    named = [cell for cell in found if cell.machine]
    about = report.differential.suggestions
    said = [
        words.gettext(
            "The system named %(named)s of the %(found)s cells that it found. People looked at "
            "%(reviewed)s of these names, kept %(kept)s and changed %(changed)s; %(waiting)s were "
            "not looked at. They named %(others)s other cells.",
            named=len(named),
            found=len(found),
            reviewed=about.reviewed,
            kept=about.reviewed - about.changed,
            changed=about.changed,
            waiting=about.waiting,
            others=_named_by_people(report),
        )
    ]
    reviewers = Counter(cell.reviewer for cell in report.cells if cell.person and cell.reviewer)
    if reviewers:
        names = ", ".join(f"{name} ({number})" for name, number in reviewers.most_common())
        said.append(words.gettext("Cells by who named them last: %(names)s.", names=names))
    paper.paragraph(" ".join(said))


def _named_by_people(report: Report) -> int:
    """Count the cells that the system did not name or find, and people did."""
    return sum(
        cell.machine is None and cell.is_cell and cell.called != UNIDENTIFIED
        for cell in report.cells
    )


def _set_signatures(paper: Paper, report: Report, words: Speech) -> None:
    if not report.signed:
        return
    paper.heading(words.gettext("Signed"), 26)
    _set_overrides(paper, report.signed, words)
    for signed in reversed(report.signatures):
        paper.keep(16)
        paper.ln(1)
        paper.set_draw_color(*FAINT)
        paper.set_line_width(0.2)
        paper.line(MARGIN, paper.get_y(), MARGIN + WIDTH / 2, paper.get_y())
        paper.ln(1)
        paper.usual(bold=True)
        paper.cell(WIDTH, 4.4, signed.name, new_x="LMARGIN", new_y="NEXT")
        when = words.gettext(
            "Version %(version)s, %(moment)s",
            version=signed.version,
            moment=words.moment(signed.at),
        )
        if signed.account:
            when = f"{when}, {words.gettext('account %(account)s', account=signed.account)}"
        said = [words.gettext(signed.meaning), when]
        if signed.reason:
            said.append(words.gettext("Amended because: %(reason)s", reason=signed.reason))
        paper.paragraph("\n".join(said))
        paper.ln(1)


def _set_overrides(paper: Paper, signed: Signed, words: Speech) -> None:
    """Say which checks were left open when it was signed, and why."""
    said = {
        "unidentified": words.gettext("Unidentified cells were left"),
        "unconfirmed": words.gettext("Suggestions were not looked at"),
        "target": words.gettext("Fewer cells than the target were counted"),
        "second": words.gettext("Nobody read the case a second time"),
        "apart": words.gettext("Nobody decided where the readers differ"),
    }
    for code, reason in sorted(signed.overrides.items()):
        what = said.get(code, code)
        paper.paragraph(words.gettext("%(what)s. Reason: %(reason)s", what=what, reason=reason))
