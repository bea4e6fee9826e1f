"""Closed forms of queues that the rails are held against."""

from __future__ import annotations

import math


def erlang_c_wait_share(arrivals_per_s: float, service_per_s: float, servers: int) -> float:
    """The probability of waiting in the M/M/c queue (Erlang 1917)."""
    offered = arrivals_per_s / service_per_s
    last = offered**servers / math.factorial(servers) * servers / (servers - offered)
    return last / (sum(offered**k / math.factorial(k) for k in range(servers)) + last)


def erlang_c_mean_wait_s(arrivals_per_s: float, service_per_s: float, servers: int) -> float:
    """The mean wait in the M/M/c queue [s]: the chance of waiting over the spare capacity."""
    return erlang_c_wait_share(arrivals_per_s, service_per_s, servers) / (servers * service_per_s - arrivals_per_s)


def md1_mean_wait_s(arrivals_per_s: float, service_per_s: float) -> float:
    """The mean wait in the queue with one server and equal services [s] (Pollaczek 1930, Khinchine 1932)."""
    load = arrivals_per_s / service_per_s
    return load / (2 * service_per_s * (1 - load))
