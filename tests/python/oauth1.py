"""OAuth 1.0a as requests-oauthlib drives it, a client library that we did not write.

Started by tests/e2e/oauth1_requests_oauthlib.test.mjs, which tells in the environment where everything is.
"""

import json
import os
import time
import unittest
from urllib.parse import parse_qs, urlencode, urlsplit

import requests
from form import Form
from oauthlib.oauth1 import SIGNATURE_TYPE_AUTH_HEADER, SIGNATURE_TYPE_BODY, SIGNATURE_TYPE_QUERY
from requests_oauthlib import OAuth1, OAuth1Session
from requests_oauthlib.oauth1_session import TokenRequestDenied

POSTERN = os.environ["POSTERN"]
ORIGIN_API = os.environ["ORIGIN_API"]
CALLBACK = os.environ["CALLBACK"]
ALICE = json.loads(os.environ["ALICE"])
APP = json.loads(os.environ["APP"])
OTHER = json.loads(os.environ["OTHER"])
RSA_KEY = os.environ["RSA_KEY"]

REQUEST_TOKEN, AUTHORIZE, ACCESS_TOKEN = (f"{POSTERN}/oauth/{leg}/" for leg in ["request_token", "authorize", "access_token"])
METHODS = ["HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512", "RSA-SHA1", "RSA-SHA256", "PLAINTEXT"]
PLACES = [SIGNATURE_TYPE_AUTH_HEADER, SIGNATURE_TYPE_QUERY, SIGNATURE_TYPE_BODY]
DEMANDING = {"a": ["2", "1", "10"], "b5": "=%3D", "a3": "r b", "ø": "ü ~+&*'()", "empty": ""}

browser = requests.Session()  # alice's


def visit(url, decision="allow", untick=()):
    """Where alice ends who opens `url`, logs in if she must, and decides: a URL of the application, or the last page."""
    response = browser.get(url, allow_redirects=False)
    decided = False
    while not response.headers.get("Location", POSTERN).startswith(CALLBACK):
        if "Location" in response.headers:
            response = browser.get(response.headers["Location"], allow_redirects=False)
            continue
        assert response.status_code == 200, response.text
        if decided:
            return response.text
        form = Form(response.text)
        decided = "password" not in form.fields
        fields = {name: value for name, value in form.fields.items() if name not in untick}
        response = browser.post(form.action, data={**fields, **({"decision": decision} if decided else ALICE)}, allow_redirects=False)
    return response.headers["Location"]


def session(app=APP, method="HMAC-SHA1", **options):
    key = {"rsa_key": RSA_KEY} if method.startswith("RSA") else {}
    return OAuth1Session(app["client_id"], app["client_secret"], signature_method=method, **key, **options)


def approved(**options):
    """A session whose request token alice has approved."""
    client = session(callback_uri=CALLBACK, **options)
    client.fetch_request_token(REQUEST_TOKEN)
    client.parse_authorization_response(visit(client.authorization_url(AUTHORIZE)))
    return client


def authorized(**options):
    """A session with an access token of alice."""
    client = approved(**options)
    client.fetch_access_token(ACCESS_TOKEN)
    return client


