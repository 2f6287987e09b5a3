from __future__ import annotations

import pytest

from tests.checks.verbs import profile
from unslow.measure.retries import retry_ratio

VIEW = ("handle_request /venv/lib/site-packages/gunicorn/workers/sync.py", "view /srv/app.py")
RETRY = (*VIEW, "sleep /venv/lib/site-packages/urllib3/util/retry.py")


def test_the_share_of_time_in_retry_code() -> None:
    assert retry_ratio(profile((RETRY, "sleep", 1.0), (VIEW, "run", 3.0))) == pytest.approx(0.25)


def test_no_retries_and_no_requests() -> None:
    assert retry_ratio(profile((VIEW, "run", 3.0))) == 0.0
    assert retry_ratio(profile((("run /usr/lib/python3.11/threading.py",), "run", 3.0))) == 0.0
