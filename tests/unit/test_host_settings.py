"""Where the host listens: on loopback, or elsewhere only as somebody said in so many words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from infra.host.settings import BadHostSettings, HostSettings, from_arguments

TLS = ("--tls-certificate", "c.pem", "--tls-key", "k.pem")


def settings(data: Path, *flags: str, **environ: str) -> HostSettings:
    return from_arguments(["--data", str(data), *flags], environ)


def test_loopback_is_the_default(tmp_path: Path) -> None:
    """Nobody else is listened to."""
    assert settings(tmp_path).host == "127.0.0.1"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", "10.0.0.1", "example.org", "", "::ffff:192.168.1.1"])
@pytest.mark.parametrize("flags", [[], TLS, ["--plaintext"]], ids=["nothing", "TLS", "plaintext"])
def test_other_machines_are_listened_to_only_when_told_how(tmp_path: Path, host: str, flags: Sequence[str]) -> None:
    """Keys cross the network there: encrypted, or in the clear because somebody said so."""
    if flags:
        assert settings(tmp_path, "--host", host, *flags).host == host
        return
    with pytest.raises(BadHostSettings, match="is not loopback"):
        settings(tmp_path, "--host", host)
    with pytest.raises(BadHostSettings, match="is not loopback"):
        settings(tmp_path, PIXWHISK_HOST=host or " ")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_no_more_than_its_name(tmp_path: Path, host: str) -> None:
    """In whatever form."""
    assert settings(tmp_path, "--host", host).host == host


def test_settings_show_no_key(tmp_path: Path) -> None:
    """They are logged as the host starts."""
    shown = settings(tmp_path, PIXWHISK_AUTH="id:" + "hush" * 8)
    assert shown.keys["guest"].endswith("hush")
    assert "hush" not in repr(shown)
