"""What the API answers, and what an upload is."""

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Schema

UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "array", "items": {"type": "string", "format": "binary"}}},
                }
            }
        },
    }
}


class ErrorOut(Schema):
    """What is wrong."""

    detail: Any


class TakenOut(Schema):
    """Where a sample's verdicts are going to be."""

    sha256: str
    url: str


class SubmittedOut(TakenOut):
    """The first sample, and all that were handed in."""

    samples: list[TakenOut]


class VerdictOut(Schema):
    """What an engine says; `infected` is null where it only describes."""

    engine: str
    engine_version: str
    outcome: str
    infected: bool | None
    name: str
    error: str
    metadata: dict[str, str | None]
    duration: float | None


class RunOut(Schema):
    """A scan of a sample.

    `infected` is true as soon as an engine detects something, false when none did, none failed and one looked for it,
    and null otherwise: also where an engine failed or did not answer.
    """

    id: str
    name: str
    status: str
    infected: bool | None
    threats: list[str]
    created_at: datetime
    finished_at: datetime | None


class FoundOut(RunOut):
    """A scan that a search found, and its sample."""

    sha256: str
    size: int
    url: str


class PageOut(Schema):
    """A page of what a search found.

    `count` ends at 10,000, and so do `pages`: `more` is true then. `next`, where there are others, is `after` of the
    page behind this one: so any number of pages is read, each as quickly.
    """

    count: int
    more: bool
    page: int | None
    pages: int
    next: UUID | None
    samples: list[FoundOut]


class SampleOut(Schema):
    """A sample; `status`, `infected`, `threats` and `verdicts` are those of its newest scan, see RunOut."""

    sha256: str
    sha1: str
    md5: str
    size: int
    first_seen: datetime
    name: str
    status: str
    infected: bool | None
    threats: list[str]
    verdicts: list[VerdictOut]
    runs: list[RunOut]