class Legs(unittest.TestCase):
    def test_three_legs_and_signed_requests_by_every_method_in_every_place(self):
        for method in METHODS:
            for place in PLACES:
                with self.subTest(method=method, place=place):
                    client = authorized(method=method, signature_type=place)
                    for interface in ["/by-http", "/by-rpc"]:
                        self.call_api(client, ORIGIN_API + interface, place)

    def call_api(self, client, url, place):
        requests_ = [("POST", {"data": DEMANDING}), ("PUT", {"data": DEMANDING, "params": {"a": ["b", "A"]}})]
        if place != SIGNATURE_TYPE_BODY:  # what has no form has no such place (RFC 5849 §3.5.2)
            requests_ += [("GET", {}), ("GET", {"params": DEMANDING}), ("POST", {"json": {"ø": 1}}), ("DELETE", {"params": {"a": ""}})]
        for method, options in requests_:
            response = client.request(method, url, **options)
            self.assertEqual((response.status_code, response.json().get("hello")), (200, ALICE["username"]), (method, url, options))

    def assertDenied(self, status, said, call):
        with self.assertRaises(TokenRequestDenied) as denied:
            call()
        response = denied.exception.response
        self.assertEqual((response.status_code, response.text), (status, said))
        self.assertEqual(response.headers["WWW-Authenticate"], 'OAuth realm="api"')

    def test_the_callback_is_confirmed_and_the_request_token_told_to_it(self):
        client = session(callback_uri=CALLBACK)
        fetched = client.fetch_request_token(REQUEST_TOKEN)
        self.assertEqual(fetched["oauth_callback_confirmed"], "true")
        landing = parse_qs(urlsplit(visit(client.authorization_url(AUTHORIZE))).query)
        self.assertEqual(landing["oauth_token"], [fetched["oauth_token"]])
        self.assertEqual(sorted(landing), ["oauth_token", "oauth_verifier"])

    def test_out_of_band_the_verifier_is_a_number_on_a_page(self):
        client = session(callback_uri="oob")
        client.fetch_request_token(REQUEST_TOKEN)
        page = visit(client.authorization_url(AUTHORIZE))
        client._client.client.verifier = page.split('<p class="code"><strong>')[1].split("<")[0]
        self.assertRegex(client._client.client.verifier, "^[0-9]{10}$")
        client.fetch_access_token(ACCESS_TOKEN)
        self.assertEqual(client.get(f"{ORIGIN_API}/by-http").status_code, 200)

    def test_a_scope_that_the_person_unticks_is_not_there(self):
        client = session(callback_uri=CALLBACK)
        client.fetch_request_token(f"{REQUEST_TOKEN}?scope=read+write")
        client.parse_authorization_response(visit(client.authorization_url(AUTHORIZE), untick=["scope read"]))
        client.fetch_access_token(ACCESS_TOKEN)
        response = client.get(f"{ORIGIN_API}/by-http")
        self.assertEqual(response.status_code, 403)
        self.assertRegex(response.headers["WWW-Authenticate"], '^OAuth realm="api", error="insufficient_scope".*scope="read"')

    def test_who_is_denied_comes_back_without_a_verifier(self):
        client = session(callback_uri=CALLBACK)
        client.fetch_request_token(REQUEST_TOKEN)
        landing = parse_qs(urlsplit(visit(client.authorization_url(AUTHORIZE), decision="deny")).query)
        self.assertEqual(landing["error"], ["Access not granted by user."])
        self.assertNotIn("oauth_verifier", landing)
        client._client.client.verifier = "made-up"
        self.assertDenied(400, "Invalid request token.", lambda: client.fetch_access_token(ACCESS_TOKEN))

    def test_a_wrong_verifier_is_refused_and_the_right_one_is_good_after_it(self):
        client = approved()
        signer = client._client.client
        right, signer.verifier = signer.verifier, "wrong"
        self.assertDenied(400, "Invalid OAuth verifier.", lambda: client.fetch_access_token(ACCESS_TOKEN))
        signer.verifier = right
        client.fetch_access_token(ACCESS_TOKEN)
        self.assertEqual(client.get(f"{ORIGIN_API}/by-http").status_code, 200)

    def test_a_request_token_that_nobody_approved_is_refused(self):
        client = session(callback_uri=CALLBACK, verifier="made-up")
        client.fetch_request_token(REQUEST_TOKEN)
        self.assertDenied(400, "Request Token not approved by the user.", lambda: client.fetch_access_token(ACCESS_TOKEN))

    def test_a_request_token_is_exchanged_once(self):
        client = approved()
        signer = client._client.client
        mine = {name: getattr(signer, name) for name in ["resource_owner_key", "resource_owner_secret", "verifier"]}
        client.fetch_access_token(ACCESS_TOKEN)
        again = session(**mine)
        self.assertDenied(400, "Invalid request token.", lambda: again.fetch_access_token(ACCESS_TOKEN))

    def test_tokens_are_bound_to_their_application(self):
        client = approved()
        signer = client._client.client
        mine = {name: getattr(signer, name) for name in ["resource_owner_key", "resource_owner_secret", "verifier"]}
        self.assertDenied(400, "Invalid request token.", lambda: session(OTHER, **mine).fetch_access_token(ACCESS_TOKEN))
        token = client.fetch_access_token(ACCESS_TOKEN)
        stolen = session(OTHER, resource_owner_key=token["oauth_token"], resource_owner_secret=token["oauth_token_secret"])
        self.assertRefused(stolen.get(f"{ORIGIN_API}/by-http"), 401, "invalid_token")
        self.assertEqual(client.get(f"{ORIGIN_API}/by-http").status_code, 200)

    def test_a_wrong_consumer_secret_is_refused(self):
        client = session({**APP, "client_secret": "made-up-secret-of-nobody"}, callback_uri=CALLBACK)
        self.assertDenied(401, "Could not verify OAuth request.", lambda: client.fetch_request_token(REQUEST_TOKEN))

    # Signed requests

    def assertRefused(self, response, status, error):
        self.assertEqual(response.status_code, status, response.text)
        self.assertRegex(response.headers["WWW-Authenticate"], f'^OAuth realm="api", error="{error}"')

    @classmethod
    def setUpClass(cls):
        cls.client = authorized()

    def signed(self, method="GET", path="/by-http", params=None, data=None, **options):
        """A request that is signed, and not sent."""
        owner = self.client._client.client
        auth = OAuth1(
            APP["client_id"], APP["client_secret"], owner.resource_owner_key, owner.resource_owner_secret, **options
        )
        return requests.Request(method, ORIGIN_API + path, params=params, data=data, auth=auth).prepare()

    def send(self, prepared):
        return requests.Session().send(prepared)

    def test_a_replayed_request_is_refused_wherever_it_is_asked_about(self):
        prepared = self.signed()
        self.assertEqual(self.send(prepared).status_code, 200)
        self.assertRefused(self.send(prepared), 401, "invalid_token")
        signed_for_rpc = self.signed(path="/by-rpc")
        self.assertEqual(self.send(signed_for_rpc).status_code, 200)
        self.assertRefused(self.send(signed_for_rpc), 401, "invalid_token")

    def test_a_stale_request_is_refused_and_one_within_five_minutes_is_not(self):
        for seconds, status in [(-3600, 401), (3600, 401), (-240, 200), (240, 200)]:
            prepared = self.signed(timestamp=str(int(time.time()) + seconds))
            self.assertEqual(self.send(prepared).status_code, status, seconds)

    def test_a_tampered_request_is_refused_and_its_nonce_still_good(self):
        for path, other in [("/by-http", "/by-rpc"), ("/by-rpc", "/by-http")]:
            prepared = self.signed("POST", path, params={"page": "1"}, data={"amount": "1"})
            for change in [
                {"method": "PUT"},
                {"url": prepared.url.replace("page=1", "page=2")},
                {"url": prepared.url + "&page=1"},
                {"url": prepared.url.replace(path, other)},
                {"body": "amount=2"},
                {"body": "amount=1&amount=1"},
            ]:
                tampered = prepared.copy()
                for name, value in change.items():
                    setattr(tampered, name, value)
                tampered.headers["Content-Length"] = str(len(tampered.body))
                self.assertRefused(self.send(tampered), 401, "invalid_token")
            self.assertEqual(self.send(prepared).status_code, 200)

    def test_a_malformed_signature_is_a_bad_request(self):
        prepared = self.signed()
        prepared.headers["Authorization"] = prepared.headers["Authorization"].replace(b"oauth_nonce", b"oauth_once")
        self.assertRefused(self.send(prepared), 400, "invalid_request")

    # xAuth, two legs, and the way to OAuth 2

    def test_xauth_gets_a_token_for_a_password(self):
        for place in [SIGNATURE_TYPE_AUTH_HEADER, SIGNATURE_TYPE_BODY]:
            client = session(signature_type=place)
            ask = lambda password: client.post(
                ACCESS_TOKEN, data={"x_auth_mode": "client_auth", "x_auth_username": ALICE["username"], "x_auth_password": password}
            )
            response = ask(ALICE["password"])
            self.assertEqual(response.status_code, 200, response.text)
            token = client.parse_authorization_response(f"{CALLBACK}?{response.text}")
            self.assertEqual(sorted(token), ["oauth_token", "oauth_token_secret"])
            self.assertEqual(client.post(f"{ORIGIN_API}/by-rpc", data={"a": "b"}).json()["hello"], ALICE["username"])
            wrong = session().post(ACCESS_TOKEN, data={"x_auth_mode": "client_auth", "x_auth_username": ALICE["username"], "x_auth_password": "guessed"})
            self.assertEqual((wrong.status_code, wrong.text), (400, "xAuth username or password is not valid"))

    def test_xauth_is_for_applications_that_may(self):
        response = session(OTHER).post(
            ACCESS_TOKEN, data={"x_auth_mode": "client_auth", "x_auth_username": ALICE["username"], "x_auth_password": ALICE["password"]}
        )
        self.assertEqual((response.status_code, response.text), (400, "xAuth not allowed for this method"))

    def test_an_application_signs_for_itself_if_it_may(self):
        response = session().get(f"{ORIGIN_API}/by-http")
        self.assertEqual((response.status_code, response.json()), (200, {"hello": APP["client_id"], "subject": None}))
        self.assertRefused(session(OTHER).get(f"{ORIGIN_API}/by-http"), 401, "invalid_token")

    def test_the_answer_of_the_third_leg_is_exchanged_for_tokens_of_oauth_2(self):
        client = approved()
        token = client.fetch_access_token(ACCESS_TOKEN)
        response = requests.post(
            f"{POSTERN}/o/token/",
            auth=(APP["client_id"], APP["client_secret"]),
            data={
                "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
                "subject_token": urlencode(token),
                "subject_token_type": "urn:postern:token-type:oauth1",
            },
        )
        self.assertEqual(response.status_code, 200, response.text)
        bearer = {"Authorization": f"Bearer {response.json()['access_token']}"}
        self.assertEqual(requests.get(f"{ORIGIN_API}/by-http", headers=bearer).json()["hello"], ALICE["username"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
