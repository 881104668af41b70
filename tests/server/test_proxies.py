"""Behind a proxy: who says from where a request comes."""

from pathlib import Path

import httpx2
import pytest

from pneumoscore.errors import SettingsError
from pneumoscore.records.database import Records
from pneumoscore.server.accounts import Role, create_account
from pneumoscore.server.settings import ServerSettings
from tests.fixtures.records import _free_port as free_port
from tests.server.conftest import PASSWORD, make_site
from tests.server.test_hostile import serving


@pytest.mark.parametrize(
    ("trusted", "forwarded", "counted"),
    [
        ((), "203.0.113.7", "127.0.0.1"),
        (("192.0.2.1",), "203.0.113.7", "127.0.0.1"),
        (("127.0.0.1",), "203.0.113.7", "203.0.113.7"),
        # Whoever asks may have written what stands before the proxy's own entry.
        (("127.0.0.0/8",), "198.51.100.1, 203.0.113.7, 127.0.0.9", "203.0.113.7"),
    ],
)
def test_only_a_trusted_proxy_says_from_where_a_request_comes(
    records: Records, tmp_path: Path, trusted: tuple[str, ...], forwarded: str, counted: str
) -> None:
    site = make_site(records, tmp_path, port=free_port(), trusted_proxies=trusted)
    create_account(records, "ada", Role.VIEWER, PASSWORD, actor="test")
    while site.addresses.wait(counted) == 0.0:
        pass
    form = {"name": "ada", "password": PASSWORD}
    with serving(site) as url:
        for address, status in ((forwarded, 429), ("203.0.113.8", None)):
            answer = httpx2.post(f"{url}/login", data=form, headers={"X-Forwarded-For": address})
            assert answer.status_code == (status or (429 if counted == "127.0.0.1" else 303))


def test_trusted_proxies_are_addresses() -> None:
    given = ("10.0.0.5", "10.1.0.0/16", "::1")
    assert ServerSettings(trusted_proxies=given).options(None, 1).trusted_proxies == given
    assert ServerSettings().options(None, 1).trusted_proxies == ()
    for wrong in ("*", "proxy.example", "10.0.0.5/8", ""):
        with pytest.raises(SettingsError, match=r"trusted_proxies holds .*10\.0\.0\.0/24"):
            ServerSettings(trusted_proxies=(wrong,))
