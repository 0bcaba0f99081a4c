"""How a part introduces itself on `GET /service-info`."""

from dataclasses import dataclass
from typing import Any

from hopmap.wire import decode

API_VERSION = 1
MAX_CAPABILITIES = 64


@dataclass(frozen=True, slots=True)
class ServiceInfo:
    """Type (agent, input, output, atlas, manager), version, instance id that survives restarts, capabilities."""

    service_type: str
    version: str
    instance_id: str
    capabilities: tuple[str, ...] = ()
    api_version: int = API_VERSION


def decode_service_info(value: object) -> ServiceInfo:
    """A service's introduction out of its JSON value."""
    source = decode.mapping(value, "")
    return ServiceInfo(
        service_type=decode.token(decode.required(source, "service_type", ""), "service_type"),
        version=decode.string(decode.required(source, "version", ""), "version", 64),
        instance_id=decode.name(decode.required(source, "instance_id", ""), "instance_id"),
        capabilities=decode.sequence(source.get("capabilities", []), "capabilities", MAX_CAPABILITIES, decode.token),
        api_version=decode.integer(
            decode.required(source, "api_version", ""), "api_version", max(1, API_VERSION - 1), 1_000
        ),
    )


def encode_service_info(info: ServiceInfo) -> dict[str, Any]:
    """The JSON value of an introduction."""
    return {
        "service_type": info.service_type,
        "version": info.version,
        "instance_id": info.instance_id,
        "capabilities": list(info.capabilities),
        "api_version": info.api_version,
    }
