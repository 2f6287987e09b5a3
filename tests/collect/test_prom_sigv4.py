"""AWS's published test vectors (get-vanilla, get-vanilla-query-order-key-case)."""

from __future__ import annotations

import pytest

from unslow.collect.prom_sigv4 import Keys, from_environment, region, signed

KEYS = Keys(access="AKIDEXAMPLE", secret="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
AT_S = 1440938160.0  # 2015-08-30 12:36:00 UTC


@pytest.mark.parametrize(
    ("path", "signature"),
    [
        ("/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("/?Param2=value2&Param1=value1", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
    ],
)
def test_published_vectors(path, signature):
    headers = signed(f"https://example.amazonaws.com{path}", KEYS, "us-east-1", AT_S, "service")
    assert headers["Authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={signature}"
    )
    assert headers["x-amz-date"] == "20150830T123600Z"


def test_a_token_is_signed_and_secrets_are_not_shown():
    headers = signed("https://example.com/", Keys(access="AKID1234", secret="hush", token="t"), "eu-west-1", AT_S)
    assert "x-amz-security-token" in headers["Authorization"]
    assert headers["x-amz-security-token"] == "t"
    assert "hush" not in repr(Keys(access="AKID1234", secret="hush"))


def test_only_the_managed_service_is_signed_for(monkeypatch):
    assert region("aps-workspaces.eu-west-1.amazonaws.com") == "eu-west-1"
    assert region("aps-workspaces.eu-west-1.amazonaws.com.example.org") == ""
    assert region("127.0.0.1") == ""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    assert from_environment() is None
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    assert from_environment() is not None
