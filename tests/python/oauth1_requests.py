"""Random requests that oauthlib signs, and each with one byte changed: what tests/oauth1/verify.rs has to agree with.

Started by tests/e2e/oauth1_oracle.test.mjs with how many to write, and a seed. A line of JSON for each.

Where oauthlib leaves RFC 5849, the RFC rules, and the requests here keep out of it:
- It decodes values of `oauth_…` twice in a query or a form (§3.4.1.3.1): none of those holds a `%`.
- It looks for a parameter `realm` in query and form, too, if the header has one, and as a server leaves them out (§3.4.1.3.1).
- It signs with the secret of a token that it does not send (§3.4.2).
- It writes IPv6 addresses in their shortest form, and drops an empty `;` at the end of a path (§3.4.1.2).
- It refuses queries and forms with characters that many clients send as they are, such as `[` and `|`.
- As a server, it wants 10 digits of a timestamp (§3.3), and timestamp and nonce with PLAINTEXT (§3.1).
- It takes a `Realm` for a parameter of the request, and refuses a header with `,,` in it (RFC 9110 §5.6.1.2, §11.2).

It takes what is malformed: broken percent-encoding, URLs of other schemes, headers without quotes. With PLAINTEXT, which signs
nothing of all that, such requests verify; we refuse to read them.
"""

import json
import random
import sys

from oauthlib.oauth1 import Client, RequestValidator
from oauthlib.oauth1.rfc5849 import errors, signature
from oauthlib.oauth1.rfc5849.endpoints.base import BaseEndpoint

METHODS = ["HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512", "PLAINTEXT"]
HTTP_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "post", "Get", "M-SEARCH", "x!#$%&'*+.^_`|~1"]
HOSTS = ["example.com", "EXAMPLE.com", "Photos.Example.NET", "xn--bcher-kva.example", "a_b.example"]
HOSTS += ["localhost", "127.0.0.1", "[::1]", "[2001:DB8::a]"]
FORM = "application/x-www-form-urlencoded"
UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
TEXT = UNRESERVED * 2 + " +%&=/?#:;,@!$'()*\"\\<>[]{}|^`\t\n\r\x01\x7f" + "éßñ€漢字🦀\u0301\u200d"
PRINTED = "".join(map(chr, range(0x21, 0x7F)))
IN_FORM = UNRESERVED + "=&;:%+,*@!()/?'$"


class Validator(RequestValidator):
    """Knows the secrets, and lets the client choose everything else."""

    enforce_ssl = False
    allowed_signature_methods = METHODS
    timestamp_lifetime = float("inf")

    def __init__(self, consumer_secret, token_secret):
        super().__init__()
        self.consumer_secret, self.token_secret = consumer_secret, token_secret

    def check_client_key(self, client_key):
        return True

    def check_nonce(self, nonce):
        return True

    def get_client_secret(self, client_key, request):
        return self.consumer_secret

    def get_access_token_secret(self, client_key, token, request):
        return self.token_secret


def text(rng, longest, alphabet=TEXT, shortest=0):
    return "".join(rng.choices(alphabet, k=rng.randint(shortest, longest)))


def encode(rng, text, raw):
    """In one of the ways in which the same text can be written; `raw` may be left as it is."""
    encoded = ""
    for character in text:
        if character in UNRESERVED and rng.random() < 0.95 or character in raw and rng.random() < 0.5:
            encoded += character
        else:
            form = rng.choice(["%{:02x}", "%{:02X}"])
            encoded += "".join(form.format(byte) for byte in character.encode())
    return encoded


def encode_form(rng, pairs):
    parts = []
    for name, value in pairs:
        name = encode(rng, name, ":,~*@!()/?'$;").replace("%20", rng.choice(["%20", "+"]))
        value = encode(rng, value, ":,~*@!()/?'$;=").replace("%20", rng.choice(["%20", "+"]))
        parts.append(name if value == "" and name and rng.random() < 0.5 else f"{name}={value}")
    return rng.choice(["&", "&", "&", "&&"]).join(parts)


def random_pairs(rng, but=()):
    names = ["a", "a", "A", "b5", "c@", "a-", "", "ä", "realm", "scope", "x_auth_mode", "xoauth_token"]
    names += [text(rng, 8), text(rng, 8)]
    names = [name for name in names if name not in but and not name.startswith("oauth_")]
    return [(rng.choice(names), text(rng, 12)) for _ in range(rng.choice([0, 0, 1, 2, 3, 8]))]


def random_url(rng, pairs):
    scheme = rng.choice(["http", "https", "https", "HTTP", "Https"])
    port = rng.choice(["", "", "", ":80", ":443", ":8080", ":", ":0080", ":65535"])
    path = "".join("/" + encode(rng, text(rng, 8, TEXT.replace(";", "")), ":@!$&'()*+,=") for _ in range(rng.randint(0, 4)))
    path += rng.choice(["", "", "/", "//", ";v=1"]) if path else ""
    query = encode_form(rng, pairs)
    fragment = rng.choice(["", "", "", "#", "#a?b=c"])
    return f"{scheme}://{rng.choice(HOSTS)}{port}{path}{'?' + query if query or rng.random() < 0.1 else ''}{fragment}"


