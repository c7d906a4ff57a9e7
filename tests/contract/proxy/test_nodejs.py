"""What the Node runtime promises beyond the statuses."""

from __future__ import annotations

import pytest

from tests.contract.proxy.containers import Client, logs_of


@pytest.mark.parametrize(
    ("code", "main"),
    [
        ("function main(args) { return args; }", "main"),
        ("const main = async (args) => args;", "main"),
        ("exports.main = (args) => args;", "main"),
        ("module.exports = {main: async (args) => args};", "main"),
        ("module.exports = (args) => args; // no newline", "main"),
        ("'use strict'; exports.deep = {er: (args) => Promise.resolve(args)};", "deep.er"),
        ("class Other { static main(args) { return args; } }", "Other.main"),
    ],
)
def test_ways_to_be_main(nodejs: Client, code: str, main: str) -> None:
    """A function may be declared, exported, or reached by dots; its promise is awaited."""
    assert nodejs.init(code, main=main) == (200, {"ok": True})
    assert nodejs.run({"a": [1]}) == (200, {"a": [1]})


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("return Promise.reject({code: 3})", {"code": 3}),
        ("return Promise.reject('no')", "no"),
        ("return Promise.reject()", {}),
        ("return Promise.reject(new TypeError('bad'))", {"name": "TypeError", "message": "bad"}),
        ("return {error: 'given'}", "given"),
    ],
)
def test_rejections(nodejs: Client, statement: str, error: object) -> None:
    """A rejected promise is an application error with what it was rejected with."""
    nodejs.init(f"function main(args) {{ {statement} }}")
    assert nodejs.run() == (200, {"error": error})


def test_throw(nodejs: Client) -> None:
    """A throw outside of a promise is a developer error, told in the logs."""
    nodejs.init("function main(args) { throw new Error('boom'); }")
    assert nodejs.run() == (502, {"error": "An error has occurred: Error: boom"})
    assert "boom" in logs_of(nodejs, 1)[1]


@pytest.mark.parametrize("result", ["3", "'text'", "null", "() => 1"])
def test_other_results_are_refused(nodejs: Client, result: str) -> None:
    """A result is an object or an array; nothing at all is an empty object."""
    nodejs.init(f"function main(args) {{ if (args.none) return; return {result}; }}")
    assert nodejs.run() == (502, {"error": "The action did not return a dictionary or array."})
    assert nodejs.run({"none": True}) == (200, {})


def test_endless_result_is_refused(nodejs: Client) -> None:
    """A result that JSON cannot say is refused."""
    nodejs.init("function main(args) { const x = {}; x.x = x; return x; }")
    assert nodejs.run()[0] == 502


def test_zip_with_package(nodejs: Client) -> None:
    """A zip's package.json names its entry; its modules are found; it is the working directory."""
    files = {
        "package.json": '{"main": "lib/entry.js"}',
        "lib/entry.js": "exports.main = () => ({word: require('words'), here: require('fs').readdirSync('.')});",
        "node_modules/words/index.js": "module.exports = 'w';",
    }
    assert nodejs.init(files) == (200, {"ok": True})
    assert nodejs.run() == (200, {"word": "w", "here": ["lib", "node_modules", "package.json"]})


def test_zip_without_entry(nodejs: Client) -> None:
    """A zip needs a package.json or an index.js; a failed one leaves nothing in the way of the next."""
    assert nodejs.init({"other.js": ""})[0] == 502
    assert nodejs.init({"package.json": '{"main": "absent.js"}'})[0] == 502
    assert nodejs.init({"index.js": "exports.main = () => ({ok: 1})"})[0] == 200
    assert nodejs.run() == (200, {"ok": 1})


def test_environment(nodejs: Client) -> None:
    """Initial parameters are the environment; the context of a call is there as `__OW_*` and goes with it."""
    nodejs.init(
        "function main(args) { return {key: process.env.__OW_API_KEY || null, a: process.env.A}; }", env={"A": "1"}
    )
    assert nodejs.run(api_key="a:b") == (200, {"key": "a:b", "a": "1"})
    assert nodejs.run() == (200, {"key": None, "a": "1"})
