"""For schemathesis: pages are read as text, tokens that are good stand beside the examples, and what was answered is told to
tests/e2e/openapi.test.mjs."""

import atexit
import json
import os
from base64 import b64encode
from urllib.parse import parse_qsl

import schemathesis

answered = set()


@schemathesis.deserializer("text/html")
def page(context, response):
    return response.text


@schemathesis.deserializer("text/plain")
def plain_text(context, response):
    return response.text


@schemathesis.deserializer("application/x-www-form-urlencoded")
def form(context, response):
    return dict(parse_qsl(response.text, strict_parsing=True))


token, to_use_up, to_introspect, short_of_scope, to_revoke, to_invalidate = (
    os.environ[name]
    for name in ["ACCESS_TOKEN", "REFRESH_TOKEN_TO_USE_UP", "REFRESH_TOKEN", "SHORT_OF_SCOPE", "TOKEN_TO_REVOKE", "TOKEN_TO_INVALIDATE"]
)
id_token, to_disconnect, of_plain = (os.environ[name] for name in ["ID_TOKEN", "TOKEN_TO_DISCONNECT", "TOKEN_OF_PLAIN"])
proof = {"backend": "provider", "id_token": id_token}
its_application = {"client_id": os.environ["CLIENT_ID"]}
client = "Basic " + b64encode("{CLIENT_ID}:{CLIENT_SECRET}".format_map(os.environ).encode()).decode()
CASES = {
    "token": [({"grant_type": "refresh_token", "refresh_token": to_use_up}, client)],
    "introspect": [
        ({"token": token}, client),
        ({"token": to_introspect}, client),
        ({"token": token}, f"Bearer {token}"),
        ({"token": token}, f"Bearer {short_of_scope}"),
    ],
    "revokeLogin": [(its_application, f"Bearer {to_revoke}")],
    "convertToken": [({"grant_type": "convert_token", **proof}, client)],
    "exchangeToken": [({"id_token": id_token}, client)],
    "exchangeTokenByTutorialPath": [({"id_token": id_token}, client)],
    "disconnectBackend": [({"backend": "provider"}, f"Bearer {to_disconnect}"), ({"backend": "provider"}, f"Bearer {of_plain}")],
    # In this order: the second is the end of the token.
    "invalidateRefreshTokens": [(its_application, f"Bearer {to_invalidate}")],
    "invalidateSessions": [(its_application, f"Bearer {to_invalidate}")],
}
# Headers with which an operation does something, as those of a signed request.
HEADERS = json.loads(os.environ["HEADERS"])
# What a consent page sends, and the browser's cookies.
DECISIONS = json.loads(os.environ["DECISIONS"])


@schemathesis.hook
def before_add_examples(context, examples):
    operation = context.operation
    operation_id = operation.definition.raw.get("operationId")
    for headers in HEADERS.get(operation_id, []):
        query = {"query": {"oauth_token": os.environ["REQUEST_TOKEN"]}} if operation_id == "authorizeRequestToken" else {}
        examples.append(operation.Case(headers=headers, **query))
    for body, cookies in DECISIONS.get(operation_id, []):
        examples.append(operation.Case(body=body, media_type="application/x-www-form-urlencoded", headers={"Cookie": cookies}))
    for body, authorization in CASES.get(operation_id, []):
        form = {"body": body, "media_type": "application/x-www-form-urlencoded"}
        backends = ["provider", "nobody"] if "{backend}" in operation.path else [None]
        for backend in backends:
            path = {"path_parameters": {"backend": backend}} if backend else {}
            examples.append(operation.Case(**form, **path, headers={"Authorization": authorization}))


@schemathesis.hook
def after_call(context, case, response):
    if response.request.method == case.operation.method.upper():
        answered.add(f"{case.operation.label} {response.status_code}")


@atexit.register
def tell():
    with open(os.environ["ANSWERED"], "w") as file:
        json.dump(sorted(answered), file)
