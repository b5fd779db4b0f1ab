"""What docs/openapi.json says of the JSON endpoints is what they do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from httpx2 import Response
from starlette.applications import Starlette
from starlette.routing import Route

from digest.pipeline.rights import Right
from subscribers.tokens import Purpose
from tests.conftest import ROOT
from tests.web.site import NOW, SIGNER, Site
from tests.web.test_archive import DAY, add_issue

TOLD: dict[str, Any] = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
TYPES = {"object": dict, "array": list, "string": str, "integer": int}


def check(value: Any, schema: dict[str, Any], place: str = "answer") -> None:
    """The part of JSON Schema that the description uses."""
    if "$ref" in schema:
        found: Any = TOLD
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        check(value, found, place)
        return
    known = {"type", "enum", "required", "properties", "additionalProperties", "items", "description"}
    assert set(schema) <= known, f"{place}: the test does not know {set(schema) - known}"
    assert isinstance(value, TYPES[schema["type"]]), f"{place} is {value!r}"
    assert "enum" not in schema or value in schema["enum"], f"{place} is {value!r}"
    for name in schema.get("required", []):
        assert name in value, f"{place} lacks {name}"
    properties = schema.get("properties", {})
    if schema.get("additionalProperties") is False:
        assert set(value) <= set(properties), f"{place} has {set(value) - set(properties)}"
    for name, part in properties.items():
        if name in value:
            check(value[name], part, f"{place}.{name}")
    for number, one in enumerate(value if schema["type"] == "array" else []):
        check(one, schema["items"], f"{place}[{number}]")


def check_answer(answer: Response, path: str, method: str = "post") -> None:
    responses = TOLD["paths"][path][method]["responses"]
    assert str(answer.status_code) in responses, answer.status_code
    told = responses[str(answer.status_code)]
    for name in told.get("headers", {}):
        assert name.lower() in answer.headers
    kind = answer.headers["content-type"].partition(";")[0]
    for expected, content in told.get("content", {}).items():
        assert kind == expected
        if kind == "application/json":
            check(answer.json(), content["schema"])


def test_each_path_that_is_described_is_there_with_its_method(site: Site) -> None:
    application = site.client.app
    assert isinstance(application, Starlette)
    there = {
        (route.path, method.lower())
        for route in application.routes
        if isinstance(route, Route)
        for method in route.methods or ()
    }
    assert {(path, method) for path, methods in TOLD["paths"].items() for method in methods} <= there


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"email": "bob@readers.example"}, 202),
        ({"email": "bob@readers.example", "lists": ["daily"], "sections": ["city"], "language": "de"}, 202),
        ({"email": "nonsense"}, 400),
        ({"email": 3}, 400),
        ([], 400),
        ({"email": "bob@readers.example", "lists": ["unheard-of"]}, 400),
        ({"email": "x" * 70_000}, 413),
    ],
)
def test_signing_up(site: Site, body: object, status: int) -> None:
    answer = site.client.post("/subscribe", json=body)
    site.sign_ups.settle()
    assert answer.status_code == status
    check_answer(answer, "/subscribe")
    if status == 202:
        check(body, TOLD["components"]["schemas"]["SignUp"], "request")


def test_too_many_attempts(site: Site) -> None:
    for _ in range(31):
        answer = site.client.post("/subscribe", json={"email": "bob@readers.example"})
    site.sign_ups.settle()
    assert answer.status_code == 429
    check_answer(answer, "/subscribe")


def test_fields_that_are_not_described_are_not_read(site: Site) -> None:
    """Whoever adds a field to the endpoint describes it."""
    from inspect import getsource

    from digest.web import signup

    described = set(TOLD["components"]["schemas"]["SignUp"]["properties"])
    source = getsource(signup._asked_of)
    assert {"email", "language", "lists", "sections", signup.TRAP} == described
    assert all(f'"{name}"' in source or name == signup.TRAP for name in described)


def test_one_click_and_own_data(site: Site) -> None:
    add_issue(site, DAY, "Issue")
    site.client.post(f"/p/{site.token(Purpose.PREFERENCES)}/data")
    url = f"/my/data/{SIGNER.sign(Right.DATA, site.subscription, issued_at=NOW)}"
    for _ in range(2):  # the second time the link is used up
        check_answer(site.client.post(url), "/my/data/{token}")
    leave = f"/u/{site.token(Purpose.UNSUBSCRIBE)}"
    for path in (leave, leave, "/u/damaged"):
        check_answer(site.client.post(path, data={"List-Unsubscribe": "One-Click"}), "/u/{token}")
