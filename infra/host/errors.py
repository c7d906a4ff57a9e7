"""What the host refuses, in OpenWhisk's own words: clients match on some of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class Refusal(Exception):
    """Ends a request with `status` and `{"error": message, "code": <transaction id>}`."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


MISSING = "The requested resource does not exist."
NOT_FOUND = "The requested resource could not be found."
EXISTS = "resource already exists"
OTHER_COLLECTION = "Resource by this name exists but is not in this collection."
NAME_ILLEGAL = "The name of the entity contains illegal characters."
NAMESPACE_ILLEGAL = "The namespace contains illegal characters."
NAME_MALFORMED = (
    "The fully qualified name of the entity must contain at least the namespace and the name of the entity."
)
PARAMETERS_NOT_ALLOWED = "Request defines parameters that are not allowed (e.g., reserved properties)."
ON_BINDING = "Operation not permitted on package binding."
SEQUENCE_COMPONENT_MISSING = "Sequence component does not exist."
SEQUENCE_TOO_LONG = "Too many actions in the sequence."
SEQUENCE_EMPTY = "No component specified for the sequence."
SEQUENCE_CYCLIC = "Sequence may not refer to itself."
NOT_READY = "Response not yet ready."
PROCESSING = "There was an error processing your request."
INTERNAL = "There was an internal server error."
CREDENTIALS_MISSING = "The resource requires authentication, which was not supplied with the request"
CREDENTIALS_INVALID = "The supplied authentication is invalid"

WEB_UNAUTHENTICATED = "Authentication is possible but has failed or not yet been provided."
PROPERTY_MISSING = "Response does not include requested property."
TRIGGER_OF_RULE_MISSING = "Only rules with existing triggers can be activated"
RULE_INCOMPLETE = "rule requires a valid trigger and a valid action"

CHALLENGE = {"WWW-Authenticate": 'Basic realm="OpenWhisk secure realm",charset=UTF-8'}


def unauthorized(message: str) -> Refusal:
    return Refusal(401, message, CHALLENGE)


def forbidden(resource: str) -> Refusal:
    return Refusal(403, f"The supplied authentication is not authorized to access '{resource}'.")


def refuse_missing() -> Refusal:
    return Refusal(404, MISSING)


def malformed(detail: str) -> Refusal:
    return Refusal(400, f"The request content was malformed:\n{detail}")


def refuse_query(name: str, detail: str) -> Refusal:
    return Refusal(400, f"The query parameter '{name}' was malformed:\n{detail}")


def refuse_type(media_type: str) -> Refusal:
    return Refusal(415, f"The request's Content-Type [{media_type}] is not supported. Expected:\napplication/json")


def method_not_allowed(supported: Sequence[str]) -> Refusal:
    listed = ", ".join(supported)
    return Refusal(405, f"HTTP method not allowed, supported methods: {listed}", {"Allow": listed})


def too_large(field: str, size: int, allowed: int) -> Refusal:
    return Refusal(413, f"{field} larger than allowed: {size} > {allowed} bytes.")


def too_many_requests(count: int, allowed: int) -> Refusal:
    return Refusal(429, f"Too many requests in the last minute (count: {count}, allowed: {allowed}).")


def too_many_concurrent(count: int, allowed: int) -> Refusal:
    return Refusal(429, f"Too many concurrent requests in flight (count: {count}, allowed: {allowed}).")
