"""Which requests a browser makes for a site that is not this host: they are told nothing and start nothing."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers

OF_ANOTHER_SITE = "Requests of other sites' pages are refused here."
# What a browser says of a request that no page made, or one of this very host's.
_OWN = frozenset({"none", "same-origin"})


def is_of_another_site(headers: Headers) -> bool:
    """Whether a page from elsewhere asks. Browsers say so; other programs say nothing of the kind.

    A browser adds the credentials that it once was given for this host, whoever's page it is that asks.
    """
    if headers.get("sec-fetch-site", "none") not in _OWN:
        return True
    origin = headers.get("origin")
    return bool(origin) and _place(str(origin)) != _place(f"//{headers.get('host', '')}")


def _place(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return url