def rewritten(rng, header):
    """The same header in another spelling (RFC 5849 §3.5.1, RFC 9110 §5.6.1.2)."""
    scheme, rest = header.split(" ", 1)
    realm = ""
    if rest.startswith("realm="):
        realm, rest = rest.split(", oauth_", 1)
        rest = "oauth_" + rest
    if rng.random() < 0.5:  # as some clients write it
        rest = rest.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=")
    parts = rest.split(", ") + ([realm] if realm else [])
    rng.shuffle(parts)
    separator = rng.choice([",", ", ", ",\t ", " , "])
    return f"{rng.choice([scheme, 'oauth', 'OAUTH'])} {separator.join(parts)}"


def collected(url, authorization, form):
    headers = {"Authorization": authorization} if authorization else {}
    query = url.split("#", 1)[0].partition("?")[2]
    return signature.collect_parameters(uri_query=query, body=form or [], headers=headers, exclude_oauth_signature=False)


def base_string(method, url, pairs):
    signed = [(name, value) for name, value in pairs if name != "oauth_signature"]
    return signature.signature_base_string(method, signature.base_string_uri(url), signature.normalize_parameters(signed))


def verifies(validator, method, url, authorization, form):
    """What oauthlib says as a server."""
    headers = {"Content-Type": FORM} if form is not None else {}
    if authorization is not None:
        headers["Authorization"] = authorization
    endpoint = BaseEndpoint(validator)
    try:
        request = endpoint._create_request(url, method, form or "", headers)
        if request.signature_method == "PLAINTEXT":
            request.timestamp, request.nonce = request.timestamp or "1000000000", request.nonce or "none"
        endpoint._check_mandatory_parameters(request)
        return endpoint._check_signature(request)
    except (ValueError, errors.OAuth1Error):
        return False


def tampered(rng, sent, validator):
    """One byte of what was sent is another one."""
    field = rng.choice([name for name, value in sent.items() if value])
    at = rng.choice([at for at, character in enumerate(sent[field]) if character.isascii()])
    others = IN_FORM if field in ("url", "form") else PRINTED
    as_it_was = sent[field][at]
    if field == "authorization":
        others = others.replace(",", "").replace(as_it_was.swapcase(), "")
    other = rng.choice(others.replace(as_it_was, ""))
    changed = sent | {field: sent[field][:at] + other + sent[field][at + 1 :]}
    return changed | {"verifies": verifies(validator, **changed)}


def signed(rng):
    place = rng.choice(["AUTH_HEADER", "AUTH_HEADER", "QUERY", "BODY"])
    own = TEXT if place == "AUTH_HEADER" else TEXT.replace("%", "")
    own = "".join(character for character in own if character.isprintable())
    signature_method = rng.choice(METHODS)
    # What of a secret is encoded is a `%` of PLAINTEXT's signature.
    secrets = UNRESERVED if signature_method == "PLAINTEXT" and place != "AUTH_HEADER" else TEXT
    consumer_secret = text(rng, 20, secrets)
    token = rng.choice([None, text(rng, 20, own, 1)])
    token_secret = text(rng, 20, secrets) if token else ""
    method = rng.choice(["POST", "PUT"]) if place == "BODY" else rng.choice(HTTP_METHODS)
    realm = rng.choice([None, None, "Photos", "a, b=c", 'x\\"y', "%zz"]) if place == "AUTH_HEADER" else None
    but = ("realm",) if realm else ()
    form = None
    if place == "BODY" or method.upper() not in ("GET", "HEAD") and rng.random() < 0.5:
        form = encode_form(rng, random_pairs(rng, but))
    client = Client(
        text(rng, 20, own, 1),
        client_secret=consumer_secret,
        resource_owner_key=token,
        resource_owner_secret=token_secret,
        callback_uri=rng.choice([None, None, "oob", "https://printer.example.com/ready?a=b&c=" + text(rng, 5, own)]),
        verifier=rng.choice([None, None, text(rng, 10, own, 1)]),
        signature_method=signature_method,
        signature_type=place,
        nonce=text(rng, 20, own, 1),
        timestamp=str(rng.randint(10**9, 10**10 - 1)),
        realm=realm,
    )
    headers = {"Content-Type": FORM} if form is not None else {}
    url, headers, form = client.sign(random_url(rng, random_pairs(rng, but)), method, form, headers)
    authorization = headers.get("Authorization")
    if authorization and rng.random() < 0.5:
        authorization = rewritten(rng, authorization)
    sent = {"method": method, "url": url, "authorization": authorization, "form": form}
    pairs = collected(url, authorization, form)
    validator = Validator(consumer_secret, token_secret)
    return sent | {
        "consumer_secret": consumer_secret,
        "token_secret": token_secret,
        "base_string": base_string(method, url, pairs),
        "parameters": pairs,
        "tampered": tampered(rng, sent, validator),
    }


def main(count, seed):
    rng = random.Random(seed)
    for _ in range(count):
        print(json.dumps(signed(rng)))


main(int(sys.argv[1]), int(sys.argv[2]))
