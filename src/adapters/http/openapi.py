"""The OpenAPI document: made by Litestar from the handlers, completed by what it cannot see.

That is the body of a submission (read as text, to name lines), every problem document, and the token. It is
served as ``/api/v1/openapi.json`` and names no remote asset.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from litestar import Request, Router
from litestar.openapi import OpenAPIConfig, ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import (
    Components,
    OpenAPIMediaType,
    Operation,
    Reference,
    RequestBody,
    Schema,
    SecurityScheme,
)

from ...messages.api import ProblemDocument, Reason
from ...messages.option_help import experiment_schema
from ...version import __version__

__all__ = ["ExperimentBody", "OptionalReason", "answers", "openapi_config"]

SAID = {
    400: "The request cannot be read, or a parameter is unknown or out of range.",
    401: "No token, or the wrong one.",
    403: "On behalf of another site's page.",
    404: "There is no such thing.",
    409: "What is there does not allow it.",
    413: "The body is too large.",
    415: "The body is of another type.",
    416: "The file has no such range.",
    422: "What was sent cannot be used; errors says why.",
    429: "The queue is full.",
    503: "The daemon cannot answer now.",
}
PROBLEM = "application/problem+json"


def answers(
    good: Mapping[int, tuple[Any, str]], *problems: int, media_type: str = "application/json"
) -> dict[int, ResponseSpec]:
    """What a handler may answer, besides what its signature says; 400, 401 and 503 always."""
    found = {
        status: ResponseSpec(
            data_container=kind, description=text, media_type=media_type, generate_examples=False
        )
        for status, (kind, text) in good.items()
    }
    for status in sorted({*problems, 400, 401, 503}):
        found[status] = ResponseSpec(
            data_container=ProblemDocument,
            description=SAID[status],
            media_type=PROBLEM,
            generate_examples=False,
        )
    return found


@dataclass
class ExperimentBody(Operation):
    """An operation whose body is an experiment."""

    def __post_init__(self) -> None:
        schema = Reference(ref="#/components/schemas/Experiment")
        self.request_body = RequestBody(
            required=True,
            description="The experiment, as in an experiment file.",
            content={
                "application/json": OpenAPIMediaType(schema=schema),
                "application/toml": OpenAPIMediaType(schema=Schema(type="string")),  # type: ignore[arg-type]
            },
        )


@dataclass
class OptionalReason(Operation):
    """An operation that may have a reason in its body."""

    def __post_init__(self) -> None:
        schema = Schema(
            type="object",  # type: ignore[arg-type]
            additional_properties=False,
            properties={
                "reason": Schema(type="string", min_length=1, max_length=500, default=Reason().reason)  # type: ignore[arg-type]
            },
        )
        self.request_body = RequestBody(
            required=False, content={"application/json": OpenAPIMediaType(schema=schema)}
        )


class _Document(JsonRenderPlugin):
    """The document with the schema of the experiment in it."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        schemas = openapi_schema.setdefault("components", {}).setdefault("schemas", {})
        if "Experiment" not in schemas:
            schemas |= _experiment_schemas()
        return self.render_json(request, openapi_schema)


def _experiment_schemas() -> dict[str, Any]:
    document = experiment_schema()
    definitions = _moved(document["$defs"])
    experiment = definitions.pop("Experiment")
    return {f"Experiment.{name}": schema for name, schema in definitions.items()} | {"Experiment": experiment}


def _moved(node: Any) -> Any:
    """The schema with its references led to where its definitions are in the document."""
    if isinstance(node, dict):
        moved = {key: _moved(value) for key, value in node.items()}
        if isinstance(node.get("$ref"), str):
            name = node["$ref"].rpartition("/")[2]
            moved["$ref"] = "#/components/schemas/" + ("" if name == "Experiment" else "Experiment.") + name
        return moved
    return [_moved(each) for each in node] if isinstance(node, list) else node


def openapi_config() -> OpenAPIConfig:
    """For Litestar."""
    return OpenAPIConfig(
        title="Crucible",
        version=__version__,
        description="The queue of a Crucible daemon: runs, their events, samples and files.",
        components=Components(security_schemes={"token": SecurityScheme(type="http", scheme="bearer")}),
        security=[{"token": []}],
        use_handler_docstrings=True,
        operation_id_creator=lambda handler, _method, _path: f"{handler.handler_name}_run",
        render_plugins=[_Document(path=["/", "/openapi.json"])],
        openapi_router=Router(
            path="/api/v1/openapi.json", route_handlers=[], include_in_schema=False, opt={"public": True}
        ),
    )
