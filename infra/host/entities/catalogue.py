"""The shared catalogue, `/whisk.system`: made anew at each start, never stored."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from infra.host.containers.kinds import Runtimes
from infra.host.entities.models import Action, Entity, Exec, Package
from infra.host.entities.updates import annotate
from infra.host.names import SYSTEM, Name

# As in OpenWhisk's own catalogue: lists travel as `lines`, text as `payload`.
UTILS: Mapping[str, str] = {
    "echo": """
def main(params):
    return params
""",
    "sort": """
def main(params):
    lines = params.get("lines", [])
    separator = params.get("separator", "\\n")
    ordered = sorted(lines if isinstance(lines, list) else str(lines).split(separator))
    return {"lines": ordered, "length": len(ordered)}
""",
    "cat": """
def main(params):
    lines = params.get("lines", params.get("payload", []))
    return {"payload": "\\n".join(str(line) for line in lines) if isinstance(lines, list) else str(lines)}
""",
    "split": """
def main(params):
    payload = str(params.get("payload", ""))
    separator = str(params.get("separator") or "\\n")
    return {"lines": payload.split(separator), "payload": payload}
""",
    "date": """
from datetime import datetime, timezone

def main(params):
    return {"date": datetime.now(timezone.utc).isoformat(timespec="milliseconds")}
""",
}
# The host runs these itself, where the clock is; the code only says so to whoever downloads it.
ALARMS: Sequence[str] = ("alarm", "interval", "once")
ALARM_CODE = "def main(params):\n    return {'error': 'alarms run inside the host'}\n"


def catalogue(runtimes: Runtimes) -> list[Entity]:
    kind = runtimes.resolve("python:default")
    updated = int(time.time() * 1000)

    def package(name: str, description: str) -> Package:
        noted = annotate((), description=description)
        return Package(name=Name(SYSTEM, "", name), publish=True, annotations=noted, updated=updated)

    def action(package: str, name: str, code: str, **annotations: object) -> Action:
        noted = annotate((), provide_api_key=False, exec=kind, **annotations)
        exec_ = Exec(kind, code.lstrip())
        return Action(name=Name(SYSTEM, package, name), exec=exec_, annotations=noted, updated=updated)

    return [
        package("utils", "Building blocks that format and assemble data"),
        *(action("utils", name, code) for name, code in UTILS.items()),
        package("alarms", "Alarms and periodic utility"),
        *(action("alarms", name, ALARM_CODE, feed=True) for name in ALARMS),
    ]
