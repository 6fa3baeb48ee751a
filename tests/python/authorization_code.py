"""Authorization codes as requests-oauthlib and Authlib drive them, client libraries that we did not write.

Started by tests/e2e/authorization_code.test.mjs, which tells in the environment where everything is.
"""

import json
import os
import unittest

import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from form import Form
from oauthlib.oauth2 import AccessDeniedError, InvalidGrantError
from requests_oauthlib import OAuth2Session

POSTERN = os.environ["POSTERN"]
CALLBACK = os.environ["CALLBACK"]
ALICE = json.loads(os.environ["ALICE"])
SPA = json.loads(os.environ["SPA"])
WEB = json.loads(os.environ["WEB"])

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # it is loopback
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"


def visit(url, decision="allow"):
    """Where alice ends who opens `url`, logs in and decides: a URL of the application."""
    browser = requests.Session()
    response = browser.get(url, allow_redirects=False)
    while not response.headers.get("Location", POSTERN).startswith(CALLBACK):
        if "Location" in response.headers:
            response = browser.get(response.headers["Location"], allow_redirects=False)
            continue
        assert response.status_code == 200, response.text
        form = Form(response.text)
        values = ALICE if "password" in form.fields else {"decision": decision}
        response = browser.post(form.action, data={**form.fields, **values}, allow_redirects=False)
    return response.headers["Location"]


def status_of(token):
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    return requests.get(f"{POSTERN}/validate/?fresh=1", headers=headers).status_code


class AuthorizationCode(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        metadata = requests.get(f"{POSTERN}/.well-known/oauth-authorization-server").json()
        cls.authorization_endpoint = metadata["authorization_endpoint"]
        cls.token_endpoint = metadata["token_endpoint"]

    def test_requests_oauthlib_public(self):
        session = OAuth2Session(SPA["client_id"], redirect_uri=CALLBACK, scope=["read"], pkce="S256")
        url, _ = session.authorization_url(self.authorization_endpoint)
        token = session.fetch_token(self.token_endpoint, authorization_response=visit(url), include_client_id=True)
        self.assertEqual((list(token["scope"]), status_of(token)), (["read"], 200))
        refreshed = session.refresh_token(self.token_endpoint, client_id=SPA["client_id"])
        self.assertEqual(status_of(refreshed), 200)

    def test_requests_oauthlib_confidential_and_a_code_used_twice(self):
        session = OAuth2Session(WEB["client_id"], redirect_uri=CALLBACK, scope=["read", "write"], pkce="S256")
        url, _ = session.authorization_url(self.authorization_endpoint)
        landing = visit(url)
        fetch = lambda: session.fetch_token(self.token_endpoint, authorization_response=landing, client_secret=WEB["client_secret"])
        token = fetch()
        self.assertEqual(status_of(token), 200)
        self.assertRaises(InvalidGrantError, fetch)
        self.assertEqual(status_of(token), 401)

    def test_requests_oauthlib_denied(self):
        session = OAuth2Session(SPA["client_id"], redirect_uri=CALLBACK, scope=["read"], pkce="S256")
        url, _ = session.authorization_url(self.authorization_endpoint, prompt="consent")
        landing = visit(url, decision="deny")
        with self.assertRaises(AccessDeniedError):
            session.fetch_token(self.token_endpoint, authorization_response=landing)

    def authlib(self, client, **options):
        return AuthlibSession(client["client_id"], client.get("client_secret"), redirect_uri=CALLBACK, scope="read", code_challenge_method="S256", **options)

    def test_authlib_public(self):
        self.code_and_refresh(SPA, token_endpoint_auth_method="none")

    def test_authlib_by_basic(self):
        self.code_and_refresh(WEB, token_endpoint_auth_method="client_secret_basic")

    def test_authlib_by_the_body(self):
        self.code_and_refresh(WEB, token_endpoint_auth_method="client_secret_post")

    def code_and_refresh(self, client, **options):
        verifier = "a-verifier-of-the-tests-that-is-long-enough-for-rfc-7636"
        with self.authlib(client, **options) as session:
            url, state = session.create_authorization_url(self.authorization_endpoint, code_verifier=verifier)
            landing = visit(url)
            fetch = lambda code_verifier: session.fetch_token(self.token_endpoint, authorization_response=landing, state=state, code_verifier=code_verifier)
            self.assertRaises(OAuthError, fetch, verifier + "-not")
            token = fetch(verifier)
            self.assertEqual((token["scope"], status_of(token)), ("read", 200))
            refreshed = session.refresh_token(self.token_endpoint, refresh_token=token["refresh_token"])
            self.assertEqual(status_of(refreshed), 200)


if __name__ == "__main__":
    unittest.main()
