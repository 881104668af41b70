"""What is asked of an OpenID Connect provider, and how its answers are checked.

OpenID Connect Core 1.0 with the authorization code flow (section 3.1), PKCE (RFC 7636) and the
issuer in the answer (RFC 9207). JOSE by joserfc; signatures by public keys alone are taken.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from pneumoscore.server.errors import ProviderError
from pneumoscore.server.options import IdentityProvider

__all__ = ["Identity", "Provider", "code_challenge"]

_ALGORITHMS = ["RS256", "PS256", "ES256", "RS384", "PS384", "ES384", "RS512", "PS512", "ES512"]
_SECONDS = 10.0
_LARGEST = 1024 * 1024
_KEPT_SECONDS = 3600.0
_KEYS_AGAIN_SECONDS = 60.0
_LEEWAY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Identity:
    """A person that a provider vouches for.

    Attributes
    ----------
    issuer, subject : str
        Who, for good (OpenID Connect Core, section 5.7); nothing else names the account.
    name : str
        What the person is called there.
    groups : tuple of str
        Values of the claim from which roles follow.
    """

    issuer: str
    subject: str
    name: str
    groups: tuple[str, ...]


def code_challenge(verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636, section 4.2).

    Examples
    --------
    >>> code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
    """
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


class _NoRedirect(HTTPRedirectHandler):
    """Follows nothing: what is asked for lies where the provider said."""

    def redirect_request(self, *_: Any) -> None:
        """Refuse."""
        return


class Provider:
    """One provider; what it says of itself is asked for when it is first needed.

    Parameters
    ----------
    options : IdentityProvider
        Who it is and who we are there.
    """

    def __init__(self, options: IdentityProvider) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._said: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, Any] | None = None
        self._opener = build_opener(_NoRedirect)

    def sign_in_url(self, redirect: str, state: str, nonce: str, verifier: str) -> str:
        """Return where the browser goes to sign in.

        Raises
        ------
        ProviderError
            If the provider does not answer, or wrongly.
        """
        query = {
            "response_type": "code",
            "client_id": self._options.client_id,
            "redirect_uri": redirect,
            "scope": self._options.scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": code_challenge(verifier),
            "code_challenge_method": "S256",
        }
        place = self._place("authorization_endpoint")
        return f"{place}{'&' if urlsplit(place).query else '?'}{urlencode(query)}"

    def identity(self, code: str, redirect: str, nonce: str, verifier: str) -> Identity:
        """Exchange a code and return whom it stands for.

        Raises
        ------
        ProviderError
            If the provider refuses the code, or an answer of its does not hold.
        """
        tokens = self._exchange(code, redirect, verifier)
        claims = self._checked(tokens.get("id_token"), nonce)
        claims |= self._user_info(tokens.get("access_token"), str(claims["sub"]))
        named = (claims.get(key) for key in ("preferred_username", "email", "name", "sub"))
        groups = claims.get(self._options.role_claim, ())
        return Identity(
            self._options.issuer,
            str(claims["sub"]),
            next(str(name) for name in named if name),
            (groups,) if isinstance(groups, str) else tuple(map(str, _listed(groups))),
        )

    def _exchange(self, code: str, redirect: str, verifier: str) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect,
            "code_verifier": verifier,
        }
        # RFC 6749, section 2.3.1: both parts form-encoded before they are joined.
        who = f"{quote(self._options.client_id, '')}:{quote(self._options.client_secret, '')}"
        basic = base64.b64encode(who.encode("ascii")).decode("ascii")
        return self._ask(
            self._place("token_endpoint"),
            urlencode(form).encode("ascii"),
            {"Authorization": f"Basic {basic}"},
        )

    def _checked(self, token: Any, nonce: str) -> dict[str, Any]:
        """Return the claims of an ID token that holds (section 3.1.3.7)."""
        from joserfc import jwt
        from joserfc.errors import JoseError

        rules = jwt.JWTClaimsRegistry(
            leeway=_LEEWAY_SECONDS,
            iss={"essential": True, "value": self._options.issuer},
            aud={"essential": True, "value": self._options.client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            try:
                found = jwt.decode(str(token), self._key_set(), algorithms=_ALGORITHMS)
            except (JoseError, ValueError):
                # Signed by a key that is new there, perhaps.
                found = jwt.decode(str(token), self._key_set(again=True), algorithms=_ALGORITHMS)
            rules.validate(found.claims)
        except (JoseError, ValueError) as error:
            raise ProviderError(
                f"the provider's ID token does not hold ({type(error).__name__})"
            ) from error
        claims = dict(found.claims)
        audience = claims["aud"]
        party = claims.get("azp")
        if party not in (None, self._options.client_id) or (
            not isinstance(audience, str) and len(audience) > 1 and party is None
        ):
            raise ProviderError("the provider's ID token is for somebody else")
        return claims

    def _user_info(self, access: Any, subject: str) -> dict[str, Any]:
        """Return further claims (section 5.3); only those of the same subject count."""
        place = self._configuration().get("userinfo_endpoint")
        if not place or not isinstance(access, str):
            return {}
        said = self._ask(
            self._place("userinfo_endpoint"), None, {"Authorization": f"Bearer {access}"}
        )
        if said.get("sub") != subject:
            raise ProviderError("the provider speaks of two people in one sign-in")
        return {key: value for key, value in said.items() if key not in ("iss", "aud", "sub")}

    def _key_set(self, *, again: bool = False) -> Any:
        from joserfc.jwk import KeySet

        with self._lock:
            kept = self._keys
        now = time.monotonic()
        age = _KEYS_AGAIN_SECONDS if again else _KEPT_SECONDS
        if kept is None or now - kept[0] > age:
            said = self._ask(self._place("jwks_uri"), None, {})
            kept = (now, KeySet.import_key_set({"keys": _listed(said.get("keys", ()))}))
            with self._lock:
                self._keys = kept
        return kept[1]

    def _configuration(self) -> Mapping[str, Any]:
        """Return what the provider says of itself (OpenID Connect Discovery 1.0, section 4)."""
        with self._lock:
            kept = self._said
        now = time.monotonic()
        if kept is None or now - kept[0] > _KEPT_SECONDS:
            base = self._options.issuer.rstrip("/")
            said = self._ask(f"{base}/.well-known/openid-configuration", None, {})
            if said.get("issuer") != self._options.issuer:
                raise ProviderError(
                    "the provider names another issuer",
                    self._options.issuer,
                    "set oidc_issuer exactly as the provider writes it",
                )
            kept = (now, said)
            with self._lock:
                self._said = kept
        return kept[1]

    def _place(self, name: str) -> str:
        place = str(self._configuration().get(name, ""))
        # An issuer by TLS is not left for one without.
        if urlsplit(place).scheme not in ("https", urlsplit(self._options.issuer).scheme):
            raise ProviderError(f"the provider has no {name} that can be asked")
        return place

    def _ask(self, url: str, body: bytes | None, headers: dict[str, str]) -> dict[str, Any]:
        request = Request(url, body, {"Accept": "application/json", **headers})
        try:
            with self._opener.open(request, timeout=_SECONDS) as answer:
                data = answer.read(_LARGEST + 1)
            said = json.loads(data[:_LARGEST])
        except HTTPError as error:
            raise ProviderError(f"the provider answered {error.code}") from error
        except (OSError, ValueError) as error:
            raise ProviderError(
                f"the provider could not be asked ({type(error).__name__})",
                remedy="try again later, or sign in by a password",
            ) from error
        if not isinstance(said, dict):
            raise ProviderError("the provider's answer is no JSON object")
        return said


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []
