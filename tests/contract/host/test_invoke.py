"""Invoking actions and sequences."""

from __future__ import annotations

import pytest

from tests.contract.host.served import FAIL, Namespace
from tests.fixtures.deployment import eventually

DEVELOPER_ERROR = "def main(params):\n    return 3\n"
ADD = "def main(params):\n    return {'n': params.get('n', 0) + params.get('step', 1)}\n"
SLOW = "import time\ndef main(params):\n    time.sleep(params['seconds'])\n    return {'slept': True}\n"


def noted_in(record: dict[str, object]) -> dict[str, object]:
    listed = record["annotations"]
    assert isinstance(listed, list)
    return {each["key"]: each["value"] for each in listed}


def test_a_blocking_invoke_replies_the_record(guest: Namespace) -> None:
    """With the logs left for later, as in OpenWhisk."""
    guest.action("hello")
    response = guest.ask("POST", "actions/hello?blocking=true", {"x": [1, {"y": None}]})
    assert response.status_code == 200
    record = response.json()
    assert response.headers["x-openwhisk-activation-id"] == record["activationId"]
    assert record["response"] == {"status": "success", "success": True, "result": {"x": [1, {"y": None}]}, "size": 20}
    assert record["logs"] == []
    assert record["namespace"] == record["subject"] == guest.name
    assert record["end"] - record["start"] == record["duration"]
    noted = noted_in(record)
    assert noted["path"] == f"{guest.name}/hello"
    assert noted["kind"] == "python:3.11"
    assert noted["timeout"] is False
    assert noted["limits"] == {"timeout": 60000, "memory": 256, "logs": 10, "concurrency": 1}
    assert "initTime" in noted
    stored = guest.record(record["activationId"])
    assert [line.partition("stdout: ")[2] for line in stored["logs"]] == ["echoing"]
    assert stored | {"logs": []} == record


def test_a_warm_container_has_no_init_time(guest: Namespace) -> None:
    """An update that changes nothing of the code keeps it warm."""
    guest.action("hello")
    assert "initTime" in noted_in(guest.invoke("hello"))
    guest.action("hello")
    assert "initTime" not in noted_in(guest.invoke("hello"))


def test_a_non_blocking_invoke_replies_at_once(guest: Namespace) -> None:
    """The record follows."""
    guest.action("hello")
    response = guest.ask("POST", "actions/hello", {"x": 1})
    assert response.status_code == 202
    assert response.json().keys() == {"activationId"}
    assert guest.record(response.json()["activationId"])["response"]["result"] == {"x": 1}


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [(FAIL, 1, "application error"), (DEVELOPER_ERROR, 2, "action developer error")],
)
def test_failures_are_502(guest: Namespace, code: str, status: int, words: str) -> None:
    """With the record, or with the result alone, which is reduced to the error."""
    guest.action("fail", code)
    response = guest.ask("POST", "actions/fail?blocking=true", {})
    assert response.status_code == 502
    assert response.json()["response"]["status"] == words
    assert response.json()["response"]["success"] is False
    alone = guest.ask("POST", "actions/fail?blocking=true&result=true", {})
    assert alone.status_code == 502
    assert alone.json().keys() == {"error"}
    listed = guest.ok("GET", "activations?name=fail")
    assert [each["statusCode"] for each in listed] == [status, status]


def test_parameters_are_merged_in_order(guest: Namespace) -> None:
    """Package, then binding, then action, then payload."""
    guest.ok("PUT", "packages/p", {"parameters": [{"key": key, "value": "package"} for key in "abcd"]})
    binding = {"namespace": "_", "name": "p"}
    bound = [{"key": key, "value": "binding"} for key in "bcd"]
    guest.ok("PUT", "packages/b", {"binding": binding, "parameters": bound})
    guest.action("p/echo", parameters=[{"key": key, "value": "action"} for key in "cd"])
    assert guest.result("p/echo", d="payload") == {"a": "package", "b": "package", "c": "action", "d": "payload"}
    assert guest.result("b/echo", d="payload") == {"a": "package", "b": "binding", "c": "action", "d": "payload"}
    assert noted_in(guest.invoke("b/echo"))["binding"] == f"{guest.name}/b"
    shown = guest.ok("GET", "actions/b/echo")
    assert {each["key"]: each["value"] for each in shown["parameters"]} == {
        "a": "package",
        "b": "binding",
        "c": "action",
        "d": "action",
    }


def test_final_parameters_cannot_be_overridden(guest: Namespace) -> None:
    """Neither all of an action's under a `final` annotation, nor a single one marked so."""
    words = "Request defines parameters that are not allowed (e.g., reserved properties)."
    guest.action("all", parameters=[{"key": "p", "value": 1}], annotations=[{"key": "final", "value": True}])
    guest.action("one", parameters=[{"key": "p", "value": 1, "final": True}, {"key": "q", "value": 1}])
    assert guest.refused("POST", "actions/all?blocking=true", {"p": 2}) == (400, words)
    assert guest.refused("POST", "actions/one?blocking=true", {"p": 2}) == (400, words)
    assert guest.result("one", q=2) == {"p": 1, "q": 2}


