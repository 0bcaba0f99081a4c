"""Agents of managers of one name: their keys, tokens and files, as they find them at whoever has the name."""

import hashlib
import json
from http.client import HTTPSConnection
from typing import Any

from hopmap.client import Client, Endpoint
from tests.faults.fault_parts import until
from tests.faults.name_box import NAME, Host, Net
from tests.integration.manager.test_gateway_programs import one_file


class Agents:
    """What nodes elsewhere hold: a key, one that was revoked, a spent token and one that waits, a file's digest."""

    def __init__(self, net: Net, leader: Host) -> None:
        self._net = net
        until(lambda: managed(leader, "POST", "/keys/ensure", {"node": "probe"})[0] == 200, "the leader makes keys", 60)
        self.key = made(leader, "attic")
        self.revoked = made(leader, "cellar")
        self.spent, self.waiting = (managed(leader, "POST", "/enrol-tokens", {})[1]["token"] for _ in range(2))
        status, told = self.ask("POST", "/gateway/enrol", self.spent, {"node": "shed"})
        assert status == 200
        self.enrolled = told["key"]
        program = one_file("0.2.0")
        assert managed(leader, "POST", "/agents", program)[0] == 200
        self.program = hashlib.sha256(program).hexdigest()
        assert managed(leader, "POST", "/keys/revoke", {"node": "cellar"})[1] == {"revoked": 1}

    def ask(self, method: str, path: str, key: str, sent: object = None) -> tuple[int, Any]:
        """A call to whoever has the name, over TLS; 0 when nobody answers."""
        return self._net.visit(lambda: self._ask(method, path, key, sent))

    def _ask(self, method: str, path: str, key: str, sent: object) -> tuple[int, Any]:
        line = HTTPSConnection(NAME, timeout=10)
        try:
            line.sock = self._net.connected()
            line.request(method, path, json.dumps(sent) if sent else None, {"Authorization": f"Bearer {key}"})
            answer = line.getresponse()
            content = answer.read()
            is_json = answer.getheader("Content-Type", "").startswith("application/json")
            return answer.status, json.loads(content) if is_json else content
        except OSError:
            return 0, None
        finally:
            line.close()

    def are_known_to(self, other: Host) -> bool:
        """Whether the gateway of a host that stands by has all of it, the file of the agent too."""
        states = {one["node"]: one["state"] for one in managed(other, "GET", "/keys")[1]["keys"]}
        files = [one["sha256"] for one in managed(other, "GET", "/agents")[1]["agents"]]
        return (states.get("cellar"), states.get("shed"), files) == ("revoked", "live", [self.program])

    def find_what_they_had(self) -> None:
        """AssertionError unless all is as it was at the gateway of the first leader."""
        until(lambda: self.ask("GET", "/gateway/control", self.key)[0] == 200, "the key opens the other's gateway", 30)
        assert self.ask("GET", "/gateway/control", self.enrolled)[0] == 200
        status, told = self.ask("GET", "/gateway/control", self.revoked)
        assert (status, "was revoked" in told["detail"]) == (401, True)
        status, told = self.ask("POST", "/gateway/enrol", self.spent, {"node": "barn"})
        assert (status, "spent" in told["detail"]) == (401, True)
        assert self.ask("POST", "/gateway/enrol", self.waiting, {"node": "barn"})[0] == 200
        status, content = self.ask("GET", f"/gateway/agent/{self.program}", self.key)
        assert status == 200
        assert hashlib.sha256(content).hexdigest() == self.program


def managed(host: Host, method: str, path: str, sent: object = None) -> tuple[int, Any]:
    """A call over the own socket of a host's gateway."""
    body = sent if isinstance(sent, bytes | None) else json.dumps(sent).encode()
    with Client(Endpoint.parse(f"unix://{host.own}")) as client:
        answer = client.request(method, path, body)
    return answer.status, json.loads(answer.body)


def made(host: Host, node: str) -> str:
    """A new key of a node."""
    return str(managed(host, "POST", "/keys/rotate", {"node": node})[1]["key"])


def stands_by(host: Host) -> bool:
    """Whether a host's gateway says to agents and to who changes keys that another leads."""
    refused = managed(host, "POST", "/keys/revoke", {"node": "nobody"})
    with Client(Endpoint.parse(f"unix://{host.folder}/g.sock")) as client:
        called = client.request("GET", "/gateway/control")
    return (refused[0], called.status) == (503, 503) and "stands by" in str(refused[1])
