"""Asks a flags role through the public flagd provider, once by its remote and once by its in-process resolver.

Usage: flagd.py PORT FLAG COUNT
Prints one JSON object: for each resolver what it said to visitor-0 … visitor-(COUNT-1), and what it made of flags
of each type, of one that is missing, and of one that is asked as another type.
"""

import json
import sys

from openfeature import api
from openfeature.contrib.provider.flagd import FlagdProvider
from openfeature.contrib.provider.flagd.config import CacheType, ResolverType
from openfeature.evaluation_context import EvaluationContext


def said(client, flag, count):
    return [
        client.get_boolean_value(flag, None, EvaluationContext(targeting_key=f"visitor-{n}"))
        for n in range(count)
    ]


def details(found):
    code = found.error_code.value if found.error_code else None
    return {"value": found.value, "variant": found.variant, "reason": str(found.reason), "error": code}


def main(port, flag, count):
    answers = {}
    for name, resolver in (("rpc", ResolverType.RPC), ("in-process", ResolverType.IN_PROCESS)):
        provider = FlagdProvider(
            host="127.0.0.1",
            port=port,
            tls=False,
            resolver_type=resolver,
            cache=CacheType.DISABLED,
            deadline_ms=10_000,
        )
        api.set_provider_and_wait(provider, name)
        client = api.get_client(name)
        someone = EvaluationContext(targeting_key="someone", attributes={"plan": "gold", "age": 42})
        answers[name] = {
            "said": said(client, flag, count),
            "text": details(client.get_string_details("greeting", "default", someone)),
            "number": details(client.get_float_details("limit", -1.0, someone)),
            "whole": details(client.get_integer_details("limit", -1, someone)),
            "object": details(client.get_object_details("theme", {}, someone)),
            "off": details(client.get_boolean_details("off", True, someone)),
            "rule": details(client.get_string_details("by-plan", "default", someone)),
            "missing": details(client.get_boolean_details("missing", True, someone)),
            "mistaken": details(client.get_boolean_details("greeting", True, someone)),
        }
    print(json.dumps(answers))
    api.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
