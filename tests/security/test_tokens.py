"""Tokens that lie in ways tests/service/http/test_auth.py doesn't try; each has a good signature unless it says not."""

import json
import time
from typing import Any

import httpx
import jwt
import pytest

from schema.models.problems import ProblemCode as Code
from service.accounts.tokens import issue_token, subject_of
from service.accounts.users import erase_user
from service.database import Connection
from tests.service.http.conftest import SECRET_KEYS, NewUser
from tests.service.http.serving import API, User, problem
from tests.service.http.test_auth import HS256, encoded, signed

IN_2100 = 4_102_444_800
"""A constant: the names of tests are to be the same in every process."""


async def refused(client: httpx.AsyncClient, token: str) -> None:
    answer = await client.get(f"{API}/me", headers=[(b"Authorization", b"Bearer " + token.encode())])
    problem(answer, Code.UNAUTHORIZED, 401)


@pytest.mark.parametrize(
    "exp",
    [str(IN_2100), f" {IN_2100} ", True, [IN_2100], {"$gt": 0}, -1, 0, 1e400, "", "Infinity", "٤١٠٢٤٤٤٨٠٠"],
    ids=repr,
)
async def test_an_end_is_a_number(user: User, anonymous: httpx.AsyncClient, exp: Any) -> None:
    await refused(anonymous, signed(HS256, {"sub": user.user_id, "exp": exp}))


@pytest.mark.parametrize("end", [IN_2100, IN_2100 + 0.5])
async def test_an_end_may_have_a_fraction(user: User, end: float) -> None:
    assert subject_of(signed(HS256, {"sub": user.user_id, "exp": end}), SECRET_KEYS) == user.user_id


@pytest.mark.parametrize("nbf", [IN_2100, str(IN_2100), "tomorrow", [1]])
async def test_a_beginning_that_is_still_to_come(user: User, anonymous: httpx.AsyncClient, nbf: object) -> None:
    await refused(anonymous, signed(HS256, {"sub": user.user_id, "exp": IN_2100 + 60, "nbf": nbf}))


@pytest.mark.parametrize(
    "header",
    [
        {"kid": "../../../../dev/null"},
        {"kid": "' UNION SELECT ''; --"},
        {"kid": SECRET_KEYS[0]},
        {"jwk": {"kty": "oct", "k": encoded(b"a key of my own, long enough for HS256")}},
        {"jku": "http://127.0.0.1:1/keys.json"},
        {"x5u": "http://127.0.0.1:1/cert.pem"},
    ],
    ids=str,
)
async def test_a_header_chooses_no_key(user: User, anonymous: httpx.AsyncClient, header: dict[str, Any]) -> None:
    """Whatever it names, the signature is to be ours."""
    claims = {"sub": user.user_id, "exp": IN_2100}
    for key in ("", "a key of my own, long enough for HS256"):
        await refused(anonymous, signed({**HS256, **header}, claims, key))
    known = signed({**HS256, **header}, claims)
    assert subject_of(known, SECRET_KEYS) == user.user_id


@pytest.mark.parametrize("algorithm", ["HS384", "HS512", "ES256", "EdDSA", "PS256", "hs256", "HS256 ", "nOnE"])
async def test_one_algorithm_is_taken(user: User, anonymous: httpx.AsyncClient, algorithm: str) -> None:
    claims = {"sub": user.user_id, "exp": IN_2100}
    await refused(anonymous, signed({"alg": algorithm, "typ": "JWT"}, claims))
    if algorithm in {"HS384", "HS512"}:
        key = SECRET_KEYS[0] * 2  # long enough for the algorithm not to complain
        await refused(anonymous, jwt.encode(claims, key, algorithm=algorithm))
        assert subject_of(jwt.encode(claims, key, algorithm=algorithm), (key,)) is None


async def test_huge_tokens_cost_nothing(user: User, anonymous: httpx.AsyncClient) -> None:
    claims = {"sub": user.user_id, "exp": IN_2100, "filler": "x" * 3500}
    started = time.perf_counter()
    await refused(anonymous, signed(HS256, claims))
    await refused(anonymous, signed(HS256, {**claims, "filler": "x" * 40_000}))
    assert time.perf_counter() - started < 2
    assert subject_of(signed(HS256, {**claims, "filler": "x"}), SECRET_KEYS) == user.user_id


async def test_a_claim_said_twice_is_the_last_one(user: User, new_user: NewUser, anonymous: httpx.AsyncClient) -> None:
    """What signs decides; a proxy in front and the service must only not be told apart by a missing signature."""
    other = await new_user()
    body = f'{{"sub": {json.dumps(user.user_id)}, "sub": {json.dumps(other.user_id)}, "exp": {IN_2100}}}'.encode()
    await refused(anonymous, signed(HS256, body, "not ours but as long as one of ours"))
    answer = await anonymous.get(f"{API}/me", headers={"Authorization": f"Bearer {signed(HS256, body)}"})
    assert answer.json()["user_id"] == other.user_id


async def test_a_deleted_users_token_and_key_open_nothing(
    new_user: NewUser, db: Connection, anonymous: httpx.AsyncClient
) -> None:
    gone = await new_user()
    await erase_user(db, gone.user_id)
    await refused(anonymous, issue_token(SECRET_KEYS, gone.user_id))
    await refused(anonymous, gone.api_key)


async def test_two_tokens_at_once_are_none(user: User, anonymous: httpx.AsyncClient) -> None:
    headers = [(b"Authorization", b"Bearer dk_wrong"), (b"Authorization", f"Bearer {user.api_key}".encode())]
    answers = [await anonymous.get(f"{API}/me", headers=order) for order in (headers, headers[::-1])]
    assert 401 in {answer.status_code for answer in answers}
