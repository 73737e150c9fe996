"""Every endpoint takes the parameters that it documents, and says so of any other."""

from __future__ import annotations

import re
from typing import Any

from tests.api.serving import Client

BODIES = {"json": {}, "headers": {"Content-Type": "application/json"}}


def test_an_endpoint_knows_what_it_documents_and_nothing_else(client: Client) -> None:
    checked = 0
    for path, operations in client.get("/openapi.json").json()["paths"].items():
        address = re.sub(r"\{[^}]*\}", "1", path)
        if path.endswith("/stream"):
            continue  # would not end
        for method, operation in operations.items():
            names = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"]
            more: dict[str, Any] = {} if method == "get" else BODIES
            refused = client.request(method.upper(), address, params={"nosuch": "1"}, **more)
            assert refused.status_code == 400, (method, path, refused.text)
            assert "no parameter 'nosuch'" in refused.text, (method, path, refused.text)
            for name in names:
                said = client.request(method.upper(), address, params={name: "odd"}, **more)
                assert f"no parameter '{name}'" not in said.text, (method, path)
                checked += 1
    assert checked > 100
