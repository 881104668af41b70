"""The OpenAPI document: what the routes declare, finished by what holds for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI

from pneumoscore.server.http.headers import UPLOADS
from pneumoscore.server.http.rights import RIGHTS

__all__ = ["RESPONSES", "document"]

RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"description": "The request cannot be understood or its rules forbid it"},
    401: {"description": "No valid session or token"},
    403: {"description": "The account, scope or page may not do that"},
    404: {"description": "Nothing of that name that this account may see"},
    408: {"description": "The body came too slowly"},
    409: {"description": "Something there stands against it"},
    413: {"description": "More bytes than allowed"},
    422: {"description": "A value is missing or of the wrong kind"},
    429: {"description": "Too many tries; wait as Retry-After says"},
}
"""What any route may answer."""

_FILES = {
    "/metrics": "text/plain",
    "/view": "application/octet-stream",
    "/map": "image/png",
    "/thumbnail": "image/jpeg",
    ".csv": "text/csv",
    ".dcm": "application/dicom",
    ".pdf": "application/pdf",
    ".svg": "image/svg+xml",
    ".zip": "application/zip",
}
"""Media types of what is neither a page nor JSON, by the end of its path."""
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_TEXT = {"schema": {"type": "string"}}
_DETAIL = {"schema": {"type": "object", "required": ["detail"]}}


def document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of an application.

    Pages answer HTML, or lead on (303) where a form was taken or nobody is signed in; the API
    answers JSON or the file that a path's end names.
    """
    made = app.openapi()
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            _finish(path, method.upper(), operation)
    made.setdefault("components", {})["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer"},
        "session": {"type": "apiKey", "in": "cookie", "name": "pneumoscore"},
    }
    return made


def _finish(path: str, method: str, operation: dict[str, Any]) -> None:
    right = RIGHTS[method, path]
    if right.role is not None:
        token: list[dict[str, list[str]]] = [{"token": []}] if right.scope is not None else []
        operation["security"] = [*token, {"session": []}]
    answers: dict[str, Any] = operation["responses"]
    content = _content(path)
    for status, answer in answers.items():
        if status.startswith("2") and status != "204":
            answer["content"] = content or answer.get("content", {})
        elif status[0] in "45":
            answer["content"] = {"application/json": _DETAIL}
            if not path.startswith("/api/"):
                answer["content"]["text/html"] = _TEXT
    if not path.startswith("/api/"):
        answers["303"] = {"description": "Leads on to another page"}
    if method == "POST" and path in UPLOADS:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/octet-stream": _BINARY},
        }


def _content(path: str) -> Mapping[str, Any] | None:
    """Return what a path answers where the routes do not say it themselves."""
    for end, kind in _FILES.items():
        if path.endswith(end):
            return {kind: _BINARY}
    if path.startswith("/api/") or path == "/health":
        return None
    return {"text/html": _TEXT}
