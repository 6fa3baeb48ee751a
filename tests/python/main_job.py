"""The main job as requests-oauthlib drives it, a client library that we did not write.

Started by tests/e2e/requests_oauthlib.test.mjs, which tells in the environment where everything is.
"""

import json
import os
import unittest

import requests
from oauthlib.oauth2 import (
    BackendApplicationClient,
    DeviceClient,
    InvalidClientError,
    InvalidGrantError,
    InvalidScopeError,
    LegacyApplicationClient,
    OAuth2Error,
    TokenExpiredError,
    UnauthorizedClientError,
    UnsupportedGrantTypeError,
)
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session, TokenUpdated

POSTERN = os.environ["POSTERN"]
ORIGIN_API = os.environ["ORIGIN_API"]
ALICE = json.loads(os.environ["ALICE"])
APP = json.loads(os.environ["APP"])["client_id"]
SERVICE = json.loads(os.environ["SERVICE"])

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # it is loopback


class MainJob(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        metadata = requests.get(f"{POSTERN}/.well-known/oauth-authorization-server").json()
        cls.token_endpoint = metadata["token_endpoint"]
        cls.revocation_endpoint = metadata["revocation_endpoint"]
        cls.introspection_endpoint = metadata["introspection_endpoint"]

    def app(self, **options):
        """A session of the public application, for a user to log in."""
        return OAuth2Session(client=LegacyApplicationClient(APP, **options))

    def log_in(self, session=None, **params):
        session = session or self.app()
        session.fetch_token(self.token_endpoint, include_client_id=True, **{**ALICE, **params})
        return session

    def service(self, **options):
        """A session of the confidential application, for itself."""
        return OAuth2Session(client=BackendApplicationClient(SERVICE["client_id"], **options))

    def service_token(self, **params):
        return self.service().fetch_token(self.token_endpoint, **{"client_secret": SERVICE["client_secret"], **params})

    def introspect(self, token):
        auth = HTTPBasicAuth(SERVICE["client_id"], SERVICE["client_secret"])
        response = requests.post(self.introspection_endpoint, data={"token": token}, auth=auth)
        self.assertEqual(response.status_code, 200)
        return response.json()

    def revoke(self, session, token, hint):
        url, headers, body = session._client.prepare_token_revocation_request(
            self.revocation_endpoint, token, token_type_hint=hint, client_id=APP
        )
        response = session.post(url, data=body, headers=headers, withhold_token=True)
        self.assertEqual((response.status_code, response.text), (200, ""))

    def assertGreeted(self, session, name):
        for path in ["/by-http", "/by-rpc"]:
            response = session.get(ORIGIN_API + path)
            self.assertEqual((response.status_code, response.json().get("hello")), (200, name), path)

    def assertRefused(self, session, status, error):
        for path in ["/by-http", "/by-rpc"]:
            response = session.get(ORIGIN_API + path)
            self.assertEqual(response.status_code, status, path)
            self.assertIn(f'error="{error}"', response.headers["WWW-Authenticate"], path)

    # The password grant (RFC 6749 §4.3)

    def test_a_user_signs_up_and_logs_in(self):
        bob = {"username": "bob", "password": "open-sesame-1002"}
        response = requests.post(f"{POSTERN}/sign_up/", json=bob)
        self.assertEqual((response.status_code, response.json()), (201, {"username": "bob"}))
        self.assertGreeted(self.log_in(**bob), "bob")

    def test_a_login_is_answered_tokens_for_the_default_scopes(self):
        token = self.log_in().token
        self.assertEqual((token["token_type"], token["expires_in"]), ("Bearer", 36000))
        self.assertEqual(token["scope"], ["read", "write", "groups"])
        self.assertNotEqual(token["access_token"], token["refresh_token"])

    def test_a_public_application_may_name_itself_by_basic_without_a_secret(self):
        session = self.app()
        session.fetch_token(self.token_endpoint, **ALICE)
        self.assertGreeted(session, ALICE["username"])

    def test_the_scope_that_is_asked_for_is_granted(self):
        session = self.log_in(self.app(scope=["read"]))
        self.assertEqual(session.token["scope"], ["read"])
        self.assertEqual(self.introspect(session.token["access_token"])["scope"], "read")

    def test_a_wrong_password_is_an_invalid_grant(self):
        with self.assertRaisesRegex(InvalidGrantError, "username or password is wrong"):
            self.log_in(password="open-sesame-1000")

    def test_an_unknown_user_is_an_invalid_grant_in_the_same_words(self):
        with self.assertRaisesRegex(InvalidGrantError, "username or password is wrong"):
            self.log_in(username="nobody")

    # The client credentials grant (RFC 6749 §4.4)

    def test_a_service_gets_a_token_by_basic_and_no_refresh_token(self):
        session = self.service()
        token = session.fetch_token(self.token_endpoint, client_secret=SERVICE["client_secret"])
        self.assertNotIn("refresh_token", token)
        self.assertGreeted(session, SERVICE["client_id"])

    def test_a_service_gets_a_token_by_its_secret_in_the_body(self):
        token = self.service_token(include_client_id=True)
        self.assertEqual(self.introspect(token["access_token"])["client_id"], SERVICE["client_id"])

    def test_a_wrong_secret_is_an_invalid_client(self):
        for include_client_id in [None, True]:
            with self.assertRaises(InvalidClientError):
                self.service_token(client_secret="wrong", include_client_id=include_client_id)

    def test_an_unknown_application_is_an_invalid_client(self):
        session = OAuth2Session(client=BackendApplicationClient("nobody"))
        with self.assertRaises(InvalidClientError):
            session.fetch_token(self.token_endpoint, client_secret=SERVICE["client_secret"])

    def test_an_unknown_scope_is_an_invalid_scope(self):
        with self.assertRaises(InvalidScopeError):
            self.service(scope=["nonsense"]).fetch_token(self.token_endpoint, client_secret=SERVICE["client_secret"])

    def test_a_grant_that_the_application_is_not_registered_for_is_an_unauthorized_client(self):
        with self.assertRaises(UnauthorizedClientError):
            OAuth2Session(client=BackendApplicationClient(APP)).fetch_token(self.token_endpoint, include_client_id=True)

    def test_a_grant_that_the_server_does_not_know_is_an_unsupported_grant_type(self):
        with self.assertRaises(UnsupportedGrantTypeError):
            OAuth2Session(client=DeviceClient(APP)).fetch_token(self.token_endpoint, device_code="made-up", include_client_id=True)

    def test_two_ways_to_authenticate_at_once_are_an_invalid_request(self):
        auth = HTTPBasicAuth(SERVICE["client_id"], SERVICE["client_secret"])
        with self.assertRaises(OAuth2Error) as refused:  # oauthlib has several classes for this code
            self.service_token(auth=auth, include_client_id=True)
        self.assertEqual(refused.exception.error, "invalid_request")

    # Refreshing (RFC 6749 §6)

    def expired(self, **options):
        """A session that takes its access token for expired."""
        token = self.log_in().token
        return OAuth2Session(client=LegacyApplicationClient(APP), token={**token, "expires_at": 1}, **options)

    def test_an_expired_token_is_refreshed_on_the_way_and_the_new_one_saved(self):
        saved = []
        session = self.expired(
            auto_refresh_url=self.token_endpoint, auto_refresh_kwargs={"client_id": APP}, token_updater=saved.append
        )
        before = dict(session.token)
        self.assertGreeted(session, ALICE["username"])
        self.assertEqual(len(saved), 1)
        for name in ["access_token", "refresh_token"]:
            self.assertNotEqual(saved[0][name], before[name])
        self.assertGreeted(OAuth2Session(APP, token=saved[0]), ALICE["username"])

    def test_without_a_token_updater_the_new_token_comes_as_token_updated(self):
        session = self.expired(auto_refresh_url=self.token_endpoint, auto_refresh_kwargs={"client_id": APP})
        with self.assertRaises(TokenUpdated) as updated:
            session.get(f"{ORIGIN_API}/by-http")
        self.assertGreeted(OAuth2Session(APP, token=updated.exception.token), ALICE["username"])

    def test_without_automatic_refresh_an_expired_token_is_not_sent(self):
        with self.assertRaises(TokenExpiredError):
            self.expired().get(f"{ORIGIN_API}/by-http")

    def test_a_lost_answer_is_no_logout(self):
        session = self.log_in()
        lost = session.token["refresh_token"]
        pairs = [session.refresh_token(self.token_endpoint, refresh_token=lost, client_id=APP) for _ in range(2)]
        for name in ["access_token", "refresh_token"]:
            self.assertEqual(pairs[0][name], pairs[1][name])
        self.assertGreeted(session, ALICE["username"])

    def test_reuse_after_the_successor_was_presented_ends_the_session(self):
        session = self.log_in()
        first = session.token["refresh_token"]
        session.refresh_token(self.token_endpoint, client_id=APP)
        session.refresh_token(self.token_endpoint, client_id=APP)
        live = dict(session.token)
        with self.assertRaises(InvalidGrantError):
            session.refresh_token(self.token_endpoint, refresh_token=first, client_id=APP)
        self.assertFalse(self.introspect(live["access_token"])["active"])
        with self.assertRaises(InvalidGrantError):
            session.refresh_token(self.token_endpoint, refresh_token=live["refresh_token"], client_id=APP)

    def test_a_refresh_token_is_bound_to_its_application(self):
        auth = HTTPBasicAuth(SERVICE["client_id"], SERVICE["client_secret"])
        with self.assertRaises(InvalidGrantError):
            self.log_in().refresh_token(self.token_endpoint, auth=auth)

    # Revocation (RFC 7009)

    def test_revoking_either_token_ends_both(self):
        for kind in ["access_token", "refresh_token"]:
            session = self.log_in()
            self.assertGreeted(session, ALICE["username"])
            self.revoke(session, session.token[kind], kind)
            self.assertRefused(session, 401, "invalid_token")
            self.assertEqual(self.introspect(session.token["access_token"]), {"active": False})
            with self.assertRaises(InvalidGrantError):
                session.refresh_token(self.token_endpoint, client_id=APP)

    def test_revoking_an_unknown_token_succeeds(self):
        self.revoke(self.app(), "made-up", None)

    # Introspection (RFC 7662)

    def test_introspection_tells_whose_token_it_is(self):
        token = self.log_in().token
        said = self.introspect(token["access_token"])
        self.assertEqual((said["active"], said["username"], said["client_id"]), (True, ALICE["username"], APP))
        self.assertEqual(said["exp"] - said["iat"], token["expires_in"])

    def test_a_session_with_the_scope_introspection_introspects_by_its_own_token(self):
        session = self.service(scope=["introspection"])
        session.fetch_token(self.token_endpoint, client_secret=SERVICE["client_secret"])
        response = session.post(self.introspection_endpoint, data={"token": self.log_in().token["access_token"]})
        self.assertEqual((response.status_code, response.json()["username"]), (200, ALICE["username"]))

    def test_a_session_without_that_scope_does_not(self):
        session = self.log_in()
        response = session.post(self.introspection_endpoint, data={"token": session.token["access_token"]})
        self.assertEqual((response.status_code, response.json()["error"]), (403, "insufficient_scope"))

    # The protected resource: the example of an origin API, behind /validate/ and the RPC method (RFC 6750 §3)

    def test_a_caller_without_a_token_is_challenged(self):
        for path in ["/by-http", "/by-rpc"]:
            response = requests.get(ORIGIN_API + path)
            self.assertEqual((response.status_code, response.headers["WWW-Authenticate"]), (401, 'Bearer realm="api"'))

    def test_a_made_up_token_and_a_refresh_token_are_refused(self):
        for token in ["made-up", self.log_in().token["refresh_token"]]:
            session = OAuth2Session(APP, token={"access_token": token, "token_type": "Bearer"})
            self.assertRefused(session, 401, "invalid_token")

    def test_a_token_short_of_scope_is_refused_with_the_scope_that_would_do(self):
        session = self.log_in(self.app(scope=["write"]))
        self.assertRefused(session, 403, "insufficient_scope")
        self.assertIn('scope="read"', session.get(f"{ORIGIN_API}/by-http").headers["WWW-Authenticate"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