def test_requests_beyond_the_limit_are_refused(guest: Namespace) -> None:
    """By the request itself, and by what it becomes when merged."""
    guest.action("hello", parameters=[{"key": "bound", "value": "x" * 600_000}])
    status, words = guest.refused("POST", "actions/hello", {"x": "x" * 1_048_576})
    assert status == 413
    assert words == "Request larger than allowed: 1048584 > 1048576 bytes."
    assert guest.refused("POST", "actions/hello", {"x": "x" * 600_000})[0] == 413
    assert guest.refused("PUT", "actions/big", {"parameters": [{"key": "k", "value": "x" * 1_048_576}]})[0] == 413


def test_a_wait_may_be_cut_short(guest: Namespace) -> None:
    """`timeout` answers 202 while the activation goes on."""
    guest.action("slow", SLOW)
    response = guest.ask("POST", "actions/slow?blocking=true&timeout=50", {"seconds": 0.4})
    assert response.status_code == 202
    assert guest.record(response.json()["activationId"])["response"]["result"] == {"slept": True}
    for timeout in ("0", "60001", "x"):
        assert guest.refused("POST", f"actions/slow?blocking=true&timeout={timeout}", {}) == (
            400,
            "The query parameter 'timeout' was malformed:\nTimeout must be number of milliseconds up to 60000.",
        )


