"""Readings: of one photo, of many, of a folder, and of jobs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from hematovision.client.calls import Calls, Picture, bytes_of, form
from hematovision.client.documents import Job, Listed, Reading, reading_or_error
from hematovision.client.failures import ApiError, ClientError
from hematovision.client.folders import Read, Summary, read_all, read_folder


class ReadingCalls(Calls):
    """Has photos read, and finds readings again."""

    def read(self, picture: Picture, *, explain: bool = False) -> Reading:
        """Have a photo read.

        Args:
            picture: Its file, by its path or as its bytes.
            explain: Whether to say as well where each answer comes from.

        Raises:
            ApiError: If it cannot be read; the error says why.
            OSError: If there is no such file.
        """
        (read,) = self._read([bytes_of(picture)], explain=explain)
        if isinstance(read, ApiError):
            raise read
        return read

    def read_many(
        self, paths: Iterable[str | Path], *, explain: bool = False
    ) -> Iterator[tuple[Path, Read]]:
        """Have photos read, several in a request; give each file and what became of it.

        One that cannot be read stops no other: its error is given in the place of its reading.
        """
        return read_all(map(Path, paths), lambda batch: self._read(batch, explain=explain))

    def read_folder(
        self,
        folder: str | Path,
        output: str | Path | None = None,
        *,
        recursive: bool = False,
        explain: bool = False,
        progress: bool = True,
    ) -> Summary:
        """Have the photos of a folder read, and write their readings into a file.

        What the file has already is skipped, so whoever was interrupted calls it again.

        Args:
            folder: Where the photos are.
            output: JSON lines, a reading each with its `path`; `readings.jsonl` in the folder
                unless it says otherwise.
            recursive: Whether the folders of the folder are searched too.
            explain: Whether to say as well where each answer comes from.
            progress: Whether to show a bar on a terminal.
        """
        place = Path(output) if output else Path(folder) / "readings.jsonl"
        return read_folder(
            Path(folder),
            place,
            lambda batch: self._read(batch, explain=explain),
            recursive=recursive,
            progress=progress,
        )

    def readings(self, **wanted: Any) -> Iterator[Listed]:
        """List readings, the newest first.

        Args:
            wanted: What they are found by: `accession`, `since`, `until`, `person`, `label`,
                `state`, `quick`, `model_version`; and `limit`, how many are fetched at once.
        """
        return map(Listed.of, self._connection.walk("/readings", **_plain(wanted)))

    def reading(self, reading_id: int) -> Reading:
        """Get a reading as it was recorded."""
        return Reading.of(self._connection.get(f"/readings/{int(reading_id)}"))

    def submit(self, *pictures: Picture) -> Job:
        """Send photos that are read later; the answer comes at once."""
        files = form([bytes_of(picture) for picture in pictures])
        later = {"Prefer": "respond-async"}
        return Job.of(self._connection.post("/readings", files=files, headers=later))

    def job(self, job_id: int) -> Job:
        """Ask how far a job is."""
        return Job.of(self._connection.get(f"/jobs/{int(job_id)}"))

    def wait(self, job: Job | int, *, timeout: float | None = None) -> Job:
        """Wait until all photos of a job are read.

        Raises:
            TimeoutError: If they are not after so many seconds.
        """
        job_id = job if isinstance(job, int) else job.id
        return self._until(
            lambda: self.job(job_id),
            lambda now: now.is_done,
            timeout,
            lambda now: f"Of job {job_id} {now.done} of {now.total} photos are read.",
        )

    def _read(self, batch: Sequence[bytes], *, explain: bool) -> Sequence[Reading | ApiError]:
        data = {"explain": "true"} if explain else None
        answer = self._connection.post("/readings", files=form(batch), data=data)
        read = [reading_or_error(one) for one in answer["readings"]]
        found = [one for one in read if one is not None]
        if len(found) != len(batch):
            raise ClientError("The server answered for another number of photos.")
        return found


def _plain(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Write filters as the addresses have them."""
    return {name: _word(value) for name, value in wanted.items()}


def _word(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, datetime) else value
