from __future__ import annotations

import msgspec
import pytest

from tests import samples
from unslow.redaction import redact, redact_evidence

SECRET = "hunter2hunter2xyz"

FORMS = (
    '{\\"DB_PASSWORD\\": \\"SECRET\\"}',
    '"password": "SECRET"',
    '"aws_secret_access_key" : "SECRET"',
    "api_key: SECRET",
    "DB_PASSWORD:  SECRET",
    "export PGPASSWORD=SECRET",
    "AWS_SECRET_ACCESS_KEY=SECRET",
    "Authorization: Bearer SECRET",
    "GET /x?access_token=SECRET HTTP/1.1",
    "Authorization: Basic SECRETabc=",
    "Cookie: sessionid=SECRET",
    '{"level":"info","password":"SECRET"}',
    "msg=login password=SECRET user=me",
    "postgresql://app:SECRET@db:5432/shop",
    "postgresql+psycopg2://app:SECRET@db/shop?sslmode=require",
    "app:SECRET@tcp(db:3306)/shop",
    "host=db user=app password=SECRET dbname=shop",
    "Server=db;User Id=app;Password=SECRET;",
    "redis://:SECRET@cache:6379/0",
    "amqp://app:SECRET@mq/",
    "mongodb://app:SECRET@mongo/",
    "https://me:SECRET@example.invalid/x",
    "https://bucket/x?X-Amz-Signature=SECRET",
    "aws_session_token=SECRET",
    "  password: SECRET",
    '"auth": "SECRET"',
    "http.url=https://x/?token=SECRET",
    "http.request.header.authorization=SECRET",
    "worker --password SECRET",
    "worker --token=SECRET",
)
WHOLE = (
    "key AKIAIOSFODNN7EXAMPLE used",
    "token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "xoxb-123456789012-abcdefghijkl",
    "sk_live_abcdefghijklmnop",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
    "mail someone@example.invalid now",
    "card 4111 1111 1111 1111 charged",
)
HARMLESS = (
    "trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id=00f067aa0ba902b7",
    "pod api-6d4cf56db6-x2x9z on node-1",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "uid 123e4567-e89b-12d3-a456-426614174000",
    'etag "33a64df551425fcc55e4d42a148795d9f25f89d4"',
    "commit 2fd4e1c67a2d28fced849ee1bb76e7391b93eb12",
    "resourceVersion: 1234567890123",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "X-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678",
    "ulid 01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "pvc-0a1b2c3d-1111-2222-3333-444455556666",
    'http_request_duration_seconds_bucket{le="0.5"} 129389',
    "Seq Scan on parcel  (cost=0.00..18334.00 rows=1 width=97)",
    "SELECT * FROM users WHERE password = $1 AND token = $2",
    "time.sleep (/srv/app/auth/session.py:41)",
    "authenticate (/venv/lib/site-packages/flask_login/utils.py:12)",
    "http://127.0.0.1:8000/items?page=2",
    "duration: 123.456 ms",
)


def test_secrets_in_every_form_are_removed() -> None:
    planted = [form.replace("SECRET", f"{SECRET}{number}") for form in FORMS for number in range(10)]
    left = [text for text in planted if SECRET in redact(text)[0]]
    print(f"{len(planted) - len(left)} of {len(planted)} canaries removed")
    assert len(left) <= len(planted) * 0.01, left[:5]


@pytest.mark.parametrize("text", WHOLE)
def test_secrets_with_a_shape_of_their_own_are_removed(text: str) -> None:
    clean, count = redact(text)
    assert count == 1
    assert "<redacted:1>" in clean


def test_harmless_lines_stay() -> None:
    changed = [(text, redact(text)[0]) for text in HARMLESS if redact(text)[1]]
    assert not changed


def test_equal_secrets_get_equal_tokens() -> None:
    clean, count = redact("password=abcdef123 and again password=abcdef123 but password=other999")
    assert count == 3
    assert clean == "password=<redacted:1> and again password=<redacted:1> but password=<redacted:2>"


def test_redacting_twice_changes_nothing_more() -> None:
    once, _ = redact("postgresql://app:verysecret1@db/shop")
    assert redact(once) == (once, 0)


def test_evidence_is_cleaned_everywhere_and_counted() -> None:
    dirty = samples.slow(text="SELECT 1 -- password=hunter2hunter2")
    clean = redact_evidence(dirty)
    assert b"hunter2" not in msgspec.json.encode(clean)
    assert clean.redacted > 0


def test_clean_evidence_is_left_as_it_is() -> None:
    assert redact_evidence(samples.healthy()) == samples.healthy()
