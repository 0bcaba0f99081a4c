"""Runs inside the lab: sends packets given as hex, one at a time, and prints what comes back, by either transport."""

import os
import socket
import sys
import time

PATIENCE_S = 1.0


def open_way() -> socket.socket:
    if "HOPMAP_LAB_SOCKET" not in os.environ:
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        raw.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
        return raw
    way = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    way.connect(os.environ["HOPMAP_LAB_SOCKET"])
    way.send(f"HELLO 1 {os.environ['HOPMAP_LAB_WORKER']}".encode())
    assert way.recv(100).startswith(b"OK "), "no welcome"
    return way


with open_way() as way:
    way.settimeout(PATIENCE_S)
    for line in sys.stdin:
        packet = bytes.fromhex(line)
        if way.family == socket.AF_INET:
            way.sendto(packet, (socket.inet_ntoa(packet[16:20]), 0))
        else:
            way.send(packet)
        began = time.monotonic()
        try:
            answer = way.recv(2048).hex()
        except TimeoutError:
            answer = "-"
        print(answer, round((time.monotonic() - began) * 1000.0, 1), flush=True)
