"""A client of the API for programs, version 1.

    from hematovision.client import Client

    with Client("https://lab.example", token="...") as client:
        reading = client.read("smear.jpg")
        print(reading.counts)

It knows nothing of the server but its addresses and documents, and loads none of its libraries.
For research use only. Not for use in diagnostic procedures.
"""

from hematovision.client.api import Client
from hematovision.client.case_documents import (
    Arrival,
    Case,
    Cell,
    Check,
    ConflictError,
    Count,
    Differential,
    Measure,
    Outcome,
    Part,
    Photo,
    Review,
    Signature,
)
from hematovision.client.documents import FoundCell, Job, Listed, Model, Reading, Webhook
from hematovision.client.failures import ApiError, ClientError, UnreachableError
from hematovision.client.folders import Summary

__all__ = [
    "ApiError",
    "Arrival",
    "Case",
    "Cell",
    "Check",
    "Client",
    "ClientError",
    "ConflictError",
    "Count",
    "Differential",
    "FoundCell",
    "Job",
    "Listed",
    "Measure",
    "Model",
    "Outcome",
    "Part",
    "Photo",
    "Reading",
    "Review",
    "Signature",
    "Summary",
    "UnreachableError",
    "Webhook",
]