@pytest.mark.parametrize(
    "body", [b"[1]", b"3", b"{", b'{"a": NaN}', b"\xff", b"[" * 100_000, b'{"a":' + b"9" * 5000 + b"}"]
)
def test_a_payload_must_be_an_object(guest: Namespace, body: bytes) -> None:
    """Anything else is malformed, however deep, long or broken."""
    guest.action("hello")
    response = guest.ask("POST", "actions/hello", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400
    assert response.json()["error"].startswith("The request content was malformed:")


def test_a_payload_must_be_called_json(guest: Namespace) -> None:
    """Forms are not understood; no body needs no type."""
    guest.action("hello")
    assert guest.ask("POST", "actions/hello", content=b"a=1", headers={"content-type": "text/plain"}).status_code == 415
    assert guest.ask("POST", "actions/hello?blocking=true").status_code == 200


def test_an_unknown_action_is_not_found(guest: Namespace) -> None:
    """And nothing is recorded."""
    assert guest.refused("POST", "actions/none") == (404, "The requested resource does not exist.")
    assert guest.ok("GET", "activations") == []


def test_a_sequence_passes_results_on(guest: Namespace) -> None:
    """Each component sees the previous result over its own parameters, and not the sequence's input."""
    guest.action("add", ADD, limits={"memory": 128})
    guest.ok("PUT", "packages/p", {"parameters": [{"key": "step", "value": 10}]})
    guest.action("p/add", ADD, limits={"memory": 512})
    shown = guest.sequence("both", "/_/add", f"/{guest.name}/p/add", "/_/add")
    components = [f"/{guest.name}/add", f"/{guest.name}/p/add", f"/{guest.name}/add"]
    assert shown["exec"] == {"kind": "sequence", "components": components}
    assert shown["parameters"] == [{"key": "_actions", "value": components}]
    record = guest.invoke("both", n=1, step=5)
    assert record["response"]["result"] == {"n": 17}
    noted = noted_in(record)
    assert noted["topmost"] is True
    assert noted["kind"] == "sequence"
    assert noted["limits"] == {"timeout": 60000, "memory": 512, "logs": 10, "concurrency": 1}
    parts = [guest.record(each) for each in record["logs"]]
    assert [part["name"] for part in parts] == ["add", "add", "add"]
    assert {part["cause"] for part in parts} == {record["activationId"]}
    assert {str(noted_in(part)["causedBy"]) for part in parts} == {"sequence"}
    assert record["duration"] == sum(part["duration"] for part in parts)
    assert "cause" not in record


def test_a_sequence_stops_at_the_first_error(guest: Namespace) -> None:
    """An `error` in its own input does not count."""
    guest.action("echo")
    guest.action("fail", FAIL)
    guest.action("fine", "def main(params):\n    return {'seen': sorted(params)}\n")
    guest.sequence("s", "/_/fine", "/_/fail", "/_/echo")
    record = guest.invoke("s", error="mine")
    assert record["response"]["status"] == "application error"
    assert record["response"]["result"] == {"error": "no use"}
    assert len(record["logs"]) == 2


def test_sequences_nest(guest: Namespace) -> None:
    """The inner one is a component like any other."""
    guest.action("add", ADD)
    guest.sequence("inner", "/_/add", "/_/add")
    guest.sequence("outer", "/_/inner", "/_/add")
    record = guest.invoke("outer", n=0)
    assert record["response"]["result"] == {"n": 3}
    inner = guest.record(record["logs"][0])
    assert (inner["name"], inner["cause"]) == ("inner", record["activationId"])
    assert noted_in(inner)["topmost"] is False
    assert noted_in(inner)["causedBy"] == "sequence"


def test_a_component_that_is_gone_fails_the_sequence(guest: Namespace) -> None:
    """As an application error, with the components before it noted."""
    guest.action("echo")
    guest.action("gone")
    guest.sequence("s", "/_/echo", "/_/gone")
    guest.ok("DELETE", "actions/gone")
    record = guest.invoke("s")
    assert record["response"]["result"] == {"error": "Sequence component does not exist."}
    assert record["response"]["status"] == "application error"
    assert len(record["logs"]) == 1


@pytest.mark.parametrize(
    ("components", "words"),
    [
        ([], "No component specified for the sequence."),
        (["/_/none"], "Sequence component does not exist."),
        (["/_/s"], "Sequence may not refer to itself."),
        (["/_/outer"], "Sequence may not refer to itself."),
        (["/_/echo"] * 51, "Too many actions in the sequence."),
        (["/_/inner"] * 26, "Too many actions in the sequence."),
        (
            ["echo"],
            "The request content was malformed:\nrequirement failed: "
            "The fully qualified name of the entity must contain at least the namespace and the name of the entity.",
        ),
    ],
)
def test_sequences_are_checked(guest: Namespace, components: list[str], words: str) -> None:
    """When they are made, not when they run."""
    guest.action("echo")
    guest.sequence("s", "/_/echo")
    guest.sequence("outer", "/_/s")
    guest.sequence("inner", "/_/echo", "/_/echo")
    body = {"exec": {"kind": "sequence", "components": components}}
    assert guest.refused("PUT", "actions/s?overwrite=true", body) == (400, words)


def test_an_action_over_time_is_a_developer_error(guest: Namespace) -> None:
    """Said in the words, and by the `timeout` annotation."""
    guest.action("slow", SLOW, limits={"timeout": 200})
    record = guest.invoke("slow", seconds=1)
    assert record["response"]["result"] == {"error": "The action exceeded its time limits of 200 milliseconds."}
    assert noted_in(record)["timeout"] is True


def test_activations_are_listed(guest: Namespace) -> None:
    """Newest first; by name, package included; since and up to a time; counted; in full with `docs`."""
    guest.ok("PUT", "packages/p", {})
    guest.action("p/one")
    guest.action("one")
    first = guest.invoke("one", n=1)
    second = guest.invoke("p/one", n=2)
    third = guest.invoke("one", n=3)
    ids = [each["activationId"] for each in guest.ok("GET", "activations")]
    assert ids == [third["activationId"], second["activationId"], first["activationId"]]
    assert [each["activationId"] for each in guest.ok("GET", "activations?name=p/one")] == [second["activationId"]]
    assert len(guest.ok("GET", "activations?name=one")) == 2
    assert guest.ok("GET", "activations?count=true") == {"activations": 3}
    assert len(guest.ok("GET", f"activations?since={third['start'] + 1}")) == 0
    assert len(guest.ok("GET", f"activations?upto={first['start']}")) >= 1
    assert [each["activationId"] for each in guest.ok("GET", "activations?limit=1&skip=1")] == ids[1:2]
    full = guest.ok("GET", "activations?docs=true&limit=0&since=0&skip=0")
    assert full[0]["response"]["result"] == {"n": 3}
    summary = guest.ok("GET", "activations?limit=1")[0]
    assert summary["statusCode"] == 0
    assert not summary.keys() & {"response", "logs", "subject"}


def test_parts_of_a_record_can_be_asked_for(guest: Namespace, other: Namespace) -> None:
    """Its logs and its result; by nobody else."""
    guest.action("hello")
    activation_id = guest.invoke("hello", x=1)["activationId"]
    assert len(guest.ok("GET", f"activations/{activation_id}/logs")["logs"]) == 1
    assert guest.ok("GET", f"activations/{activation_id}/result") == {
        "result": {"x": 1},
        "success": True,
        "status": "success",
        "size": 7,
    }
    assert other.refused("GET", f"activations/{activation_id}")[0] == 404
    assert guest.refused("GET", "activations/xyz") == (400, "Activation id length is 3 but must be 32.")
    assert guest.refused("GET", "activations/" + "0" * 32)[0] == 404


def test_init_parameters_become_the_environment(guest: Namespace) -> None:
    """And are no arguments; only asked of the real pool's contract here, by what the call holds."""
    code = "import os\ndef main(params):\n    return {'seen': os.environ.get('TOKEN'), 'params': params}\n"
    guest.action("env", code, parameters=[{"key": "TOKEN", "value": 7, "init": True}, {"key": "p", "value": 1}])
    assert guest.result("env")["params"] == {"p": 1}
    shown = guest.ok("GET", "actions/env")["parameters"]
    assert shown == [{"key": "TOKEN", "value": 7, "init": True}, {"key": "p", "value": 1}]


def test_results_that_cannot_be_text_are_survived(guest: Namespace) -> None:
    """Lone surrogates go through; nothing is a 500."""
    guest.action("odd", "def main(params):\n    return {'odd': chr(0xD800)}\n")
    assert guest.ask("POST", "actions/odd?blocking=true", {}).status_code in (200, 502)
    eventually(lambda: guest.ok("GET", "activations?name=odd"), "the record")
