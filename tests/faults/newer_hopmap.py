"""Run a `hopmap` command as the version to come would: higher schemas, a field more in every document."""

import sys
from collections.abc import Callable
from typing import Any

from hopmap.__main__ import main
from hopmap.wire import control, feedback, result, service_info, target

NEWS = {"x_of_the_version_to_come": {"deep": [1, None, "ä", {"er": 2.5}]}}


def also_says(encode: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    return lambda value: encode(value) | NEWS


def says_in_its_trace(encode: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    def said(value: Any) -> dict[str, Any]:
        document = also_says(encode)(value)
        trace = document.get("trace")
        if trace:
            trace |= NEWS | {"stop_reason": "bored"}
            trace["hops"] = [hop | NEWS for hop in trace["hops"]]
        return document

    return said


for module in (control, result, target):
    module.SCHEMA += 1
control.encode_control = also_says(control.encode_control)
target.encode_targets = also_says(target.encode_targets)
service_info.encode_service_info = also_says(service_info.encode_service_info)
result.encode_result = says_in_its_trace(result.encode_result)
for name in ("encode_hops", "encode_hops_answer", "encode_feedback", "encode_feedback_answer"):
    setattr(feedback, name, also_says(getattr(feedback, name)))

if __name__ == "__main__":
    sys.exit(main())
