"""HTTP as all of us speak it: every request ends, and no password stands in an address.

Names and passwords are read from ``~/.netrc`` (or the file that ``NETRC`` names), authorities
from ``REQUESTS_CA_BUNDLE``, both by requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pneumoscore.errors import SettingsError

if TYPE_CHECKING:
    from requests import Session

__all__ = ["base_url", "bounded_session", "why_failed"]

_SECONDS = (10.0, 120.0)
_REFUSED = (401, 403)


def base_url(text: str) -> str:
    """Return a service's address without a slash at its end.

    Raises
    ------
    SettingsError
        If it is none, or holds a name or password: addresses are logged.

    Examples
    --------
    >>> base_url("http://127.0.0.1:8042/dicom-web/")
    'http://127.0.0.1:8042/dicom-web'
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if host is None or port == 0 or parts.scheme not in ("http", "https"):
        raise SettingsError("an address that is none", "as http://archive:8042/dicom-web")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise SettingsError(
            f"a name, password or query in the address of {host}",
            "the address alone, because it is logged",
            "put name and password into ~/.netrc",
        )
    return text.rstrip("/")


def bounded_session() -> Session:
    """Return a session whose every request ends."""
    from requests import Session

    class _Bounded(Session):  # type: ignore[misc]
        def request(self, *arguments: Any, **options: Any) -> Any:
            options.setdefault("timeout", _SECONDS)
            return super().request(*arguments, **options)

    return _Bounded()


def why_failed(error: Exception) -> str:
    """Return why a request failed: the status where there is one; never the error's text.

    It holds the address, and in it what was asked for.
    """
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is None:
        return type(error).__name__
    hint = ": its name and password belong into ~/.netrc" if status in _REFUSED else ""
    return f"status {status}{hint}"
